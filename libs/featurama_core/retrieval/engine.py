"""Joining label rows with a store's history: keys to shards, a join a (pass, group), winners back in the rows' order.

A path adds a second round: what the reference named becomes the key, sharded by the target's id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from featurama_core.datasets.build import WorkFolder
from featurama_core.datasets.labels import Keys, LabelColumns, LabelSource, read_keys, sliced
from featurama_core.datasets.plan import Plan, PlannedRead, Reading
from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.namespace import Namespace
from featurama_core.retrieval.entity_rows import FEW_ROWS, SHARDS, KeyShards, SortedKeys
from featurama_core.retrieval.join import GroupJoin
from featurama_core.retrieval.partitions import GroupReader
from featurama_core.retrieval.past import KnownAt, check_settled
from featurama_core.retrieval.path_sample import sample_targets
from featurama_core.retrieval.plan import Hops, PathPlan, follow
from featurama_core.retrieval.spill import HitSpool
from featurama_core.retrieval.tombstones import Marks, shown
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME
from featurama_core.types.values import Int64Array, ValueType

_PART_BYTES = 96 * 1024 * 1024
_MOST_PART_ROWS, _FEWEST_PART_ROWS = 500_000, 5_000
_NOTED_EVERY = 15.0
"""Seconds of work that an interruption may cost."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Into how much a build cuts its rows, where it is not left to the engine."""

    part_rows: int | None = None
    shards: int | None = None

    def shards_of(self, rows: int | None) -> int:
        """Shards for about so many label rows."""
        if self.shards is not None:
            return self.shards
        return 1 if rows is not None and rows <= FEW_ROWS else SHARDS


class StoreEngine:
    """Answers the label rows of one request from a namespace, once: `prepare` first, then `columns` part by part.

    at_now: the rows have no moments, they stand for `now`, without an upper bound; a ttl is reckoned from `aged_at`
    then, if that was another moment. values_only: nobody asks for statuses or event times, so nothing older than a ttl
    need be read.
    """

    def __init__(
        self,
        namespace: Namespace,
        features: Sequence[ResolvedFeature],
        known_at: int | str | None,
        *,
        now: int,
        at_now: bool,
        values_only: bool,
        memory: int,
        reading: Reading,
        aged_at: int | None = None,
        sizes: Sizes | None = None,
    ) -> None:
        self._namespace = namespace
        self._plan = PathPlan.of(features)
        self._features = features
        self._known_at: KnownAt | str = known_at
        self.as_of_time = now
        self._at_now = at_now
        self._aged_at = aged_at
        self._values_only = values_only
        self._memory = memory
        self._reading: Reading = reading
        self._rounds: list[_Round] = []
        self._marks = Marks(())
        self._sizes = sizes or Sizes()
        self._noted = 0.0
        # Not in the notes before the hits that they vouch for are on disk.
        self._done: list[str] = []

    @property
    def part_rows(self) -> int:
        """Rows of an output part: of the features alone, so that files do not depend on the machine."""
        return part_rows_of(self._features) if self._sizes.part_rows is None else self._sizes.part_rows

    @property
    def references(self) -> list[str]:
        """The pinned references, in the order asked."""
        return [each.reference for each in self._features]

    async def prepare(
        self, source: LabelSource, columns: LabelColumns, work: WorkFolder, watcher: Watcher | None
    ) -> int:
        """Read what the label rows need. -> how many rows there are."""
        self._noted = time.monotonic()
        if not isinstance(self._known_at, str):
            check_settled(self._namespace, self._known_at, self.as_of_time)
        self.as_of_time = int(work.notes.get("as_of", self.as_of_time))
        keys = await self._label_keys(source, columns, work, watcher)
        self._done = list(work.notes["done"])
        rows = int(work.notes["rows"])
        if not rows:
            raise _no_rows()
        await self._round("own", self._plan.own, keys, work, watcher)
        if self._plan.followed:
            await self._follow(source, columns, work, rows, watcher)
        self._marks = await asyncio.to_thread(Marks, await self._namespace.storage.list_marks())
        await self._note_when_due(work, {})
        return rows

    async def columns(self, part: int, keys: Keys) -> list[Column]:
        """A column a feature for the rows of an output part."""
        return await asyncio.to_thread(self._columns, part, keys)

    async def explain(self, source: LabelSource, columns: LabelColumns, work: WorkFolder) -> Plan:
        """What `prepare` would read, without reading it."""
        keys = await self._label_keys(source, columns, work, None)
        passes = keys.passes(self._memory // 2)
        spool = await asyncio.to_thread(HitSpool, work.path / "explained", [], self.part_rows, 0)
        reads, entities, rows = [], 0, int(work.notes["rows"])
        if not rows:
            raise _no_rows()
        for number in range(passes):
            loaded = await asyncio.to_thread(keys.load, number, passes)
            entities += len(loaded.entity_ids)
            for positions in _by_group(self._plan.own):
                reader = self._reader(loaded, self._plan.own, positions, spool, (number, passes))
                reads += await reader.explain(await reader.periods())
        for reference, targets in self._plan.followed:
            reads += await self._explain_path(self._plan.own[reference], targets, keys, passes, spool)
        paths = tuple(each.reference for each in self._features if each.via is not None)
        return Plan(rows, entities, passes, -(-rows // self.part_rows), tuple(reads), paths)

    async def _explain_path(
        self,
        link: ResolvedFeature,
        targets: Sequence[ResolvedFeature],
        keys: KeyShards,
        passes: int,
        spool: HitSpool,
    ) -> list[PlannedRead]:
        """The second round of a reference, from a sample of the label rows of one pass."""
        number = int(np.argmax([keys.rows_of[at::passes].sum() for at in range(passes)]))
        loaded = await asyncio.to_thread(keys.load, number, passes)
        rows = int(keys.rows_of.sum())
        if not rows:
            return []
        sample = await sample_targets(self._namespace, link, loaded, rows, self._known_at, self.as_of_time)
        scale = sample.entities / max(len(sample.keys.entity_ids), 1) / passes
        reads = []
        for number in range(passes):
            for positions in _by_group(targets):
                reader = self._reader(sample.keys, targets, positions, spool, (number, passes))
                reads += await reader.explain(await reader.periods(), scale)
        return [replace(each, via=link.reference, sampled=sample.rows) for each in reads]

    async def _label_keys(
        self, source: LabelSource, columns: LabelColumns, work: WorkFolder, watcher: Watcher | None
    ) -> KeyShards:
        folder = work.path / "keys"
        if "keys" in work.notes:
            return await asyncio.to_thread(KeyShards.reopened, folder, work.notes["keys"])
        stage = Stage("labels", source.rows, watcher)

        def read() -> tuple[KeyShards, int]:
            keys, first = KeyShards(folder, self._sizes.shards_of(source.rows)), 0
            for batch in source.batches():
                of_batch = read_keys(batch, columns, first)
                self._check_settled(of_batch, first)
                times = np.full(len(of_batch), MAX_TIME) if self._at_now else of_batch.event_time
                ids, rows = of_batch.entity_ids, np.arange(first, first + len(of_batch))
                if ids.null_count:
                    named = of_batch.naming()
                    ids, times, rows = ids.take(pa.array(named)), times[named], rows[named]
                keys.add(ids, times, rows)
                first += len(of_batch)
                stage.advance(len(of_batch))
            keys.flush()
            return keys, first

        keys, rows = await asyncio.to_thread(read)
        noted = {"keys": keys.state(), "rows": rows, "as_of": self.as_of_time, "done": [], "hits": {}}
        await asyncio.to_thread(work.note, noted)
        return keys

    def _check_settled(self, keys: Keys, first: int) -> None:
        if isinstance(self._known_at, str) and len(keys):
            check_settled(self._namespace, keys.event_time, self.as_of_time, first_row=first)

    async def _round(
        self,
        name: str,
        features: Sequence[ResolvedFeature],
        keys: KeyShards,
        work: WorkFolder,
        watcher: Watcher | None,
    ) -> _Round:
        """Join all keys with these features. What the notes say is done is not done again."""
        definitions = [each.definition for each in features]
        make = partial(HitSpool, work.path / f"hits-{name}", definitions, self.part_rows, self._memory // 8)
        this = _Round(name, features, await asyncio.to_thread(make))
        await asyncio.to_thread(this.hits.reopen, work.notes["hits"].get(name, []))
        self._rounds.append(this)
        passes = keys.passes(self._memory // 2)
        for number in range(passes):
            items = [(f"{name}/{number}/{passes}/{at}", each) for at, each in enumerate(_by_group(features))]
            left = [(item, positions) for item, positions in items if item not in self._done]
            if not left:
                continue
            loaded = await asyncio.to_thread(keys.load, number, passes)
            for item, positions in left:
                await self._item(item, this, positions, loaded, (number, passes), work, watcher)
        return this

    async def _item(
        self,
        item: str,
        this: _Round,
        positions: Sequence[int],
        keys: SortedKeys,
        shard: tuple[int, int],
        work: WorkFolder,
        watcher: Watcher | None,
    ) -> None:
        reader = self._reader(keys, this.features, positions, this.hits, shard)
        finished: list[int] = []
        if work.notes.get("item") == item:
            finished = list(work.notes["periods"])
            reader.join.resume(await asyncio.to_thread(work.load_mask, len(keys)))
        periods = [each for each in await reader.periods() if each[0].period not in finished]

        async def done(period: int) -> None:
            finished.append(period)
            await self._note_when_due(work, {"item": item, "periods": finished}, reader.join)

        await reader.read(periods, Stage("history", len(periods), watcher), done)
        self._done.append(item)
        await self._note_when_due(work, {"item": "", "periods": []})

    async def _note_when_due(self, work: WorkFolder, facts: dict[str, Any], join: GroupJoin | None = None) -> None:
        if time.monotonic() - self._noted > _NOTED_EVERY:
            await asyncio.to_thread(self._note, work, facts, join)
            self._noted = time.monotonic()

    def _note(self, work: WorkFolder, facts: dict[str, Any], join: GroupJoin | None) -> None:
        # What the notes call done rests on the hits of every round.
        for each in self._rounds:
            each.hits.flush()
        mask = work.save_mask(join.open) if join is not None else 0
        hits = {each.name: list(each.hits.files) for each in self._rounds}
        work.note(facts | {"done": list(self._done), "hits": hits, "mask": mask})
        work.drop_masks(mask)

    def _reader(
        self,
        keys: SortedKeys,
        features: Sequence[ResolvedFeature],
        positions: Sequence[int],
        hits: HitSpool,
        shard: tuple[int, int],
    ) -> GroupReader:
        wanted = [features[at] for at in positions]
        # A reference that a path follows is judged by its status, as any value that is asked for by itself.
        bounded = self._values_only and not self._at_now and not self._plan.followed
        ages = [each.group.ttl if bounded else None for each in wanted]
        join = GroupJoin(keys, positions, self._known_at, ages, hits)
        return GroupReader(self._namespace, wanted, join, reading=self._reading, shard=shard, now=self.as_of_time)

    async def _follow(
        self, source: LabelSource, columns: LabelColumns, work: WorkFolder, rows: int, watcher: Watcher | None
    ) -> None:
        """The second round of each reference."""
        self._marks = await asyncio.to_thread(Marks, await self._namespace.storage.list_marks())
        for number, (reference, targets) in enumerate(self._plan.followed):
            name = f"path{number}"
            if name in work.notes:
                keys = await asyncio.to_thread(KeyShards.reopened, work.path / name, work.notes[name])
            else:
                keys = await asyncio.to_thread(KeyShards, work.path / name, self._sizes.shards_of(rows))
                async for part, of_part in self._parts(source, columns):
                    await asyncio.to_thread(self._add_targets, keys, part, of_part, reference)
                await asyncio.to_thread(keys.flush)
                await self._note_when_due(work, {name: keys.state()})
            await self._round(name, targets, keys, work, watcher)

    def _add_targets(self, keys: KeyShards, part: int, of_part: Keys, reference: int) -> None:
        (link,) = self._own(part, of_part, [reference])
        hops = follow(link)
        if len(hops.rows):
            times = np.full(len(hops.rows), MAX_TIME) if self._at_now else of_part.event_time[hops.rows]
            keys.add(pa.array(hops.targets, pa.string()), times, hops.rows + part * self.part_rows)

    async def _parts(self, source: LabelSource, columns: LabelColumns) -> AsyncIterator[tuple[int, Keys]]:
        batches = sliced(source, self.part_rows)
        part = 0
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            yield part, await asyncio.to_thread(read_keys, batch, columns, part * self.part_rows)
            part += 1

    def _moment(self, times: Int64Array) -> Int64Array | int:
        if not self._at_now:
            return times
        return self.as_of_time if self._aged_at is None else self._aged_at

    def _own(self, part: int, keys: Keys, wanted: Sequence[int]) -> list[Column]:
        marked = self._marks.bounds(keys.entity_ids)
        moment = self._moment(keys.event_time)
        found = self._rounds[0].hits.winners(part, len(keys), wanted)
        return [
            shown(self._plan.own[at], winners, marked, moment, self.as_of_time)
            for at, winners in zip(wanted, found, strict=True)
        ]

    def _columns(self, part: int, keys: Keys) -> list[Column]:
        own = self._own(part, keys, range(len(self._plan.own)))
        through: list[Column] = []
        for (reference, targets), this in zip(self._plan.followed, self._rounds[1:], strict=True):
            hops = follow(own[reference])
            read = self._through(part, keys, hops, this) if hops.targets else []
            through.extend(hops.column(each, read[at] if read else None) for at, each in enumerate(targets))
        return self._plan.in_order(own, through)

    def _through(self, part: int, keys: Keys, hops: Hops, this: _Round) -> list[Column]:
        marked = self._marks.bounds(pa.array(hops.targets, pa.string()))
        moment = self._moment(keys.event_time[hops.rows])
        found = this.hits.winners(part, len(keys))
        return [
            shown(each, winners.take(hops.rows), marked, moment, self.as_of_time)
            for each, winners in zip(this.features, found, strict=True)
        ]


def part_rows_of(features: Sequence[ResolvedFeature]) -> int:
    """Rows of an output part that holds these features."""
    widths = [
        4 * each.definition.vector_length if each.value_type is ValueType.VECTOR else _WIDTHS[each.value_type]
        for each in features
    ]
    return int(np.clip(_PART_BYTES // sum(16 + width for width in widths), _FEWEST_PART_ROWS, _MOST_PART_ROWS))


def _no_rows() -> InvalidInput:
    return InvalidInput("there are no label rows; give one", reason=Reason.EMPTY_REQUEST, field="labels")


_WIDTHS = {ValueType.DOUBLE: 8, ValueType.INT: 8, ValueType.BOOL: 1, ValueType.TEXT: 64}


class _Round:
    """One join of all label rows: with their own features, or with those of what one reference names."""

    def __init__(self, name: str, features: Sequence[ResolvedFeature], hits: HitSpool) -> None:
        self.name = name
        self.features = features
        self.hits = hits


def _by_group(features: Sequence[ResolvedFeature]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for at, feature in enumerate(features):
        groups.setdefault(feature.group.name, []).append(at)
    return list(groups.values())
