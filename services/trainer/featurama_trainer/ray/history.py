"""History as a dataset: one read task per run of partitions of a feature group, in the order of their periods.

A row is an entity at an event time, with one column per feature, null if it was not written at that time. Tombstones
and retention apply, ttl does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import ray.data

from featurama_core.frames.naming import unique_names
from featurama_core.frames.tables import Field, arrow_table, value_field
from featurama_core.namespace import Namespace
from featurama_core.retrieval.history_rows import history_rows
from featurama_core.retrieval.tombstones import TombstoneList
from featurama_core.retrieval.visibility import AsOf, check_settled, first_kept, horizon, ingest_bound
from featurama_core.storage.records import History, Partition
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import MAX_TIME, MIN_TIME, Time, to_micros
from featurama_core.types.values import Int64Array
from featurama_trainer.ray.reads import Read, dataset_of
from featurama_trainer.ray.store_location import StoreLocation, in_own_loop, own_loop

TASKS_AT_ONCE = 4


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
        return AsOf(self.end, known, self.now, self.now, self.now)


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
    columns = [History.nothing(each.definition).column for each in request.features]
    schema = _table(request, [], np.zeros((3, 0), np.int64), columns).schema
    # At most `tasks` runs of adjacent partitions, with at least one partition each.
    blocks = max(min(tasks or len(partitions), len(partitions)), 1)
    runs = np.array_split(np.arange(len(partitions)), blocks) if partitions else []
    reads = [Read(partial(_read, place, request, [partitions[at] for at in run]), schema=schema) for run in runs]
    return dataset_of(reads, concurrency=min(concurrency, blocks))


async def _plan(
    namespace: Namespace, features: Sequence[str], bounds: tuple[int, int], known_at: int | None, corrections: bool
) -> tuple[HistoryRequest, list[Partition]]:
    now = namespace.now()
    check_settled(known_at, now, namespace.settings.settling_time)
    resolved = await namespace.resolve(FeatureSelection.of(features, None), known_at=known_at)
    if any(each.via is not None for each in resolved):
        raise InvalidInput("a path has no history; name a feature", reason=Reason.INVALID_REFERENCE, field="features")
    if len({each.group.name for each in resolved}) > 1:
        raise InvalidInput("features are of several groups; name those of one group", field="features")
    # `distance` and `distance@1` may be the same feature, which is one column.
    distinct = tuple({each.reference: each for each in resolved}.values())
    request = HistoryRequest(distinct, bounds[0], bounds[1], known_at, corrections, now)
    length = namespace.storage.options.history_period
    oldest = max(request.start, first_kept([horizon(request.group, MIN_TIME, now)]))
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
            keys, columns = history_rows(
                block, request.group, tombstones, request.as_of, start=request.start, corrections=request.corrections
            )
            if keys.shape[1]:
                yield _table(request, block.entity_ids, keys, columns)


def _table(request: HistoryRequest, entity_ids: Sequence[str], keys: Int64Array, columns: Sequence[Column]) -> pa.Table:
    """The rows, sorted by entity (by the bytes of its id), event time and, with corrections, ingest time."""
    ids = pa.array(entity_ids, pa.string()).take(pa.array(keys[0]))
    fields = [Field("entity_id", "carried", ids), Field("timestamp", "us", keys[1])]
    if request.corrections:
        fields.append(Field("ingested_at", "ns", keys[2]))
    fields += [value_field(name, column) for name, column in zip(unique_names(columns), columns, strict=True)]
    return arrow_table(fields)
