"""Training sets through servers: label rows are sent in parts that fit a call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from featurama.client.answers import concurrently
from featurama.client.versions import pinned, pinned_at, pinned_ttls
from featurama_core.api import FeatureStore
from featurama_core.api.primitives import DatasetSource
from featurama_core.datasets.build import BuildFolder
from featurama_core.datasets.dataset import Engine
from featurama_core.datasets.plan import Plan
from featurama_core.datasets.progress import Watcher
from featurama_core.datasets.request import DatasetRequest
from featurama_core.datasets.several_columns import SeveralColumns
from featurama_core.datasets.spine_sources import Keys, SpineSource, newest_time
from featurama_core.frames.spine import SpineColumns
from featurama_core.types.column import Column
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.times import KnownAt

MAX_PART_ROWS = 100_000


class ClientEngine:
    """Reads each part of the label rows with a call. The first response pins the versions of the features."""

    def __init__(
        self,
        store: FeatureStore,
        features: FeatureSelection,
        *,
        known_at: KnownAt,
        at_now: bool,
        now: int,
        ruled_at: int | None = None,
    ) -> None:
        """ruled_at: microseconds, the last moment whose ttl applies; None for that of the first response."""
        self._store = store
        self._ruled_at = ruled_at
        self._features = features
        self._known_at = known_at
        self._at_now = at_now
        self.as_of_time = now
        self._answered = False

    @property
    def part_rows(self) -> int:
        """Maximum number of rows per call."""
        return MAX_PART_ROWS

    @property
    def references(self) -> list[str]:
        """The references of the request; pinned after the first response."""
        return list(self._features.references)

    @property
    def ttl_revisions(self) -> dict[str, int]:
        """Of each group that is read, the newest revision whose ttl applies; known after the first response."""
        return dict(self._features.ttl_revisions)

    async def prepare(
        self,
        source: SpineSource,
        columns: SpineColumns,  # noqa: ARG002 - nothing is read ahead
        work: BuildFolder,  # noqa: ARG002
        watcher: Watcher | None,  # noqa: ARG002
    ) -> int | None:
        """Nothing: parts are read on demand."""
        return source.rows

    async def columns(self, part: int, keys: Keys) -> list[Column]:  # noqa: ARG002 - the rows are sufficient
        """One call, or several for newest values."""
        named = keys.naming()
        if len(named) and not keys.entity_ids.null_count:
            return await self._read(keys, self._known_at)
        if len(named):
            some, known_at = Keys(keys.entity_ids.take(pa.array(named)), keys.event_time[named]), self._known_at
        else:
            # Any id will do: only the names and types of the columns are used.
            some = Keys(pa.array(["-"]), np.zeros(1, dtype=np.int64))
            known_at = None if self._known_at == "label" else self._known_at
        return [each.spread(named, len(keys)) for each in await self._read(some, known_at)]

    async def _read(self, keys: Keys, known_at: KnownAt) -> list[Column]:
        ids = await asyncio.to_thread(keys.entity_ids.to_pylist)
        features, service = self._features.references or None, self._features.service
        times = None if self._at_now else keys.event_time
        read = await self._store.point_in_time(
            ids, times, features=features, service=service, known_at=known_at, ttl_revisions=self.ttl_revisions
        )
        columns = list(read.columns)
        if not self._answered:
            self._answered, self.as_of_time = True, read.as_of_time
            chosen = pinned(self._features, columns)
            moment = read.as_of_time if self._ruled_at is None else self._ruled_at
            self._features = await pinned_ttls(self._store, chosen, moment)
        return columns

    async def explain(
        self,
        source: SpineSource,
        columns: SpineColumns,  # noqa: ARG002 - the servers plan each call themselves
        work: BuildFolder,  # noqa: ARG002
    ) -> Plan:
        """The number of calls. The servers plan the reads of each call."""
        rows = await asyncio.to_thread(_count, source)
        return Plan(rows, 0, 1, -(-rows // MAX_PART_ROWS), (), ())


def _count(source: SpineSource) -> int:
    return source.rows if source.rows is not None else sum(batch.num_rows for batch in source.batches())


async def dataset_source(
    store: FeatureStore,
    request: DatasetRequest,
    source: SpineSource,
    columns: SpineColumns,
    *,
    at_now: bool,
    now: int,
) -> DatasetSource:
    """Engines that call servers for a request. now: microseconds, the start of the request."""
    known_at = request.known_at
    selection = request.selection
    newest = await asyncio.to_thread(newest_time, source, columns.certain) if known_at == "label" else known_at
    one = partial(ClientEngine, store, known_at=known_at, at_now=at_now, now=now, ruled_at=newest)
    if known_at == "label":
        selection = selection if newest is None else await pinned_at(store, selection, newest)
    if not columns.of_types:
        return DatasetSource(partial(one, selection), columns)
    references: Sequence[str] = selection.references
    if selection.service is not None:
        references = (await store.get_feature_service(selection.service)).features
    types = await _entity_types(store, references)
    columns = columns.needed(types, source.schema.names)

    def begin(positions: list[int]) -> Engine:
        return one(replace(selection, references=tuple(references[at] for at in positions), service=None))

    return DatasetSource(partial(SeveralColumns, [columns.of_type(each) for each in types], begin), columns)


async def _entity_types(store: FeatureStore, references: Sequence[str]) -> list[str]:
    """The entity type of each reference, of a path that of its first step. It is the same in all versions."""
    parsed = [FeatureRef.parse(each) for each in references]
    names = [each.name if each.via is None else each.via.name for each in parsed]
    distinct = list(dict.fromkeys(names))
    found = await concurrently([partial(store.get_feature, name) for name in distinct])
    types = {name: each.entity_type for name, each in zip(distinct, found, strict=True)}
    return [types[name] for name in names]
