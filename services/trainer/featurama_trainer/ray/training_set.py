"""A training set as a lazy dataset: one task joins a bucket of label rows, and history is not shuffled.

If a reference can name few entities, the same task follows it, and every task reads the history of these entities. Else
the label rows are partitioned again, by the referenced entity. The row number restores the order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa
import ray.data

from featurama_core.datasets.request import Build, DatasetRequest, RowOptions, build_request
from featurama_core.datasets.spine_sources import SpineSource, read_keys
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.spine import SpineColumns
from featurama_core.namespace import Namespace
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds, check_settled
from featurama_core.storage.settings import StorageSettings
from featurama_core.store import EmbeddedStore
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.roles import NO_ROLE, Role, RowEntities
from featurama_core.types.times import KnownAt
from featurama_trainer.ray.buckets import ROW, ROWS_A_BUCKET, Bucket, LabelBuckets, buckets_for
from featurama_trainer.ray.output import Output
from featurama_trainer.ray.reads import Read, dataset_of
from featurama_trainer.ray.reference_shuffle import Follow, add_link
from featurama_trainer.ray.store_location import StoreLocation, in_own_loop, own_loop

TASKS_AT_ONCE = 4
ROWS_SORTED_AT_ONCE = 500_000
BROADCAST_ENTITIES = 10_000


@dataclass(frozen=True, slots=True)
class SetRequest:
    """The request, as sent to every task.

    plans: per role, None without roles, the read plan of its entities. bucketed: the role by whose entities the rows
    are partitioned. far: references of its plan (its own columns) that a later stage follows.
    """

    place: StoreLocation
    output: Output
    bounds: ReadBounds
    values_only: bool
    columns: SpineColumns
    plans: tuple[tuple[Role | None, ReadPlan], ...]
    bucketed: Role | None
    far: frozenset[int]

    @property
    def followed_later(self) -> list[tuple[int, ResolvedFeature, tuple[ResolvedFeature, ...]]]:
        """(number, reference, targets) of each far reference."""
        plan = dict(self.plans)[self.bucketed]
        return [
            (number, plan.link(stage)[1], stage.features)
            for number, stage in enumerate(plan.followed)
            if self.far.intersection(stage.links)
        ]


@dataclass(frozen=True, slots=True)
class Cutting:
    """The partitioning of the work; see `training_set`."""

    ordered: bool = True
    work: str | Path | None = None
    tasks: int | None = None
    concurrency: int = TASKS_AT_ONCE
    broadcast: int = BROADCAST_ENTITIES


def training_set(
    storage: str | StorageSettings | StoreLocation,
    labels: Any = None,
    features: Sequence[str] | None = None,
    *,
    service: str | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    statuses: bool = False,
    event_times: bool = False,
    column_separator: str = ".",
    ordered: bool = True,
    work: str | Path | None = None,
    tasks: int | None = None,
    concurrency: int = TASKS_AT_ONCE,
    broadcast: int = BROADCAST_ENTITIES,
    **rows: Unpack[RowOptions],
) -> ray.data.Dataset:
    """`FeatureStore.training_set` as a `ray.data.Dataset`, with the same arguments and the same rows.

    This call reads (or generates), checks and partitions the label rows on disk; history is read with the dataset. The
    rows are kept below `work` (default: the temporary directory; a cluster needs one that all nodes share) as long as
    the dataset exists. ordered: in the order of the label rows; else by bucket, without a sort of the result. tasks:
    minimum number of buckets. concurrency: tasks that read the store at a time. broadcast: maximum number of entities
    of a reference whose history every task reads.
    """
    place = StoreLocation.of(storage, namespace)
    wanted = build_request(
        labels,
        FeatureSelection.of(features, service),
        Build(statuses=statuses, event_times=event_times, column_separator=column_separator),
        **rows,
    )
    cutting = Cutting(ordered, work, tasks, concurrency, broadcast)
    with own_loop(place) as (loop, opened):
        spine = loop.run(spine_rows(opened, wanted))
        resolve = partial(opened.resolve, wanted.selection)
        shown = partial(Output, shown=FeatureColumns(statuses, event_times, column_separator))
        request, buckets = loop.run(partitioned(opened, place, spine, resolve, shown, cutting))
    return dataset(request, buckets, cutting, request.output.shaped)


@dataclass(frozen=True, slots=True)
class SpineRows:
    """Label rows from row `first` on, their columns and their bounds. now: microseconds, the start of the request."""

    source: SpineSource
    columns: SpineColumns
    at_now: bool
    known_at: KnownAt
    now: int
    first: int = 0

    @property
    def rows(self) -> int | None:
        """Their number, if it is known."""
        return None if self.source.rows is None else max(self.source.rows - self.first, 0)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as record batches. Blocks."""
        passed = 0
        for batch in self.source.batches():
            left = batch.slice(max(self.first - passed, 0))
            passed += batch.num_rows
            if left.num_rows:
                yield left


async def spine_rows(namespace: Namespace, request: DatasetRequest) -> SpineRows:
    """The given label rows, or generated ones without labels."""
    now, request = namespace.now(), await EmbeddedStore(namespace).in_roles(request)
    source, columns, at_now = await request.open(now, namespace.entity_ids)
    return SpineRows(source, columns, at_now, request.known_at, now)


async def partitioned(
    opened: Namespace,
    place: StoreLocation,
    spine: SpineRows,
    resolve: Callable[..., Awaitable[Sequence[ResolvedFeature]]],
    shown: Callable[[tuple[str, ...], tuple[ResolvedFeature, ...]], Output],
    cutting: Cutting,
) -> tuple[SetRequest, LabelBuckets]:
    """Read, check and partition the label rows on disk. resolve: resolves the features, as known at `known_at`; shown:
    the output of label columns and features.
    """
    schema = spine.source.schema
    buckets = LabelBuckets(cutting.work, buckets_for(spine.rows, cutting.tasks))
    settled = partial(check_settled, now=spine.now, settling_time=opened.settings.settling_time)
    fill = partial(buckets.fill, schema, spine.batches(), spine.columns)
    if isinstance(spine.known_at, str):
        await asyncio.to_thread(fill, settled)
        newest: int | None = buckets.newest if buckets.rows else None
    else:
        newest = spine.known_at
        settled(newest)
        await asyncio.to_thread(fill)
    resolved = await resolve(known_at=newest)
    output = shown(tuple(schema.names), tuple(resolved))
    output.check_names()
    plans, bucketed = output.plans(), spine.columns.roles[0].role if spine.columns.roles else None
    far = await _far(opened, dict(plans)[bucketed], cutting.broadcast)
    bounds = ReadBounds(spine.known_at, spine.now, spine.at_now)
    values_only = not (output.shown.statuses or output.shown.event_times)
    return SetRequest(place, output, bounds, values_only, spine.columns, tuple(plans), bucketed, far), buckets


def dataset(
    request: SetRequest, buckets: LabelBuckets, cutting: Cutting, shape: Callable[[pa.Table], pa.Table]
) -> ray.data.Dataset:
    """The joins, as a lazy dataset. shape: maps a block of joined rows to output rows; it keeps the row number."""
    output = request.output
    if not buckets.rows:
        return ray.data.from_arrow(_unnumbered(shape(output.without_rows(buckets.empty())), sort=False))
    reads = [Read(partial(_read, request, each), each.rows) for each in buckets.filled()]
    count = len(reads)
    at_once = min(cutting.concurrency, count)
    pool = ray.data.TaskPoolStrategy(at_once)
    rows = dataset_of(reads, concurrency=at_once, kept=buckets)
    for number, reference, targets in request.followed_later:
        step = Follow(request.place, request.bounds, number, request.bucketed, reference, targets, output)
        rows = rows.repartition(count, keys=[step.shard_column]).map_batches(
            step, batch_size=None, batch_format="pyarrow", compute=pool
        )
    rows = rows.map_batches(shape, batch_size=None, batch_format="pyarrow", compute=pool)
    order = cutting.ordered and count > 1
    if order and buckets.rows > ROWS_SORTED_AT_ONCE:
        # Row numbers are dense, so the boundaries need no sampling.
        step_rows = -(-buckets.rows // count)
        rows = rows.sort(ROW, boundaries=list(range(step_rows, buckets.rows, step_rows)))
    elif order:
        # A shuffle starts new processes, which takes longer than sorting few rows.
        rows = rows.repartition(1)
    rows.context.execution_options.preserve_order = cutting.ordered
    finish = partial(_unnumbered, sort=order and buckets.rows <= ROWS_SORTED_AT_ONCE)
    return rows.map_batches(finish, batch_size=None, batch_format="pyarrow")


def _unnumbered(table: pa.Table, *, sort: bool) -> pa.Table:
    return (table.sort_by(ROW) if sort else table).drop_columns([ROW])


async def _far(namespace: Namespace, plan: ReadPlan, broadcast: int) -> frozenset[int]:
    """The references that can name more than `broadcast` entities."""
    far: set[int] = set()
    for stage in plan.followed:
        named = plan.link(stage)[1].definition.references
        if named is None:
            raise InvalidInput("a path must follow a reference", field="features")
        found, after = 0, None
        while found <= broadcast:
            page, after = await EmbeddedStore(namespace).page_entities(named, after, min(broadcast + 1, 10_000))
            found += len(page)
            if after is None:
                break
        if found > broadcast:
            far.update(stage.links)
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
    for role, whole in request.plans:
        source, is_cut = ValueSource(namespace), role == request.bucketed
        plan = whole.without(request.far if is_cut else frozenset())
        if is_cut:
            source = source.of_shard(bucket.number, bucket.buckets)
        retrieval = Retrieval(source, plan, request.bounds, values_only=request.values_only)
        ids = keys.of_role[NO_ROLE if role is None else role.name].to_pylist()
        found = await retrieval.columns(RowEntities.of(ids), keys.event_time)
        features = [replace(each, role=role) for stage in plan.stages for each in stage]
        shown += [(each, column) for each, column in zip(features, found, strict=True) if output.shows(each)]
        for number, stage in enumerate(whole.followed):
            if is_cut and request.far.intersection(stage.links):
                table = add_link(table, number, found[stage.links[0]], keys.event_time, bucket.buckets)
    return output.add(table, shown)
