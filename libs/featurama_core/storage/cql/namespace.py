"""One open namespace: the port's methods, each while the namespace lives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np

from featurama_core.storage.cql import (
    cleaning,
    definitions,
    entities,
    history,
    imports,
    latest,
    layouts,
    models,
    scans,
    values,
)
from featurama_core.storage.cql.incarnation import Incarnation
from featurama_core.storage.cql.periods import HistoryPeriods
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.layouts import Layout
from featurama_core.storage.port import (
    AuditRecord,
    Catalogue,
    Cells,
    Consistency,
    History,
    Mark,
    NamespaceOptions,
    Partition,
    ScanBlock,
    StoredModel,
    WriteBatch,
)
from featurama_core.types.errors import StoreUnavailable
from featurama_core.types.imports import ImportRecord, ImportScope
from featurama_core.types.schema import Definition, Entity, FeatureDefinition, FeatureGroup
from featurama_core.types.times import Clock
from featurama_core.types.values import UInt8Array
from featurama_core.types.writes import Outcome, WriteMode


class CqlNamespace:
    """`NamespaceStorage` on one keyspace. Opened by its `CqlStorage`, which owns the session.

    After the namespace was dropped, or made again, every method raises Unknown (UNKNOWN_NAMESPACE) within a second.
    """

    def __init__(
        self, statements: Statements, incarnation: Incarnation, options: NamespaceOptions, clock: Clock
    ) -> None:
        self.incarnation = incarnation
        self._statements = statements
        self._options = options
        self._clock = clock
        self._periods = HistoryPeriods(statements)

    @property
    def options(self) -> NamespaceOptions:
        """What was fixed at its creation."""
        return self._options

    async def write(self, batch: WriteBatch, mode: WriteMode) -> UInt8Array:
        """Make rows durable in history and latest. -> uint8[n] of Outcome."""
        try:
            await self.incarnation.check()
        except StoreUnavailable:
            return np.full(len(batch.entity_ids), Outcome.REJECTED, dtype=np.uint8)
        outcomes = await values.write_batch(
            self._statements,
            self._periods,
            batch,
            mode,
            history_period=self._options.history_period,
            clock=self._clock,
        )
        if (outcomes != Outcome.ACCEPTED).any():
            await self.incarnation.after_failure()
        return outcomes

    async def read_cells(self, entity_ids: Sequence[str], *, consistency: Consistency | None = None) -> Cells:
        """The latest partitions of distinct entities."""
        try:
            await self.incarnation.check()
        except StoreUnavailable:
            return latest.all_failed(len(entity_ids))
        cells = await latest.read_cells(self._statements, entity_ids, consistency)
        if cells.failed.any():
            await self.incarnation.after_failure()
        return cells

    async def read_history(
        self,
        entity_ids: Sequence[str],
        features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
        *,
        start: int,
        end: int,
        newest: int | None = None,
    ) -> list[History]:
        """Values with start <= event time <= end, a History a feature."""
        bounds = history.Bounds(start, end, self._options.history_period)
        async with self.incarnation.living():
            return await history.read_history(self._statements, self._periods, entity_ids, features, bounds, newest)

    async def partitions(self, group: FeatureGroup) -> list[Partition]:
        """Every bucket of the periods that hold rows of the group."""
        async with self.incarnation.living():
            return await self._periods.partitions(group)

    async def scan_history(
        self,
        features: Sequence[FeatureDefinition],
        group: FeatureGroup,  # noqa: ARG002 - names are unique in a namespace
        partition: Partition,
    ) -> AsyncIterator[ScanBlock]:
        """Blocks of whole entities, ids ascending."""
        scan = scans.scan_history(self._statements, features, partition)
        while True:
            async with self.incarnation.living():
                block = await anext(scan, None)
            if block is None:
                return
            yield block

    async def put_layouts(self, layouts_: Sequence[Layout]) -> None:
        """Register layouts."""
        async with self.incarnation.living():
            await layouts.put_layouts(self._statements, layouts_)

    async def get_layouts(self, layout_ids: Sequence[int]) -> dict[int, Layout]:
        """The known ones."""
        async with self.incarnation.living():
            return await layouts.get_layouts(self._statements, layout_ids)

    async def take_import(self, import_id: str, scope: ImportScope) -> int:
        """Begin an import. -> its number."""
        async with self.incarnation.living():
            return await imports.take_import(self._statements, import_id, scope)

    async def list_imports(self) -> list[ImportRecord]:
        """In the order in which they began."""
        async with self.incarnation.living():
            return await imports.list_imports(self._statements)

    async def put_mark(self, mark: Mark) -> None:
        """Set a deletion mark."""
        async with self.incarnation.living():
            await latest.put_mark(self._statements, mark)

    async def list_marks(self) -> list[Mark]:
        """All marks."""
        async with self.incarnation.living():
            return await latest.list_marks(self._statements)

    async def clean(self, mark: Mark, features: Sequence[tuple[FeatureDefinition, FeatureGroup]]) -> None:
        """Remove what the mark covers."""
        async with self.incarnation.living():
            period = self._options.history_period
            await cleaning.clean(self._statements, self._periods, mark, features, period)

    async def replace_cell(
        self,
        entity_id: str,
        layout_id: int,
        old: bytes,  # noqa: ARG002 - the larger bytes win, whatever `old` was
        new: bytes,
        event_time: int,
    ) -> None:
        """Put `new` over `old` in latest."""
        async with self.incarnation.living():
            await latest.replace_cell(self._statements, entity_id, layout_id, new, event_time)

    async def drop_cells(
        self, entity_ids: Sequence[str], layout_ids: Sequence[int], event_times: Sequence[int]
    ) -> None:
        """Remove cells of these event times or older ones."""
        async with self.incarnation.living():
            await latest.drop_cells(self._statements, entity_ids, layout_ids, event_times)

    async def list_latest_entities(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """A page of entities that have cells."""
        async with self.incarnation.living():
            return await latest.list_latest_entities(self._statements, after, limit)

    async def purge_history(self, group: FeatureGroup, before: int) -> int:  # noqa: ARG002 - the rows' TTL does it
        """Nothing: history rows of a group with retention expire by themselves."""
        return 0

    async def load_catalogue(self) -> Catalogue:
        """All definitions."""
        async with self.incarnation.living():
            return await definitions.load_catalogue(self._statements, self.incarnation.id)

    async def put_definition(self, definition: Definition) -> Definition:
        """Store it unless its key is taken. InvalidInput for a retention that the server cannot express."""
        async with self.incarnation.living():
            return await definitions.put_definition(self._statements, definition)

    async def update_definition(self, definition: Definition) -> None:
        """Replace the fields that may change; Unknown unless it is there."""
        async with self.incarnation.living():
            await definitions.update_definition(self._statements, definition)

    async def put_entities(self, entities_: Sequence[Entity]) -> list[Entity]:
        """Store each unless its id is of another type."""
        async with self.incarnation.living():
            return await entities.put_entities(self._statements, entities_)

    async def get_entities(self, entity_ids: Sequence[str]) -> dict[str, Entity]:
        """The registered ones."""
        async with self.incarnation.living():
            return await entities.get_entities(self._statements, entity_ids)

    async def list_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """A page of a type's entities."""
        async with self.incarnation.living():
            return await entities.list_entities(self._statements, entity_type, after, limit)

    async def remove_entity(self, entity_id: str) -> None:
        """Forget the registration."""
        async with self.incarnation.living():
            await entities.remove_entity(self._statements, entity_id)

    async def put_model(self, model: StoredModel, chunks: Sequence[bytes]) -> bool:
        """Store a version; False if it is taken."""
        async with self.incarnation.living():
            return await models.put_model(self._statements, model, chunks)

    async def list_models(self, name: str | None = None) -> list[StoredModel]:
        """Versions of one model, or of all."""
        async with self.incarnation.living():
            return await models.list_models(self._statements, name)

    async def read_artefact(self, name: str, version: int) -> bytes:
        """The artefact's bytes."""
        async with self.incarnation.living():
            return await models.read_artefact(self._statements, name, version)

    async def remove_model(self, name: str, version: int) -> None:
        """Remove a version."""
        async with self.incarnation.living():
            await models.remove_model(self._statements, name, version)

    async def put_alias(self, model: str, alias: str, version: int, *, expected: int | None = None) -> bool:
        """Point an alias at a version, if it names `expected`."""
        async with self.incarnation.living():
            return await models.put_alias(self._statements, model, alias, version, expected)

    async def list_aliases(self, model: str | None = None) -> dict[tuple[str, str], int]:
        """(model, alias) -> version."""
        async with self.incarnation.living():
            return await models.list_aliases(self._statements, model)

    async def append_audit(self, record: AuditRecord) -> None:
        """Durably append."""
        async with self.incarnation.living():
            await models.append_audit(self._statements, record)

    async def list_audit(self, limit: int) -> list[AuditRecord]:
        """The newest first."""
        async with self.incarnation.living():
            return await models.list_audit(self._statements, limit)
