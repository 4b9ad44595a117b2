"""The settings class of each service; only the one that is needed is imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_CLASSES = {
    "online": "OnlineSettings",
    "ingest": "IngestSettings",
    "gateway": "GatewaySettings",
    "trainer": "Settings",
}
SERVICES = tuple(_CLASSES)


def settings_kind(service: str) -> Any:
    """The settings class of one of SERVICES."""
    return getattr(import_module(f"featurama_{service}.settings"), _CLASSES[service])
