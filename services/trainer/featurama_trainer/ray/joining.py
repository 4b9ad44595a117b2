"""The as-of join of one bucket of label rows, in one process: what `past_reads.read_as_of` answers, row for row."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.datasets.progress import Stage
from featurama_core.namespace import Namespace
from featurama_core.retrieval.entity_rows import KeyShards, SortedKeys
from featurama_core.retrieval.join import GroupJoin
from featurama_core.retrieval.partitions import GroupReader
from featurama_core.retrieval.spill import HitSpool
from featurama_core.retrieval.tombstones import Marks, shown
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME
from featurama_core.types.values import Int64Array

HITS_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Moments:
    """known_at: microseconds, "label" or None. now: microseconds, when the request began. values_only: nobody asks for
    statuses or event times, so nothing older than a ttl need be read. at_now: the rows have no moments, they stand for
    `now`, without an upper bound.
    """

    known_at: int | str | None
    now: int
    values_only: bool
    at_now: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BucketJoin:
    """Joins label rows with features of a namespace. Owns nothing."""

    namespace: Namespace
    moments: Moments

    async def columns(
        self,
        features: Sequence[ResolvedFeature],
        entity_ids: Any,
        event_time: Int64Array,
        bucket: tuple[int, int] = (0, 1),
    ) -> list[Column]:
        """A column a feature for n rows: ids (Arrow string array), moments int64[n] microseconds.

        bucket: (number, buckets) if all ids are of one; other partitions are not read then.
        """
        with tempfile.TemporaryDirectory(prefix="featurama-join-") as folder:
            until = np.full(len(event_time), MAX_TIME) if self.moments.at_now else event_time
            keys = await asyncio.to_thread(_sorted, Path(folder, "keys"), entity_ids, until)
            definitions = [each.definition for each in features]
            hits = await asyncio.to_thread(HitSpool, Path(folder, "hits"), definitions, len(event_time), HITS_BYTES)
            for positions in _by_group(features):
                await self._join_group(features, positions, keys, hits, bucket)
            found = await asyncio.to_thread(hits.winners, 0, len(event_time))
        # After the joins: what is deleted meanwhile is gone from the answer too.
        marked = Marks(await self.namespace.storage.list_marks()).bounds(entity_ids)
        moment = self.moments.now if self.moments.at_now else event_time
        return [
            shown(feature, winners, marked, moment, self.moments.now)
            for feature, winners in zip(features, found, strict=True)
        ]

    async def _join_group(
        self,
        features: Sequence[ResolvedFeature],
        positions: Sequence[int],
        keys: SortedKeys,
        hits: HitSpool,
        bucket: tuple[int, int],
    ) -> None:
        wanted = [features[at] for at in positions]
        ages = [each.group.ttl if self.moments.values_only else None for each in wanted]
        join = GroupJoin(keys, positions, self.moments.known_at, ages, hits)
        reader = GroupReader(self.namespace, wanted, join, reading="auto", shard=bucket, now=self.moments.now)
        periods = await reader.periods()
        await reader.read(periods, Stage("history", len(periods), None), _unwatched)


async def _unwatched(period: int) -> None:
    """Nobody notes which periods are done: a task that fails is done again."""


def _sorted(folder: Path, entity_ids: Any, event_time: Int64Array) -> SortedKeys:
    folder.mkdir()
    keys = KeyShards(folder, 1)
    keys.add(entity_ids, event_time, np.arange(len(event_time)))
    keys.flush()
    return keys.load(0, 1)


def _by_group(features: Sequence[ResolvedFeature]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for at, feature in enumerate(features):
        groups.setdefault(feature.group.name, []).append(at)
    return list(groups.values())
