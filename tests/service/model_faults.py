"""A storage of models and values whose faults a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from tests.faults.storage import without

from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import Cells
from featurama_core.types.errors import StoreUnavailable


class ModelFaults:
    """The namespace's storage, with faults that a test sets. `unanswered`: entities whose partition fails."""

    def __init__(self, storage: NamespaceStorage) -> None:
        self._storage = storage
        self.unanswered: set[str] = set()
        self.names_fail = False
        self.artefact_reads = 0
        self.artefact_asked = asyncio.Event()
        self.artefact_gate = asyncio.Event()
        self.artefact_gate.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def read_cells(self, entity_ids: Sequence[str], **options: Any) -> Cells:
        cells = await self._storage.read_cells(entity_ids, **options)
        return without(cells, cells.failed | np.array([each in self.unanswered for each in entity_ids]))

    async def list_aliases(self, model: str | None = None) -> dict[tuple[str, str], int]:
        if self.names_fail:
            raise StoreUnavailable("nobody is home")
        return await self._storage.list_aliases(model)

    async def read_artefact(self, name: str, version: int) -> bytes:
        self.artefact_reads += 1
        self.artefact_asked.set()
        await self.artefact_gate.wait()
        return await self._storage.read_artefact(name, version)
