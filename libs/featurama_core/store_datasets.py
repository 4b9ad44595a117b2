"""The datasets of an embedded store: features resolved, what cannot work refused, and the engine that answers.

This is the one place that makes an engine over a namespace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from featurama_core.api.primitives import DatasetSource
from featurama_core.datasets.entity_columns import needed_columns
from featurama_core.datasets.labels import LabelColumns, LabelSource, read_keys
from featurama_core.datasets.request import DatasetRequest
from featurama_core.datasets.several_columns import SeveralColumns
from featurama_core.datasets.training_set import Engine, TrainingSet
from featurama_core.datasets.verify import Rebuilt
from featurama_core.namespace import Namespace
from featurama_core.retrieval.engine import Sizes, StoreEngine, part_rows_of
from featurama_core.retrieval.past import check_settled
from featurama_core.types.references import ResolvedFeature


async def dataset_source(
    namespace: Namespace,
    request: DatasetRequest,
    source: LabelSource,
    columns: LabelColumns,
    *,
    at_now: bool,
    now: int,
) -> DatasetSource:
    """Engines over a namespace for a request. now: microseconds, when the request began."""
    bound = request.known_at
    newest: int | None
    if bound == "label":
        newest = await asyncio.to_thread(_newest, namespace, source, columns, now)
    else:
        check_settled(namespace, bound, now)
        newest = bound
    build = request.build
    resolved = await namespace.resolve(request.selection, known_at=newest)
    one = partial(
        StoreEngine,
        namespace,
        known_at=bound,
        now=now,
        at_now=at_now,
        values_only=not build.statuses and not build.event_times,
        reading=build.reading,
    )
    if columns.of_types:
        columns = needed_columns(columns, [each.entity_type for each in resolved], source)
        return DatasetSource(_several(one, resolved, columns, build.memory_bytes), columns)
    return DatasetSource(partial(one, features=resolved, memory=build.memory_bytes), columns)


async def rebuilt(namespace: Namespace, request: DatasetRequest, as_of: int | None) -> Rebuilt:
    """A dataset built again, of rows that are a source already (`datasets.verify`).

    as_of: of newest values, microseconds, when they were read: with what was known then (as far as that is settled) or
    at the request's `known_at`, and of the age that they had then.
    """
    now, source, columns = namespace.now(), request.rows.labels, request.rows.columns
    features = await namespace.resolve(request.selection)
    if as_of is None:
        opened = await dataset_source(namespace, request, source, columns, at_now=False, now=now)
    else:
        settled = as_of <= now - namespace.settings.settling_time
        known_at, build = request.known_at, request.build
        begin = partial(
            StoreEngine,
            namespace,
            features,
            known_at if known_at is not None else as_of if settled else None,
            now=now,
            at_now=True,
            aged_at=as_of,
            values_only=not build.statuses and not build.event_times,
            memory=build.memory_bytes,
            reading=build.reading,
        )
        opened = DatasetSource(begin, columns)
    dataset = TrainingSet(opened.begin, source, opened.columns, request.asked(at_now=as_of is not None))
    deleted = {(each.entity_id, each.feature_name) for each in await namespace.storage.list_marks()}
    return Rebuilt(dataset, features, deleted)


def _several(
    one: Callable[..., Engine], features: Sequence[ResolvedFeature], columns: LabelColumns, memory: int
) -> Callable[[], Engine]:
    """An engine per entity column, which shares the memory with the others."""
    sizes = Sizes(part_rows=part_rows_of(features))
    share = memory // len(columns.entities)

    def begin(positions: list[int]) -> Engine:
        return one(features=[features[at] for at in positions], memory=share, sizes=sizes)

    return partial(SeveralColumns, [columns.of_type(each.entity_type) for each in features], begin)


def _newest(namespace: Namespace, source: LabelSource, columns: LabelColumns, now: int) -> int | None:
    """The newest moment of a label row: up to then a definition may have been registered."""
    newest: int | None = None
    first = 0
    if columns.of_types:
        # Whether the default column is needed is known when the features are.
        columns = replace(columns, entity="")
    for batch in source.batches():
        keys = read_keys(batch, columns, first)
        if len(keys):
            check_settled(namespace, keys.event_time, now, first_row=first)
            newest = max(int(keys.event_time.max()), newest if newest is not None else -(2**63))
        first += len(keys)
    return newest
