"""One engine: the values of a plan's features for (entity, moment) rows, from one row to ten million.

`Retrieval.columns` answers rows that fit in memory; `SpilledRetrieval` (spilled.py) answers a stream of rows with the
same stages. The source of each stage is chosen here: the latest cells for reads at now, lookups for few entities, else
the partitions of each group, by scans or lookups, whichever the planner estimates to be faster. The source does not
change the values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from featurama_core.datasets.plan import Strategy
from featurama_core.datasets.progress import Stage
from featurama_core.off_loop import off_loop
from featurama_core.retrieval.answer import Stored, Winners, answer, answered
from featurama_core.retrieval.entity_rows import EntityRows, distinct_ids
from featurama_core.retrieval.join import RowJoin, found_in
from featurama_core.retrieval.latest import latest_values
from featurama_core.retrieval.matches import Matches
from featurama_core.retrieval.partitions import GroupReader
from featurama_core.retrieval.plan import Features, ReadPlan, ReadStages, StageRows, groups_of
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.tombstones import Tombstones
from featurama_core.retrieval.visibility import AsOf, ReadBounds, first_kept, horizon
from featurama_core.types.column import Column
from featurama_core.types.revisions import ttl_at
from featurama_core.types.roles import RowEntities
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array

LOOKUP_ENTITIES = 200
"""Maximum number of entities whose whole visible history is looked up at once."""
_ROWS_ON_THE_LOOP, _VALUES_ON_THE_LOOP = 5_000, 100_000
"""Up to these numbers the search takes a few milliseconds at most: no thread is woken for it."""


class Retrieval:
    """The values of a plan for the rows of one request. It owns no resources.

    values_only: statuses and event times are not needed, so values older than the ttl are not read. errors_as_status:
    an entity for which the store does not answer has status ERROR (an online read); otherwise the call fails.
    """

    def __init__(
        self,
        source: ValueSource,
        plan: ReadPlan,
        bounds: ReadBounds,
        *,
        strategy: Strategy = "auto",
        values_only: bool = False,
        errors_as_status: bool = False,
    ) -> None:
        self._source = source
        self._plan = plan
        self._stages = plan.stages
        self._bounds = bounds
        self._strategy: Strategy = strategy
        # A path depends on the status of its reference, so references are read beyond the ttl.
        self._bounded_by_ttl = values_only and not bounds.at_now and not plan.followed
        self._errors_as_status = errors_as_status

    async def columns(self, entities: RowEntities, event_time: Int64Array | None) -> list[Column]:
        """A column per feature of the plan, in order, for n rows. A row without an entity is NOT_FOUND.

        event_time: int64[n] microseconds, None for a read at now.
        """
        return await self._plan.read(entities, self._reader(self._bounds.rows(event_time)))

    async def follow(self, own: list[Column], event_time: Int64Array | None) -> list[Column]:
        """The same columns from given columns of the entities of the rows: references are followed."""
        return await self._plan.follow(own, self._reader(self._bounds.rows(event_time)))

    def _reader(self, as_of: AsOf) -> ReadStages:
        async def stages(wanted: Sequence[StageRows]) -> list[list[Column]]:
            if as_of.event_time is None and as_of.ingested_at is None:
                read = [(self._stages[each.number], each.entity_ids) for each in wanted]
                # Features of the rows themselves stay valid if the store does not answer for what they refer to.
                may_fail = self._errors_as_status and wanted[0].number >= len(self._plan.own)
                found = await latest_values(
                    self._source, read, as_of, errors_as_status=self._errors_as_status, may_fail=may_fail
                )
                return [each.columns() for each in found]
            return [await self._stage(each, as_of) for each in wanted]

        return stages

    async def _stage(self, stage: StageRows, as_of: AsOf) -> list[Column]:
        """A column per feature of one stage of the plan. as_of: of the label rows."""
        features, rows = self._stages[stage.number], stage.rows
        as_of = as_of if rows is None else as_of.take(rows)
        entity_ids = stage.entity_ids
        if not entity_ids:
            return answered(features, Stored.nothing(features, 0), Tombstones(0), as_of)
        distinct, entity = distinct_ids(entity_ids)
        if self._strategy == "auto" and len(distinct) <= LOOKUP_ENTITIES:
            winners = await self._look_up(features, distinct, entity, as_of)
        else:
            winners = await self._from_partitions(features, distinct, entity, as_of)
        # Read after the joins, so that concurrent deletions are respected.
        tombstones = await self._source.tombstones(distinct)
        large = len(entity) * len(features) > _VALUES_ON_THE_LOOP
        found = await off_loop(large, answer, features, winners, tombstones.take(entity), as_of)
        return found.columns()

    async def _look_up(self, features: Features, distinct: list[str], entity: Int64Array, as_of: AsOf) -> Winners:
        """From the whole visible history of the entities."""
        start = first_kept([horizon(each, MIN_TIME, as_of.now) for each in groups_of(features)])
        end = MAX_TIME if as_of.event_time is None else int(np.max(as_of.event_time))
        histories = await self._source.lookup(distinct, features, start, end)
        stored = sum(len(each.entity) for each in histories)
        if len(entity) <= _ROWS_ON_THE_LOOP and stored <= _VALUES_ON_THE_LOOP:
            return found_in(histories, features, entity, as_of)
        return await asyncio.to_thread(found_in, histories, features, entity, as_of)

    async def _from_partitions(
        self, features: Features, distinct: list[str], entity: Int64Array, as_of: AsOf
    ) -> Winners:
        """From the periods of each group, newest first."""
        moments = MAX_TIME if as_of.event_time is None else as_of.event_time
        event_time = np.broadcast_to(np.asarray(moments, dtype=np.int64), len(entity))
        numbers = np.arange(len(entity), dtype=np.int64)
        rows = await asyncio.to_thread(EntityRows.sorted, distinct, entity, event_time, numbers)
        matches, of_rows = Matches(features, len(rows)), as_of.take(rows.row)
        for positions in features.groups:
            wanted = [features[at] for at in positions]
            age = ttl_at(wanted[0].group, of_rows.ruled_at) if self._bounded_by_ttl else None
            ages = [age] * len(wanted)
            join = await asyncio.to_thread(RowJoin, rows, positions, of_rows, ages, matches)
            reader = GroupReader(self._source, wanted, join, strategy=self._strategy, now=as_of.now)
            periods = await reader.periods()
            await reader.read(periods, Stage("history", len(periods), None), _unnoted)
        return matches.winners()


async def _unnoted(period: int) -> None:
    """A read in memory cannot be resumed, so finished periods are not recorded."""
