"""The datasets of an embedded store: features are resolved, impossible requests refused, and engines created.

No other module creates a dataset engine over a namespace.
"""

from __future__ import annotations

import asyncio
from functools import partial

from featurama_core.api.primitives import DatasetSource
from featurama_core.datasets.dataset import TrainingDataset
from featurama_core.datasets.request import DatasetRequest
from featurama_core.datasets.spine_sources import SpineSource, newest_time
from featurama_core.datasets.verify import Rebuilt
from featurama_core.frames.spine import SpineColumns
from featurama_core.namespace import Namespace
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.spilled import SpilledRetrieval
from featurama_core.retrieval.visibility import ReadBounds, check_settled


async def dataset_source(
    namespace: Namespace,
    request: DatasetRequest,
    source: SpineSource,
    columns: SpineColumns,
    *,
    at_now: bool,
    now: int,
) -> DatasetSource:
    """Engines over a namespace for a request. now: microseconds, the start of the request."""
    settled, build = partial(check_settled, now=now, settling_time=namespace.settings.settling_time), request.build
    if request.known_at == "label":
        newest = await asyncio.to_thread(newest_time, source, columns, settled)
    else:
        newest = request.known_at
        settled(newest)
    plan = await namespace.compiled(request.selection, ReadPlan.of, known_at=newest)
    one = partial(
        SpilledRetrieval,
        namespace,
        bounds=ReadBounds(request.known_at, now, at_now),
        values_only=not build.statuses and not build.event_times,
        strategy=build.strategy,
        ruled_at=newest,
    )
    return DatasetSource(partial(one, plan=plan, memory=build.memory_bytes), columns)


async def rebuilt(namespace: Namespace, request: DatasetRequest, as_of: int | None) -> Rebuilt:
    """A dataset built again for `datasets.verify`. The label rows of the request are a source.

    as_of: for a dataset of newest values, microseconds, the time of the original read. Values and their ages are those
    of that time: known by the `known_at` of the request, else by `as_of` if it is settled.
    """
    roles = request.selection.roles
    keys = await namespace.registry.resolving(
        lambda found: {each.entity_type: found.keys_of(each.entity_type) for each in roles}
    )
    request = request.in_roles(roles, keys)
    now, source, columns = namespace.now(), request.rows.labels, request.rows.columns
    features = await namespace.resolve(request.selection)
    if as_of is None:
        opened = await dataset_source(namespace, request, source, columns, at_now=False, now=now)
    else:
        settled = as_of <= now - namespace.settings.settling_time
        known_at, build = request.known_at, request.build
        bound = known_at if known_at is not None else as_of if settled else None
        begin = partial(
            SpilledRetrieval,
            namespace,
            ReadPlan.of(features),
            ReadBounds(bound, now, at_now=True, aged_at=as_of),
            values_only=not build.statuses and not build.event_times,
            memory=build.memory_bytes,
            strategy=build.strategy,
            ruled_at=as_of,
        )
        opened = DatasetSource(begin, columns)
    dataset = TrainingDataset(opened.begin, source, opened.columns, request.recorded(at_now=as_of is not None))
    deleted = {(each.entity_id, each.feature_name) for each in await namespace.storage.list_tombstones()}
    return Rebuilt(dataset, columns, features, deleted, now)
