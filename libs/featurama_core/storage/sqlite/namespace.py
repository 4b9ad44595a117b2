"""One open namespace: the methods of the port, executed by the writer or a reader."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from featurama_core.storage.namespaces import unknown_namespace
from featurama_core.storage.port import Consistency, NamespaceOptions
from featurama_core.storage.records import (
    Cells,
    Definitions,
    History,
    Partition,
    PartitionToPack,
    ScanBlock,
    Seeks,
    Sought,
    Tombstone,
    WriteBatch,
)
from featurama_core.storage.sqlite import cleaning, definitions, history, imports, latest, models, scans, seeks, values
from featurama_core.storage.sqlite import entities as registered
from featurama_core.storage.sqlite import layouts as registered_layouts
from featurama_core.storage.sqlite.connections import FileIdentity, OnStatement, Transaction
from featurama_core.storage.sqlite.directory import Directory
from featurama_core.storage.sqlite.failures import translating
from featurama_core.storage.sqlite.readers import Readers
from featurama_core.storage.sqlite.writer import Writer
from featurama_core.types.errors import FeaturamaError, OutcomeUnknown, StoreUnavailable
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import UInt8Array
from featurama_core.types.writes import Outcome, WriteMode, all_accepted

P = ParamSpec("P")
T = TypeVar("T")

_SERVING_READERS = 3
_BYTES_ON_THE_LOOP = 128 * 1024
"""Expected bytes of latest cells that are read on the event loop: about as much time as a thread would cost."""
_BYTES_PER_LOOKUP = 512
"""The lookup of an entity takes about the time of reading so many bytes."""
_SCANNING_READERS = 2


def _writing(
    work: Callable[Concatenate[Transaction, P], T], *, of_many: bool = False
) -> Callable[Concatenate[SqliteNamespace, P], Coroutine[Any, Any, T]]:
    """A method of the port that is `work` in a transaction of the writer. of_many: on the items of one list."""

    @wraps(work)
    async def method(self: SqliteNamespace, /, *args: P.args, **kwargs: P.kwargs) -> T:
        weight = len(args[0]) if of_many else 1  # type: ignore[arg-type]  # a sequence
        return await self._writer.run(lambda transaction: work(transaction, *args, **kwargs), weight=weight)

    return method


def _reading(
    work: Callable[Concatenate[sqlite3.Connection, P], T], *, is_long: bool = False
) -> Callable[Concatenate[SqliteNamespace, P], Coroutine[Any, Any, T]]:
    """A method of the port that is `work` in a snapshot of a reader, of a scanner if it is long."""

    @wraps(work)
    async def method(self: SqliteNamespace, /, *args: P.args, **kwargs: P.kwargs) -> T:
        readers = self._scanners if is_long else self._readers
        return await readers.run(lambda connection: work(connection, *args, **kwargs))

    return method


class SqliteNamespace:
    """`NamespaceStorage` on one file. Opened and closed by its `SqliteStorage`.

    After the namespace was dropped, every method raises Unknown (UNKNOWN_NAMESPACE).
    """

    def __init__(
        self,
        directory: Directory,
        name: str,
        identity: FileIdentity,
        connection: sqlite3.Connection,
        info: dict[str, str],
        on_statement: OnStatement | None,
    ) -> None:
        """connection: closed by this object. info: the rows of namespace_info."""
        self.name = name
        self.incarnation = info["incarnation"]
        self._options = NamespaceOptions(history_period=int(info["history_period"]))
        self.gone = False
        self._path = directory.path_of(name)
        self._identity = identity
        self._layouts = registered_layouts.LayoutCache()
        self._writer = Writer(name, connection, self.check, on_statement)
        connect = partial(directory.open_reader, name, identity)
        self._bytes_per_entity: float = _BYTES_ON_THE_LOOP
        self._readers = Readers(f"reader-{name}", _SERVING_READERS, connect, self.check)
        # Separate threads: long scans never delay an online read.
        self._scanners = Readers(f"scanner-{name}", _SCANNING_READERS, connect, self.check)

    @classmethod
    async def open(cls, directory: Directory, name: str, on_statement: OnStatement | None) -> SqliteNamespace:
        """Open the file and start its threads. Unknown, FailedPrecondition as `Storage.namespace`."""
        return cls(directory, name, *await asyncio.to_thread(directory.open, name), on_statement)

    def check(self) -> None:
        """Raise Unknown unless the name still stands for the opened file. Blocks."""
        with translating():
            current = FileIdentity.of(self._path)
        if current != self._identity:
            self.gone = True
            raise unknown_namespace(self.name)

    async def close(self, ended: FeaturamaError) -> None:
        """Finish waiting requests, then end all threads and connections. Later calls raise `ended`."""
        await self._readers.close(ended)
        await self._scanners.close(ended)
        await self._writer.close(ended)

    @property
    def options(self) -> NamespaceOptions:
        """The options fixed at its creation."""
        return self._options

    async def write(self, batch: WriteBatch, mode: WriteMode) -> UInt8Array:  # noqa: ARG002 - one file is always atomic
        """All rows of a batch have the same outcome, in either mode."""
        outcomes = all_accepted(len(batch.entity_ids))
        work = partial(values.write_batch, batch=batch, history_period=self._options.history_period)
        try:
            await self._writer.run(work, weight=len(batch.entity_ids))
        except StoreUnavailable:
            outcomes[:] = Outcome.REJECTED
        except OutcomeUnknown:
            outcomes[:] = Outcome.UNKNOWN
        return outcomes

    async def read_cells(self, entity_ids: Sequence[str], *, consistency: Consistency | None = None) -> Cells:  # noqa: ARG002 - one copy
        """The latest partitions of distinct entities."""
        work = partial(latest.read_cells, entity_ids=entity_ids)
        expected = len(entity_ids) * self._bytes_per_entity
        run = self._readers.run_small if expected <= _BYTES_ON_THE_LOOP else self._readers.run
        cells = await run(work)
        # Grows at once and shrinks slowly, so that larger entities are soon left to the threads.
        found = sum(map(len, cells.cells)) / max(len(entity_ids), 1) + _BYTES_PER_LOOKUP
        self._bytes_per_entity = max(found, 0.9 * self._bytes_per_entity)
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
        """Values with start <= event time <= end: one History per feature."""

        def read(connection: sqlite3.Connection) -> list[History]:
            return history.read_history(
                connection,
                self._layouts.read(connection),
                entity_ids,
                features,
                start=start,
                end=end,
                newest=newest,
                history_period=self._options.history_period,
            )

        # The newest values of one entity are an interactive read; all others are bulk reads.
        readers = self._readers if newest is not None and len(entity_ids) == 1 else self._scanners
        return await readers.run(read)

    async def scan_history(
        self, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        """Blocks of about 64k rows of whole entities."""
        period = partition.period
        order = await self._scanners.run(partial(scans.entities_of, group=group, period=period))
        at = 0
        while at < len(order):
            read = partial(
                scans.read_block,
                cache=self._layouts,
                features=features,
                group=group,
                period=period,
                entities=order[at : at + history.BLOCK_ROWS],
            )
            block, done = await self._scanners.run(read)
            at += done
            if block is not None:
                yield block

    async def seek_history(
        self, wanted: Seeks, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> list[Sought]:
        """The newest event of each row in the partition."""
        seek = partial(
            seeks.seek_history,
            cache=self._layouts,
            wanted=wanted,
            features=features,
            group=group,
            period=partition.period,
        )
        return await self._scanners.run(seek)

    partitions = _reading(history.partitions, is_long=True)
    put_layouts = _writing(registered_layouts.put_layouts)
    get_layouts = _reading(registered_layouts.get_layouts)
    take_import = _writing(imports.take_import)
    list_imports = _reading(imports.list_imports)
    put_tombstone = _writing(latest.put_tombstone)
    replace_cell = _writing(latest.replace_cell)
    drop_cells = _writing(latest.drop_cells, of_many=True)
    list_tombstones = _reading(latest.list_tombstones, is_long=True)
    list_latest_entities = _reading(latest.list_latest_entities, is_long=True)
    read_features = _reading(definitions.read_features)
    list_feature_names = _reading(definitions.list_feature_names)
    known_feature_names = _reading(definitions.known_feature_names)
    put_definitions = _writing(definitions.put_definitions, of_many=True)
    put_flag = _writing(definitions.put_flag)
    put_revision = _writing(definitions.put_revision)
    # By the writer: after every change that has begun.
    read_definition = _writing(definitions.read_definition)
    put_entities = _writing(registered.put_entities, of_many=True)
    get_entities = _reading(registered.get_entities)
    list_entities = _reading(registered.list_entities)
    remove_entity = _writing(registered.remove_entity)
    put_model = _writing(models.put_model)
    list_models = _reading(models.list_models)
    read_artefact = _reading(models.read_artefact)
    remove_model = _writing(models.remove_model)
    put_alias = _writing(models.put_alias)
    list_aliases = _reading(models.list_aliases)
    append_audit = _writing(models.append_audit)
    list_audit = _reading(models.list_audit)

    async def features_to_clean(self, entity_id: str, groups: Sequence[FeatureGroup]) -> list[str]:  # noqa: ARG002
        """None: history is kept by entity."""
        return []

    async def clean(self, tombstone: Tombstone, features: Sequence[tuple[FeatureDefinition, FeatureGroup]]) -> None:
        """Remove the values that the tombstone covers, one period of a group at a time."""
        through = tombstone.deleted_through // self._options.history_period
        if not tombstone.feature_name:
            periods = await self._scanners.run(partial(cleaning.history_periods, groups=None, through=through))
            for at in periods:
                await self._writer.run(partial(cleaning.remove_entity_period, tombstone=tombstone, at=at))
            await self._writer.run(partial(cleaning.remove_entity_cells, tombstone=tombstone))
            return
        for name in {group.name: None for _, group in features}:
            own = [feature for feature, group in features if group.name == name]
            periods = await self._scanners.run(partial(cleaning.history_periods, groups=[name], through=through))
            for at in periods:
                rewrite = partial(
                    cleaning.rewrite_period, cache=self._layouts, tombstone=tombstone, features=own, at=at
                )
                await self._writer.run(rewrite)

    async def purge_history(self, group: FeatureGroup, before: int) -> int:
        """Remove rows with event time < before, some entities at a time."""
        through = (before - 1) // self._options.history_period
        periods = await self._scanners.run(partial(cleaning.history_periods, groups=[group.name], through=through))
        removed = 0
        for at in periods:
            keys = await self._scanners.run(partial(scans.entities_of, group=group, period=at[1]))
            for first in range(0, len(keys), cleaning.ENTITIES_AT_ONCE):
                some = keys[first : first + cleaning.ENTITIES_AT_ONCE].tolist()
                work = partial(cleaning.remove_before, at=at, entities=some, before=before)
                removed += await self._writer.run(work)
        return removed

    async def load_definitions(self, after: int = 0) -> Definitions:
        """The definitions that changed after a revision."""
        load = partial(definitions.load_definitions, after=after, incarnation=self.incarnation)
        return await self._readers.run(load)

    async def partitions_to_pack(self, group: FeatureGroup) -> list[PartitionToPack]:  # noqa: ARG002
        """None: all history is packed."""
        return []

    async def scan_unpacked(
        self,
        features: Sequence[FeatureDefinition],  # noqa: ARG002
        group: FeatureGroup,  # noqa: ARG002
        partition: Partition,  # noqa: ARG002
    ) -> AsyncIterator[ScanBlock]:
        """Nothing."""
        nothing: tuple[ScanBlock, ...] = ()
        for each in nothing:
            yield each

    async def pack_history(self, batch: WriteBatch) -> UInt8Array:
        """The rows are packed."""
        return all_accepted(len(batch.entity_ids))

    async def end_unpacked(self, group: FeatureGroup, period: int) -> None:
        """Nothing to do."""

    async def remove_unpacked(
        self,
        group: FeatureGroup,  # noqa: ARG002
        features: Sequence[FeatureDefinition],  # noqa: ARG002
        before: int,  # noqa: ARG002
    ) -> int:
        """Nothing to remove."""
        return 0
