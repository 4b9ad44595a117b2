"""History as a dataset: one read task per run of partitions of a feature group, in the order of their periods.

A row is an entity at an event time, with one column per feature, null if it was not written at that time. Tombstones
and retention apply, ttl does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from featurama_core.frames.naming import unique_names
from featurama_core.frames.tables import Field, arrow_table, value_field
from featurama_core.namespace import Namespace
from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.tombstones import TombstoneList
from featurama_core.retrieval.visibility import (
    AsOf,
    Bound,
    admitted,
    check_settled,
    first_kept,
    horizon,
    ingest_bound,
    newest_per_event_time,
    per_entity,
)
from featurama_core.storage.port import History, Partition, ScanBlock
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.column import Column, masked
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import MAX_TIME, MIN_TIME, Time, to_micros
from featurama_core.types.values import Int64Array, Status, UInt8Array, empty_values
from featurama_trainer.ray.store_location import StoreLocation, in_own_loop, own_loop

TASKS_AT_ONCE = 4
_VALUE_BYTES = 16


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """The request, as sent to every task. start, end, now: microseconds, both bounds included; known_at: microseconds,
    None for no bound; corrections: every stored value, with its `ingested_at`.
    """

    features: tuple[ResolvedFeature, ...]
    start: int
    end: int
    known_at: int | None
    corrections: bool
    now: int

    @property
    def group(self) -> FeatureGroup:
        """The group of the features."""
        return self.features[0].group

    @property
    def as_of(self) -> AsOf:
        """The bounds of visible values, up to `end`."""
        known = None if self.known_at is None else ingest_bound(self.known_at)
        return AsOf(self.end, known, self.now, self.now)

    def gone(self, deleted_through: Bound) -> Bound:
        """The horizon of the features."""
        return horizon(self.group.retention, deleted_through, self.now)


class HistoryDatasource(Datasource):  # type: ignore[misc]  # Ray ships no types
    """The history of features of one group. Tasks open the store."""

    def __init__(self, place: StoreLocation, request: HistoryRequest, partitions: Sequence[Partition]) -> None:
        super().__init__()
        self._place = place
        self._request = request
        self._partitions = list(partitions)

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before it is read."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """At most `parallelism` tasks of adjacent partitions, with at least one partition per task."""
        del data_context
        count = min(max(parallelism, 1), len(self._partitions))
        columns = [_no_rows(each) for each in self._request.features]
        schema = _table(self._request, [], np.zeros((3, 0), np.int64), columns).schema
        tasks = []
        for run in np.array_split(np.arange(len(self._partitions)), count) if count else []:
            read = partial(_read, self._place, self._request, [self._partitions[at] for at in run.tolist()])
            tasks.append(ReadTask(read, BlockMetadata(None, None, None, None), schema, per_task_row_limit))
        return tasks


def history(
    storage: str | StorageSettings | StoreLocation,
    features: Sequence[str],
    *,
    namespace: str = DEFAULT_NAMESPACE,
    start: Time | None = None,
    end: Time | None = None,
    known_at: Time | None = None,
    corrections: bool = False,
    tasks: int | None = None,
    concurrency: int = TASKS_AT_ONCE,
) -> ray.data.Dataset:
    """Every stored value of features of one group, as a lazy dataset: entity_id, timestamp, one column per feature.

    One value per event time, or with `corrections` every value with `ingested_at`. start, end: bounds of the event
    time, included. tasks: their maximum number (default: one per partition); concurrency: of tasks at a time. Raises
    InvalidInput for features of several groups, and for paths.
    """
    place = StoreLocation.of(storage, namespace)
    bounds = (
        MIN_TIME if start is None else to_micros(start, "start"),
        MAX_TIME if end is None else to_micros(end, "end"),
    )
    known = None if known_at is None else to_micros(known_at, "known_at")
    with own_loop(place) as (loop, opened):
        request, partitions = loop.run(_plan(opened, features, bounds, known, corrections))
    source = HistoryDatasource(place, request, partitions)
    blocks = max(min(tasks or len(partitions), len(partitions)), 1)
    return ray.data.read_datasource(source, override_num_blocks=blocks, concurrency=min(concurrency, blocks))


async def _plan(
    namespace: Namespace, features: Sequence[str], bounds: tuple[int, int], known_at: int | None, corrections: bool
) -> tuple[HistoryRequest, list[Partition]]:
    now = namespace.now()
    check_settled(known_at, now, namespace.settings.settling_time)
    resolved = await namespace.resolve(FeatureSelection(tuple(features)), known_at=known_at)
    if any(each.via is not None for each in resolved):
        raise InvalidInput("a path has no history; name a feature", reason=Reason.INVALID_REFERENCE, field="features")
    if len({each.group.name for each in resolved}) > 1:
        raise InvalidInput("features are of several groups; ask for one group at a time", field="features")
    # `distance` and `distance@1` may be the same feature, which is one column.
    distinct = tuple({each.reference: each for each in resolved}.values())
    request = HistoryRequest(distinct, bounds[0], bounds[1], known_at, corrections, now)
    length = namespace.storage.options.history_period
    oldest = max(request.start, first_kept([request.gone(MIN_TIME)]))
    found = [
        each
        for each in await namespace.storage.partitions(request.group)
        if each.period * length <= request.end and (each.period + 1) * length > oldest
    ]
    # By bucket, then period: a task reads the periods of its buckets in order.
    return request, sorted(found, key=lambda each: (each.bucket / each.buckets, each.period))


def _read(place: StoreLocation, request: HistoryRequest, partitions: Sequence[Partition]) -> Iterator[pa.Table]:
    return in_own_loop(place, partial(_tables, request=request, partitions=partitions))


async def _tables(
    namespace: Namespace, *, request: HistoryRequest, partitions: Sequence[Partition]
) -> AsyncIterator[pa.Table]:
    tombstones = TombstoneList(await namespace.storage.list_tombstones())
    definitions = [each.definition for each in request.features]
    for partition in partitions:
        async for block in namespace.storage.scan_history(definitions, request.group, partition):
            table = _wide(request, block, tombstones)
            if table.num_rows:
                yield table


def _wide(request: HistoryRequest, block: ScanBlock, listed: TombstoneList) -> pa.Table:
    """The block as rows, sorted by entity (by the bytes of its id), event time and, with corrections, ingest time."""
    tombstones = listed.of(block.entity_ids)
    # Features of one cell share their key arrays, so they are selected and placed together.
    sets: dict[tuple[int, int, int, bytes], tuple[History, Int64Array]] = {}
    of_feature = []
    for feature, found in zip(request.features, block.histories, strict=True):
        gone = request.gone(tombstones.through(feature.definition.name))
        key = id(found.entity), id(found.event_time), id(found.ingested_at), np.asarray(gone).tobytes()
        if key not in sets:
            sets[key] = found, _picked(request, found, gone)
        of_feature.append(key)
    keys, places = _rows_of([_keys(request, found, rows) for found, rows in sets.values()])
    place_of = dict(zip(sets, places, strict=True))
    columns = [
        _spread(feature, found, sets[key][1], place_of[key], keys.shape[1])
        for feature, found, key in zip(request.features, block.histories, of_feature, strict=True)
    ]
    return _table(request, block.entity_ids, keys, columns)


def _picked(request: HistoryRequest, found: History, gone: Bound) -> Int64Array:
    """Positions of the visible stored values."""
    keys = HistoryKeys.of(found.entity, found.event_time, found.ingested_at)
    shown = admitted(keys, request.as_of, per_entity(gone, found.entity), start=request.start)
    return np.flatnonzero(shown) if request.corrections else newest_per_event_time(keys, shown)


def _keys(request: HistoryRequest, found: History, rows: Int64Array) -> Int64Array:
    return np.stack([found.entity[rows], found.event_time[rows], found.ingested_at[rows] * request.corrections])


def _rows_of(keys: list[Int64Array]) -> tuple[Int64Array, list[Int64Array]]:
    """Distinct keys of all sets, int64[3, rows] in ascending order, and the row of every key per set."""
    every = np.concatenate(keys, axis=1)
    order = np.lexsort(every[::-1])
    ordered = every[:, order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(ordered, axis=1) != 0).any(axis=0)
    row = np.empty(len(order), dtype=np.int64)
    row[order] = np.cumsum(new) - 1
    return ordered[:, new], np.split(row, np.cumsum([each.shape[1] for each in keys])[:-1])


def _spread(feature: ResolvedFeature, found: History, rows: Int64Array, place: Int64Array, count: int) -> Column:
    definition = feature.definition
    values = empty_values(definition.value_type, count, definition.vector_length)
    status = np.full(count, Status.NOT_FOUND, dtype=np.uint8)
    values[place], status[place] = found.column.values[rows], found.column.status[rows]
    return _column(feature, masked(values, definition.value_type, status, definition.vector_length), status)


def _column(feature: ResolvedFeature, values: Any, status: UInt8Array) -> Column:
    definition, time = feature.definition, np.zeros(len(status), dtype=np.int64)
    return Column(feature.name, definition.value_type, values, status, time, definition.version, feature.reference)


def _table(request: HistoryRequest, entity_ids: Sequence[str], keys: Int64Array, columns: Sequence[Column]) -> pa.Table:
    ids = pa.array(entity_ids, pa.string()).take(pa.array(keys[0]))
    fields = [Field("entity_id", "carried", ids), Field("timestamp", "us", keys[1])]
    if request.corrections:
        fields.append(Field("ingested_at", "ns", keys[2]))
    fields += [value_field(name, column) for name, column in zip(unique_names(columns), columns, strict=True)]
    return arrow_table(fields)


def _no_rows(feature: ResolvedFeature) -> Column:
    values = empty_values(feature.value_type, 0, feature.definition.vector_length)
    return _column(feature, values, np.zeros(0, dtype=np.uint8))
