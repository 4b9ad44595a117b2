"""Training sets through servers: label rows are sent in parts that fit a call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import numpy as np

from featurama.client.versions import any_row, pinned, pinned_at, pinned_ttls
from featurama_core.api import FeatureStore
from featurama_core.api.primitives import DatasetSource
from featurama_core.datasets.build import BuildFolder
from featurama_core.datasets.plan import Plan
from featurama_core.datasets.progress import Watcher
from featurama_core.datasets.request import DatasetRequest
from featurama_core.datasets.spine_sources import Keys, SpineSource, newest_time
from featurama_core.frames.spine import SpineColumns
from featurama_core.types.column import Column
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import RowEntities
from featurama_core.types.times import KnownAt
from featurama_core.types.values import Int64Array

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
        self._references = list(features.references)

    @property
    def part_rows(self) -> int:
        """Maximum number of rows per call."""
        return MAX_PART_ROWS // max(1, len(self._features.roles))

    @property
    def references(self) -> list[str]:
        """The references of the request; pinned after the first response."""
        return self._references

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
        if not len(keys):
            known_at = None if self._known_at == "label" else self._known_at
            found = await self._read(any_row(keys.of_role), np.zeros(1, dtype=np.int64), known_at)
            return [each.take(np.arange(0)) for each in found]
        return await self._read(await asyncio.to_thread(keys.entities), keys.event_time, self._known_at)

    async def _read(self, entities: RowEntities, event_time: Int64Array, known_at: KnownAt) -> list[Column]:
        read = await self._store.point_in_time(
            entities,
            None if self._at_now else event_time,
            features=self._features.references or None,
            service=self._features.service,
            roles={each.name: each.entity_type for each in self._features.roles},
            known_at=known_at,
            ttl_revisions=self.ttl_revisions,
        )
        columns = list(read.columns)
        if not self._answered:
            self._answered, self.as_of_time = True, read.as_of_time
            chosen = pinned(self._features, columns)
            self._references = [each.reference for each in columns]
            moment = read.as_of_time if self._ruled_at is None else self._ruled_at
            self._features = await pinned_ttls(self._store, chosen, self._references, moment)
        return columns

    async def explain(
        self,
        source: SpineSource,
        columns: SpineColumns,  # noqa: ARG002 - the servers plan each call themselves
        work: BuildFolder,  # noqa: ARG002
    ) -> Plan:
        """The number of calls. The servers plan the reads of each call."""
        rows = await asyncio.to_thread(_count, source)
        return Plan(rows, 0, 1, -(-rows // self.part_rows), (), (), tuple(each.name for each in self._features.roles))


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
    selection = replace(request.selection, roles=tuple(each.role for each in columns.roles))
    newest = await asyncio.to_thread(newest_time, source, columns) if known_at == "label" else known_at
    if known_at == "label" and newest is not None:
        selection = await pinned_at(store, selection, newest, columns.entities)
    elif columns.roles:
        # The servers know whose feature each reference is: one call before any row is read.
        bound = None if known_at == "label" else known_at
        selection = await pinned_at(store, selection, now, columns.entities, known_at=bound)
    begin = partial(ClientEngine, store, selection, known_at=known_at, at_now=at_now, now=now, ruled_at=newest)
    return DatasetSource(begin, columns)
