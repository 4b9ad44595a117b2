"""The engine for a stream of label rows of any size. Intermediate data is on disk, and finished work survives an
interruption.

Rows are split into shards by entity, each stage is joined one (shard, group) at a time, and the matches are read in the
order of rows, part by part. The stages are those of the plan: the targets of a reference are the entities of the next
stage. `Retrieval.columns` answers few rows in memory, without files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from featurama_core.datasets.build import BuildFolder
from featurama_core.datasets.plan import Plan, Strategy
from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.datasets.spine_sources import Keys, SpineSource, read_keys, sliced
from featurama_core.frames.spine import SpineColumns
from featurama_core.namespace import Namespace
from featurama_core.retrieval.answer import Stored, answered
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.entity_rows import EntityRows
from featurama_core.retrieval.explain import explain_stages
from featurama_core.retrieval.join import RowJoin
from featurama_core.retrieval.matches import taken
from featurama_core.retrieval.partitions import GroupReader
from featurama_core.retrieval.plan import Features, ReadPlan, ReferenceHop, StageRows, groups_of
from featurama_core.retrieval.sizes import Sizes, part_rows_of, row_bytes
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.spill import EntityRowShards, MatchSpool
from featurama_core.retrieval.tombstones import TombstoneList, Tombstones
from featurama_core.retrieval.visibility import ReadBounds, check_settled
from featurama_core.types.column import Column, concatenate
from featurama_core.types.revisions import in_force, ttl_at
from featurama_core.types.times import MAX_TIME
from featurama_core.types.values import Int64Array

ROWS_AT_ONCE = 100_000
"""Maximum number of label rows that are answered in memory."""
_NOTED_EVERY = 15.0
"""Seconds of work that an interruption may lose."""


class SpilledRetrieval:
    """Answers the label rows of one request from a namespace, once: `prepare` first, then `columns` part by part.

    values_only: statuses and event times are not needed, so values older than the ttl are not read. memory: approximate
    limit, bytes.
    """

    def __init__(
        self,
        namespace: Namespace,
        plan: ReadPlan,
        bounds: ReadBounds,
        *,
        values_only: bool,
        memory: int,
        strategy: Strategy,
        sizes: Sizes | None = None,
        ruled_at: int | None = None,
    ) -> None:
        """ruled_at: microseconds, the last moment whose ttl applies; None for the time of the build."""
        self._ruled_at = ruled_at
        self._settling_time = namespace.settings.settling_time
        self._source = ValueSource(namespace)
        self._plan = plan
        self._features = plan.features
        self._bounds = bounds
        self._values_only = values_only
        self._memory = memory
        self._strategy: Strategy = strategy
        self._rounds: list[_JoinStage] = []
        self._tombstones = TombstoneList(())
        self._sizes = sizes or Sizes()
        self._in_memory = False
        self._noted = 0.0
        # Noted only after their matches are on disk.
        self._done: list[str] = []

    @property
    def as_of_time(self) -> int:
        """Microseconds: retention, and the age of newest values, is measured from this time."""
        return self._bounds.now

    @property
    def part_rows(self) -> int:
        """Rows per output part. It depends on the features only, so that files do not depend on the machine."""
        return part_rows_of(self._features) if self._sizes.part_rows is None else self._sizes.part_rows

    @property
    def references(self) -> list[str]:
        """The pinned references, in the order of the request."""
        return [each.reference for each in self._features]

    @property
    def ttl_revisions(self) -> dict[str, int]:
        """Of each group that is read, the newest revision whose ttl applies."""
        moment = self._bounds.now if self._ruled_at is None else self._ruled_at
        groups = groups_of([each for stage in self._plan.stages for each in stage])
        return {group.name: in_force(group, moment).revision for group in groups}

    async def prepare(
        self, source: SpineSource, columns: SpineColumns, work: BuildFolder, watcher: Watcher | None
    ) -> int:
        """Read the values that the label rows need. -> number of rows."""
        self._noted = time.monotonic()
        if isinstance(self._bounds.known_at, int):
            check_settled(self._bounds.known_at, self._bounds.now, self._settling_time)
        self._take_up(work)
        if source.rows is not None and self._fits(source.rows):
            self._in_memory = True
            if not work.is_temporary:
                await asyncio.to_thread(work.note, {"as_of": self._bounds.now})
            return source.rows
        shards = await self._label_shards(source, columns, work, watcher)
        self._done = list(work.notes["done"])
        rows = int(work.notes["rows"])
        self._in_memory = not rows
        if not rows:
            return 0
        for number, (stage, of_stage) in enumerate(zip(self._plan.own, shards, strict=True)):
            await self._round(f"own{number}", stage.features, len(stage.roles), of_stage, work, watcher)
        if self._plan.followed:
            await self._follow(source, columns, work, rows, watcher)
        self._tombstones = await self._source.all_tombstones()
        await self._note_when_due(work, {})
        return rows

    def _fits(self, rows: int) -> bool:
        """Whether this number of rows is answered in memory."""
        if self._sizes.shards is not None:
            return False
        return rows <= ROWS_AT_ONCE and rows * row_bytes(self._features) <= self._memory // 8

    async def columns(self, part: int, keys: Keys) -> list[Column]:
        """A column per feature for the rows of an output part."""
        if self._in_memory:
            retrieval = Retrieval(
                self._source, self._plan, self._bounds, strategy=self._strategy, values_only=self._values_only
            )
            return await retrieval.columns(keys.entities(), keys.event_time)

        async def stages(wanted: Sequence[StageRows]) -> list[list[Column]]:
            return [await asyncio.to_thread(self._followed, part, keys, each) for each in wanted]

        own = await asyncio.to_thread(self._own, part, keys, range(self._plan.own_columns))
        return await self._plan.follow(own, stages)

    async def explain(self, source: SpineSource, columns: SpineColumns, work: BuildFolder) -> Plan:
        """The reads of `prepare`, estimated."""
        shards = await self._label_shards(source, columns, work, None)
        passes, rows = [each.passes(self._memory // 2) for each in shards], int(work.notes["rows"])
        reads, entities = await explain_stages(
            self._source, self._plan, self._bounds, list(zip(shards, passes, strict=True)), rows, self._strategy
        )
        paths = tuple(each.reference for each in self._features if each.via is not None)
        parts = -(-rows // self.part_rows)
        return Plan(rows, entities, sum(passes), parts, tuple(reads), paths, tuple(filter(None, self._plan.roles)))

    def _take_up(self, work: BuildFolder) -> None:
        """A resumed build measures ages from the time of the original build."""
        bounds = self._bounds
        now = int(work.notes.get("as_of", bounds.now))
        self._bounds = ReadBounds(bounds.known_at, now, bounds.at_now, bounds.aged_at)

    async def _label_shards(
        self, source: SpineSource, columns: SpineColumns, work: BuildFolder, watcher: Watcher | None
    ) -> list[EntityRowShards]:
        """The label rows of each own stage."""
        if "keys" in work.notes:
            return [
                await asyncio.to_thread(EntityRowShards.reopened, work.path / f"keys{number}", state)
                for number, state in enumerate(work.notes["keys"])
            ]
        progress = Stage("labels", source.rows, watcher)

        def read() -> tuple[list[EntityRowShards], int]:
            count, first = self._sizes.shards_of(source.rows), 0
            shards = [EntityRowShards(work.path / f"keys{number}", count) for number in range(len(self._plan.own))]
            for batch in source.batches():
                of_batch = read_keys(batch, columns, first)
                if self._bounds.known_at == "label":
                    check_settled(of_batch.event_time, self._bounds.now, self._settling_time, first_row=first)
                times = np.full(len(of_batch), MAX_TIME) if self._bounds.at_now else of_batch.event_time
                for stage, of_stage in zip(self._plan.own, shards, strict=True):
                    for at, role in enumerate(stage.roles):
                        ids, rows = of_batch.of_role[role], np.arange(first, first + len(of_batch))
                        of_rows = times
                        if ids.null_count:
                            named = of_batch.naming(role)
                            ids, of_rows, rows = ids.take(pa.array(named)), times[named], rows[named]
                        of_stage.add(ids, of_rows, rows * len(stage.roles) + at)
                first += len(of_batch)
                progress.advance(len(of_batch))
            for each in shards:
                each.flush()
            return shards, first

        shards, rows = await asyncio.to_thread(read)
        states = [each.state() for each in shards]
        facts = {"keys": states, "rows": rows, "as_of": self._bounds.now, "done": [], "hits": {}}
        await asyncio.to_thread(work.note, facts)
        return shards

    async def _round(
        self,
        name: str,
        features: Features,
        width: int,
        shards: EntityRowShards,
        work: BuildFolder,
        watcher: Watcher | None,
    ) -> None:
        """Join all rows with these features. Work that is noted as done is skipped. width: entities per label row; row
        r, entity e is row `r * width + e` of the join.
        """
        make = partial(MatchSpool, work.path / f"hits-{name}", features, self.part_rows * width, self._memory // 8)
        this = _JoinStage(name, features, await asyncio.to_thread(make))
        await asyncio.to_thread(this.matches.reopen, work.notes["hits"].get(name, []))
        self._rounds.append(this)
        passes = shards.passes(self._memory // 2)
        for number in range(passes):
            items = [(f"{name}/{number}/{passes}/{at}", each) for at, each in enumerate(features.groups)]
            left = [(item, positions) for item, positions in items if item not in self._done]
            if not left:
                continue
            loaded = await asyncio.to_thread(shards.load, number, passes)
            source = self._source.of_shard(number, passes)
            for item, positions in left:
                await self._item(item, this, positions, loaded, source, work, watcher)

    async def _item(
        self,
        item: str,
        this: _JoinStage,
        positions: Sequence[int],
        rows: EntityRows,
        source: ValueSource,
        work: BuildFolder,
        watcher: Watcher | None,
    ) -> None:
        wanted = [this.features[at] for at in positions]
        # A path depends on the status of its reference, so references are read beyond the ttl.
        bounded = self._values_only and not self._bounds.at_now and not self._plan.followed
        as_of = self._bounds.rows(rows.event_time)
        ages = [ttl_at(wanted[0].group, as_of.ruled_at) if bounded else None] * len(wanted)
        join = RowJoin(rows, positions, as_of, ages, this.matches)
        reader = GroupReader(source, wanted, join, strategy=self._strategy, now=self._bounds.now)
        finished: list[int] = []
        if work.notes.get("item") == item:
            finished = list(work.notes["periods"])
            join.resume(await asyncio.to_thread(work.load_mask, len(rows)))
        periods = [each for each in await reader.periods() if each[0].period not in finished]

        async def done(period: int) -> None:
            finished.append(period)
            await self._note_when_due(work, {"item": item, "periods": finished}, join)

        await reader.read(periods, Stage("history", len(periods), watcher), done)
        self._done.append(item)
        await self._note_when_due(work, {"item": "", "periods": []})

    async def _note_when_due(self, work: BuildFolder, facts: dict[str, Any], join: RowJoin | None = None) -> None:
        if time.monotonic() - self._noted > _NOTED_EVERY:
            await asyncio.to_thread(self._note, work, facts, join)
            self._noted = time.monotonic()

    def _note(self, work: BuildFolder, facts: dict[str, Any], join: RowJoin | None) -> None:
        # Notes of finished work depend on the matches of every stage.
        for each in self._rounds:
            each.matches.flush()
        mask = work.save_mask(join.open) if join is not None else 0
        matches = {each.name: list(each.matches.files) for each in self._rounds}
        work.note(facts | {"done": list(self._done), "hits": matches, "mask": mask})
        work.drop_masks(mask)

    async def _follow(
        self, source: SpineSource, columns: SpineColumns, work: BuildFolder, rows: int, watcher: Watcher | None
    ) -> None:
        """The stages after the first: their rows have the entities that each reference names."""
        self._tombstones = await self._source.all_tombstones()
        for number, stage in enumerate(self._plan.followed):
            name = f"path{number}"
            if name in work.notes:
                shards = await asyncio.to_thread(EntityRowShards.reopened, work.path / name, work.notes[name])
            else:
                shards = await asyncio.to_thread(EntityRowShards, work.path / name, self._sizes.shards_of(rows))
                async for part, keys in self._parts(source, columns):
                    await asyncio.to_thread(self._add_targets, shards, part, keys, stage.links)
                await asyncio.to_thread(shards.flush)
                await self._note_when_due(work, {name: shards.state()})
            await self._round(name, stage.features, len(stage.links), shards, work, watcher)

    def _add_targets(self, shards: EntityRowShards, part: int, keys: Keys, links: Sequence[int]) -> None:
        for at, link in enumerate(self._own(part, keys, links)):
            hop = ReferenceHop.of(link)
            if len(hop.rows):
                times = np.full(len(hop.rows), MAX_TIME) if self._bounds.at_now else keys.event_time[hop.rows]
                rows = (hop.rows + part * self.part_rows) * len(links) + at
                shards.add(pa.array(hop.targets, pa.string()), times, rows)

    async def _parts(self, source: SpineSource, columns: SpineColumns) -> AsyncIterator[tuple[int, Keys]]:
        batches = sliced(source, self.part_rows)
        part = 0
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            yield part, await asyncio.to_thread(read_keys, batch, columns, part * self.part_rows)
            part += 1

    def _own(self, part: int, keys: Keys, wanted: Sequence[int]) -> list[Column]:
        """Own columns, by their numbers in the plan, for all rows of a part. Blocks."""
        found: dict[int, Column] = {}
        first = 0
        for number, stage in enumerate(self._plan.own):
            for at, role in enumerate(stage.roles):
                mine = [each - first for each in wanted if first <= each < first + len(stage.features)]
                if mine:
                    entities = _Entities(at, len(stage.roles), None, keys.of_role[role])
                    columns = self._stored(part, keys, number, mine, entities)
                    found.update(zip((first + each for each in mine), columns, strict=True))
                first += len(stage.features)
        return [found[each] for each in wanted]

    def _followed(self, part: int, keys: Keys, rows: StageRows) -> list[Column]:
        """The columns of a followed stage for the rows of a part that name an entity. Blocks."""
        stage = self._plan.followed[rows.number - len(self._plan.own)]
        wanted = range(len(stage.features))
        parts = [
            self._stored(part, keys, rows.number, wanted, _Entities(at, len(stage.links), each.rows, each.entity_ids))
            for at, each in enumerate(rows.parts)
        ]
        return [concatenate(list(each)) for each in zip(*parts, strict=True)]

    def _stored(self, part: int, keys: Keys, number: int, wanted: Sequence[int], entities: _Entities) -> list[Column]:
        """The matches of a stage for one of its entities per row of a part. Blocks."""
        this, rows = self._rounds[number], entities.rows
        tombstones = Tombstones(len(keys) if rows is None else len(rows))
        if not self._tombstones.is_empty:
            ids = entities.ids if isinstance(entities.ids, list) else entities.ids.to_pylist()
            tombstones = self._tombstones.of(ids)
        as_of = self._bounds.rows(keys.event_time if rows is None else keys.event_time[rows])
        found: list[Stored] = this.matches.stored(part, len(keys) * entities.width, wanted)
        if rows is not None or entities.width > 1:
            of_rows = (np.arange(len(keys)) if rows is None else rows) * entities.width + entities.at
            found = [taken(each, of_rows) for each in found]
        return [
            column
            for at, stored in zip(wanted, found, strict=True)
            for column in answered(this.features.part([at]), stored, tombstones, as_of)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Entities:
    """The entity `at` of the `width` entities per label row of a stage. rows: of a part, None for all. ids: of `rows`,
    a list or an Arrow array.
    """

    at: int
    width: int
    rows: Int64Array | None
    ids: Any


class _JoinStage:
    """One stage of the plan, joined with all rows."""

    def __init__(self, name: str, features: Features, matches: MatchSpool) -> None:
        self.name = name
        self.features = features
        self.matches = matches
