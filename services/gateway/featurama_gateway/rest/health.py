"""GET /health: whether the online service answers, reaches its store, and can predict with the model."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import APIRouter, Response

from featurama import AsyncClient
from featurama.errors import NamespaceProblem
from featurama_gateway.readiness import Readiness
