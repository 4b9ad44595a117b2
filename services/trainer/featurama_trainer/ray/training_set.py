"""A training set as a lazy dataset: every bucket of label rows is joined by one task, and no history is shuffled.

A path is followed in the same task while few entities can be named (their history is read by every task); else the
label rows are partitioned a second time, by the entity that the reference named. The row number brings the order back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from featurama_core.blocking import LoopThread
from featurama_core.datasets.labels import LabelSource, read_keys
from featurama_core.datasets.request import Build, DatasetRequest, RowOptions, build_request
from featurama_core.frames.spine import LabelColumns
from featurama_core.namespace import Namespace
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.settings import StorageSettings
from featurama_core.store import EmbeddedStore
from featurama_core.store_datasets import NewestMoment
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.times import KnownAt
from featurama_trainer.ray.buckets import ROW, ROWS_A_BUCKET, Bucket, LabelBuckets, buckets_for
from featurama_trainer.ray.links import Follow, add_link
from featurama_trainer.ray.output import Output
from featurama_trainer.ray.place import StorePlace, in_own_loop

TASKS_AT_ONCE = 4
ROWS_SORTED_AT_ONCE = 500_000
BROADCAST_ENTITIES = 10_000


@dataclass(frozen=True, slots=True)
class SetRequest:
    """What every task must know.

    plans: (entity column, what is read of the entities in it). bucketed: the column by whose entities the rows are cut.
    far: references of that column's plan (positions in `own`) that a later stage follows.
    """

    place: StorePlace
    output: Output
    bounds: ReadBounds
    values_only: bool
    columns: LabelColumns
    plans: tuple[tuple[str, ReadPlan], ...]
    bucketed: str
    far: frozenset[int]

    @property
    def followed_later(self) -> list[tuple[int, ResolvedFeature, tuple[ResolvedFeature, ...]]]:
        """(number, reference, targets) of each far reference."""
        plan = dict(self.plans).get(self.bucketed)
        if plan is None:
            return []
        return [
            (number, plan.own[reference], targets)
            for number, (reference, targets) in enumerate(plan.followed)
            if reference in self.far
        ]


class BucketDatasource(Datasource):  # type: ignore[misc]  # Ray ships no types
    """Buckets of label rows, joined: a read task a bucket."""

    def __init__(self, request: SetRequest, buckets: LabelBuckets) -> None:
        super().__init__()
        self._request = request
        # Held, so that the files stay while the dataset can be read.
        self._buckets = buckets

    def __reduce__(self) -> Any:
        # A copy elsewhere must not remove the files.
        raise TypeError("a BucketDatasource stays in its process; its read tasks travel")

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before the joins."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """A task a bucket that has rows."""
        del parallelism, data_context  # the buckets are cut
        return [
            ReadTask(
                partial(_read, self._request, each),
                BlockMetadata(each.rows, None, None, None),
                per_task_row_limit=per_task_row_limit,
            )
            for each in self._buckets.filled()
        ]


@dataclass(frozen=True, slots=True)
class Cutting:
    """Into how much the work is cut; see `training_set`."""

    ordered: bool = True
    work: str | Path | None = None
    tasks: int | None = None
    concurrency: int = TASKS_AT_ONCE
    broadcast: int = BROADCAST_ENTITIES


def training_set(
    storage: str | StorageSettings | StorePlace,
    labels: Any = None,
    features: Sequence[str] | None = None,
    *,
    service: str | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    statuses: bool = False,
    event_times: bool = False,
    ordered: bool = True,
    work: str | Path | None = None,
    tasks: int | None = None,
    concurrency: int = TASKS_AT_ONCE,
    broadcast: int = BROADCAST_ENTITIES,
    **rows: Unpack[RowOptions],
) -> ray.data.Dataset:
    """`FeatureStore.training_set` as a `ray.data.Dataset`: the same arguments, the same rows.

    The label rows are read (or made), checked and partitioned on disk at once; history is read when the dataset is.
    They lie below `work` (default: the machine's temporary directory; a cluster needs one that every node sees) until
    the dataset is gone. ordered: in the order of the label rows; else bucket by bucket, which spares a sort of the
    result. tasks: at least so many buckets. concurrency: tasks that read the store at once. broadcast: up to so many
    entities that a reference can name, every task reads their history itself.
    """
    place = StorePlace.of(storage, namespace)
    asking = build_request(
        labels,
        FeatureSelection.of(features, service),
        Build(statuses=statuses, event_times=event_times),
        **rows,
    )
    cutting = Cutting(ordered, work, tasks, concurrency, broadcast)
    loop = LoopThread("featurama-ray")
    try:
        opened = loop.enter(place.open())
        asked = loop.run(asked_rows(opened, asking))
        resolve = partial(opened.resolve, asking.selection)
        shown = partial(Output, statuses=statuses, event_times=event_times)
        request, buckets = loop.run(partitioned(opened, place, asked, resolve, shown, cutting))
    finally:
        loop.close()
    return dataset(request, buckets, cutting, request.output.shaped)


@dataclass(frozen=True, slots=True)
class AskedRows:
    """Label rows, their columns, and what may be known of them; `now`: microseconds, when the request began."""

    source: LabelSource
    columns: LabelColumns
    at_now: bool
    known_at: KnownAt
    now: int


async def asked_rows(namespace: Namespace, request: DatasetRequest) -> AskedRows:
    """The label rows that are given, or those that are made without labels."""
    now = namespace.now()
    source, columns, at_now = await request.open(now, namespace.entity_ids)
    return AskedRows(source, columns, at_now, request.known_at, now)


async def partitioned(
    opened: Namespace,
    place: StorePlace,
    asked: AskedRows,
    resolve: Callable[..., Awaitable[Sequence[ResolvedFeature]]],
    shown: Callable[[tuple[str, ...], tuple[ResolvedFeature, ...]], Output],
    cutting: Cutting,
) -> tuple[SetRequest, LabelBuckets]:
    """Read, check and partition the label rows on disk. resolve: the features, as known at `known_at`; shown: which
    columns the label columns and the features make.
    """
    source = asked.source
    buckets = LabelBuckets(cutting.work, buckets_for(source.rows, cutting.tasks))
    newest = NewestMoment(opened, asked.known_at, asked.now)
    cut_by = asked.columns.certain
    await asyncio.to_thread(buckets.fill, source, cut_by, newest.see)
    resolved = await resolve(known_at=newest.time)
    columns = asked.columns
    if columns.of_types:
        columns = columns.needed([each.entity_type for each in resolved], source.schema.names)
    output = shown(tuple(source.schema.names), tuple(resolved))
    output.check_names()
    plans, bucketed = output.plans(columns), cut_by.entities[0]
    far = await _far(opened, dict(plans).get(bucketed), cutting.broadcast)
    bounds = ReadBounds(asked.known_at, asked.now, asked.at_now)
    values_only = not (output.statuses or output.event_times)
    return SetRequest(place, output, bounds, values_only, columns, tuple(plans), bucketed, far), buckets


def dataset(
    request: SetRequest, buckets: LabelBuckets, cutting: Cutting, shape: Callable[[pa.Table], pa.Table]
) -> ray.data.Dataset:
    """The joins, lazily. shape: makes the rows to show of a block of joined ones; it must leave the row number."""
    output = request.output
    count = len(buckets.filled())
    at_once = min(cutting.concurrency, count)
    pool = ray.data.TaskPoolStrategy(at_once)
    rows = ray.data.read_datasource(BucketDatasource(request, buckets), override_num_blocks=count, concurrency=at_once)
    for number, reference, targets in request.followed_later:
        step = Follow(request.place, request.bounds, number, reference, targets, output)
        rows = rows.repartition(count, keys=[step.shard_column]).map_batches(
            step, batch_size=None, batch_format="pyarrow", compute=pool
        )
    rows = rows.map_batches(shape, batch_size=None, batch_format="pyarrow", compute=pool)
    order = cutting.ordered and count > 1
    if order and buckets.rows > ROWS_SORTED_AT_ONCE:
        # Row numbers are dense: where to cut them need not be sampled.
        step_rows = -(-buckets.rows // count)
        rows = rows.sort(ROW, boundaries=list(range(step_rows, buckets.rows, step_rows)))
    elif order:
        # A shuffle starts processes of its own, which takes longer than sorting so few rows.
        rows = rows.repartition(1)
    rows.context.execution_options.preserve_order = cutting.ordered
    finish = partial(_unnumbered, sort=order and buckets.rows <= ROWS_SORTED_AT_ONCE)
    return rows.map_batches(finish, batch_size=None, batch_format="pyarrow")


def _unnumbered(table: pa.Table, *, sort: bool) -> pa.Table:
    return (table.sort_by(ROW) if sort else table).drop_columns([ROW])


async def _far(namespace: Namespace, plan: ReadPlan | None, broadcast: int) -> frozenset[int]:
    """The references that can name more entities than are read by every task."""
    far: set[int] = set()
    if plan is None:
        return frozenset()
    for reference, _ in plan.followed:
        named = plan.own[reference].definition.references
        if named is None:
            raise InvalidInput("a path must follow a reference", field="features")
        found, after = 0, None
        while found <= broadcast:
            page, after = await EmbeddedStore(namespace).page_entities(named, after, min(broadcast + 1, 10_000))
            found += len(page)
            if after is None:
                break
        if found > broadcast:
            far.add(reference)
    return frozenset(far)


def _read(request: SetRequest, bucket: Bucket) -> Iterator[pa.Table]:
    return in_own_loop(request.place, partial(_joined, request=request, bucket=bucket))


async def _joined(namespace: Namespace, *, request: SetRequest, bucket: Bucket) -> AsyncIterator[pa.Table]:
    for table in bucket.tables(2 * ROWS_A_BUCKET):
        yield await _with_features(namespace, request, bucket, table)


async def _with_features(namespace: Namespace, request: SetRequest, bucket: Bucket, table: pa.Table) -> pa.Table:
    output = request.output
    keys = read_keys(table.to_batches()[0], request.columns, 0)
    shown: list[tuple[ResolvedFeature, Column]] = []
    for name, whole in request.plans:
        source, is_cut = ValueSource(namespace), name == request.bucketed
        plan = whole.without(request.far if is_cut else frozenset())
        if is_cut:
            source = source.of_shard(bucket.number, bucket.buckets)
        retrieval = Retrieval(source, plan, request.bounds, values_only=request.values_only)
        found = await retrieval.columns(keys.alone(name).entity_ids.to_pylist(), keys.event_time)
        features = [each for stage in plan.stages for each in stage]
        shown += [(each, column) for each, column in zip(features, found, strict=True) if output.shows(each)]
        for number, (reference, _) in enumerate(whole.followed):
            if is_cut and reference in request.far:
                table = add_link(table, number, found[reference], keys.event_time, bucket.buckets)
    return output.add(table, shown)
