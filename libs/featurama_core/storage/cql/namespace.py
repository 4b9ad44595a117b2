"""One open namespace: the methods of the port. All of them check that the namespace still exists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from featurama_core.storage.cql import (
    cleaning,
    definitions,
    entities,
    feature_names,
    history,
    imports,
    latest,
    layouts,
    models,
    old_rows,
    periods,
    scans,
    values,
)
from featurama_core.storage.cql.incarnation import Incarnation
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.port import Consistency, NamespaceOptions
from featurama_core.storage.records import Cells, Partition, PartitionToPack, ScanBlock, WriteBatch
from featurama_core.types.errors import StoreUnavailable
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import Clock
from featurama_core.types.values import UInt8Array
from featurama_core.types.writes import Outcome, WriteMode

P = ParamSpec("P")
T = TypeVar("T")


def _while_it_lives(
    work: Callable[Concatenate[Statements, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[CqlNamespace, P], Coroutine[Any, Any, T]]:
    """A method of the port that is `work` on the namespace's statements."""

    @wraps(work)
    async def method(self: CqlNamespace, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self.incarnation.living():
            return await work(self._statements, *args, **kwargs)

    return method


class CqlNamespace:
    """`NamespaceStorage` on one keyspace. Opened by its `CqlStorage`, which owns the session.

    One second after the namespace was dropped, every method raises Unknown (UNKNOWN_NAMESPACE).
    """

    def __init__(
        self, statements: Statements, incarnation: Incarnation, options: NamespaceOptions, clock: Clock
    ) -> None:
        self.incarnation = incarnation
        self._statements = statements
        self._options = options
        self._clock = clock

    @property
    def options(self) -> NamespaceOptions:
        """The options fixed at its creation."""
        return self._options

    async def write(self, batch: WriteBatch, mode: WriteMode) -> UInt8Array:
        """Make rows durable in history and latest. -> uint8[n] of Outcome."""
        try:
            await self.incarnation.check()
        except StoreUnavailable:
            return np.full(len(batch.entity_ids), Outcome.REJECTED, dtype=np.uint8)
        outcomes = await values.write_batch(self._statements, batch, mode, self._clock)
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

    async def scan_history(
        self, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        """Blocks of whole entities, ids ascending."""
        async with aclosing(scans.scan_history(self._statements, features, group, partition)) as scan:  # type: ignore[type-var]
            async for block in self._blocks(scan):
                yield block

    async def scan_unpacked(
        self, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        """The values that are in no packed cell."""
        async with aclosing(scans.scan_unpacked(self._statements, features, group, partition)) as scan:  # type: ignore[type-var]
            async for block in self._blocks(scan):
                yield block

    async def partitions_to_pack(self, group: FeatureGroup) -> list[PartitionToPack]:
        """The partitions with values outside of packed cells. From now on writers write packed cells only."""
        async with self.incarnation.living():
            found = await periods.begin_packed(self._statements, group, self._clock() // 1_000)
        return [
            PartitionToPack(partition, period.packed_since)
            for number, period in found.items()
            if period.rows and period.packed_since is not None
            for partition in periods.cut(number, period)
        ]

    async def pack_history(self, batch: WriteBatch) -> UInt8Array:
        """Write packed history only. -> uint8[n] of Outcome."""
        async with self.incarnation.living():
            return await values.write_history(self._statements, batch, self._clock)

    async def end_unpacked(self, group: FeatureGroup, period: int) -> None:
        """From now on reads of a period leave the per-value tables out."""
        async with self.incarnation.living():
            await periods.end_rows(self._statements, group, period, self._clock() // 1_000)

    async def _blocks(self, scan: AsyncIterator[ScanBlock]) -> AsyncIterator[ScanBlock]:
        while True:
            async with self.incarnation.living():
                block = await anext(scan, None)
            if block is None:
                return
            yield block

    read_history = _while_it_lives(history.read_history)
    partitions = _while_it_lives(periods.partitions)
    put_layouts = _while_it_lives(layouts.put_layouts)
    get_layouts = _while_it_lives(layouts.get_layouts)
    take_import = _while_it_lives(imports.take_import)
    list_imports = _while_it_lives(imports.list_imports)
    put_tombstone = _while_it_lives(latest.put_tombstone)
    replace_cell = _while_it_lives(latest.replace_cell)
    list_tombstones = _while_it_lives(latest.list_tombstones)
    drop_cells = _while_it_lives(latest.drop_cells)
    list_latest_entities = _while_it_lives(latest.list_latest_entities)
    clean = _while_it_lives(cleaning.clean)
    remove_unpacked = _while_it_lives(old_rows.remove_unpacked)
    features_to_clean = _while_it_lives(cleaning.features_to_clean)
    load_definitions = _while_it_lives(definitions.load_definitions)
    read_features = _while_it_lives(definitions.read_features)
    list_feature_names = _while_it_lives(feature_names.list_feature_names)
    known_feature_names = _while_it_lives(feature_names.known_feature_names)
    put_definitions = _while_it_lives(definitions.put_definitions)
    put_flag = _while_it_lives(definitions.put_flag)
    put_revision = _while_it_lives(definitions.put_revision)
    read_definition = _while_it_lives(definitions.read_definition)
    put_entities = _while_it_lives(entities.put_entities)
    get_entities = _while_it_lives(entities.get_entities)
    list_entities = _while_it_lives(entities.list_entities)
    remove_entity = _while_it_lives(entities.remove_entity)
    put_model = _while_it_lives(models.put_model)
    list_models = _while_it_lives(models.list_models)
    read_artefact = _while_it_lives(models.read_artefact)
    remove_model = _while_it_lives(models.remove_model)
    put_alias = _while_it_lives(models.put_alias)
    list_aliases = _while_it_lives(models.list_aliases)
    append_audit = _while_it_lives(models.append_audit)
    list_audit = _while_it_lives(models.list_audit)

    async def purge_history(self, group: FeatureGroup, before: int) -> int:  # noqa: ARG002 - the rows' TTL does it
        """Nothing: the history rows of a group with retention expire on the server."""
        return 0
