"""A world as a stream of Arrow tables. Memory is bounded by the batch size.

Rows are numbered, and a row is a pure function of its number, so batches of any size contain the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from featurama_world import names
from featurama_world.characters import CharacterSignals
from featurama_world.columns import (
    CHARACTER_STATS,
    COLUMNS,
    DELIVERY_METRICS,
    DELIVERY_OUTCOME,
    ENTITY_SCHEMA,
    GROUPS,
    LABEL,
    PLANET_CONDITIONS,
    TIMESTAMP,
    delivery_ids,
    wide_table,
)
from featurama_world.config import HOUR_US, ReadingGrid, WorldConfig
from featurama_world.deliveries import Deliveries
from featurama_world.draws import Draws, Ints
from featurama_world.planets import PlanetSignals

ROWS_PER_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class WorldBatch:
    """A wide table of one feature group: `entity_id`, `timestamp`, one column per feature."""

    group: str
    table: pa.Table


@dataclass(frozen=True, slots=True)
class WorldSize:
    """The size of a world: entities, rows (an entity at an event time) and values."""

    entities: int
    rows: int
    values: int


class World:
    """The entities, readings and deliveries of one configured world. Immutable; iterations are independent."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        draws = Draws(config.seed)
        self._draws = draws
        self._planets = names.planets(config.planets)
        self._characters = names.characters(config.characters)
        self._cargo = names.cargo_metadata()
        self._planet_grid = ReadingGrid.of(config, config.readings_per_day)
        self._character_grid = ReadingGrid.of(config, config.character_readings_per_day)
        planet_signals = PlanetSignals(config, draws)
        self._deliveries = Deliveries(config, draws, planet_signals, self._planet_grid)
        self._tables: dict[str, Callable[[Ints], pa.Table]] = {
            PLANET_CONDITIONS: partial(
                _reading_table, PLANET_CONDITIONS, self._planets, self._planet_grid, planet_signals
            ),
            CHARACTER_STATS: partial(
                _reading_table, CHARACTER_STATS, self._characters, self._character_grid, CharacterSignals(config, draws)
            ),
            DELIVERY_METRICS: self._dispatch_table,
            DELIVERY_OUTCOME: self._outcome_table,
        }

    def size(self) -> WorldSize:
        """The counts of `entities` and `batches`, without generating them."""
        config = self.config
        rows = self._counts()
        return WorldSize(
            entities=config.characters + config.planets + config.deliveries,
            rows=sum(rows.values()),
            values=sum(count * len(COLUMNS[group]) for group, count in rows.items()),
        )

    def entities(self, *, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[pa.Table]:
        """Tables of `entity_id, entity_type, name, metadata` (JSON text): planets, characters, deliveries."""
        for entity_type, kind in (("planet", self._planets), ("character", self._characters)):
            for index in _chunks(len(kind.ids), rows_per_batch):
                columns = (column.take(pa.array(index)) for column in (kind.ids, kind.names, kind.metadata))
                yield _entity_table(entity_type, *columns)
        for index in _chunks(self.config.deliveries, rows_per_batch):
            choice = np.floor(self._draws.uniform("delivery/cargo", index) * len(self._cargo))
            metadata = self._cargo.take(pa.array(choice.astype(np.int64)))
            yield _entity_table("delivery", delivery_ids(index), delivery_ids(index, "Delivery "), metadata)

    def batches(
        self, *, rows_per_batch: int = ROWS_PER_BATCH, groups: Collection[str] = GROUPS
    ) -> Iterator[WorldBatch]:
        """Wide tables of at most `rows_per_batch` rows: planets, characters, then deliveries.


        Readings are ordered by entity and time. Deliveries are ordered by dispatch; a batch of dispatches is followed
        by the outcomes of the same deliveries. groups: the generated groups. Raises ValueError, at the first step, for
        an unknown group or `rows_per_batch` below 1.
        """
        if unknown := sorted(set(groups) - set(GROUPS)):
            raise ValueError(f"groups must be among {', '.join(GROUPS)}, not {', '.join(unknown)}")
        for group in (PLANET_CONDITIONS, CHARACTER_STATS):
            for row in _chunks(self.rows(group) if group in groups else 0, rows_per_batch):
                yield WorldBatch(group, self._tables[group](row))
        wanted = [group for group in (DELIVERY_METRICS, DELIVERY_OUTCOME) if group in groups]
        for index in _chunks(self.config.deliveries if wanted else 0, rows_per_batch):
            for group in wanted:
                yield WorldBatch(group, self._tables[group](index))

    def rows(self, group: str) -> int:
        """The number of rows of a feature group. Raises ValueError for an unknown group."""
        counts = self._counts()
        if group not in counts:
            raise ValueError(f"group must be among {', '.join(GROUPS)}, not {group}")
        return counts[group]

    def part(self, group: str, first: int, count: int) -> pa.Table:
        """Rows `first` to `first + count` of a feature group, equal to those of `batches`; none past the end.

        Raises ValueError for an unknown group.
        """
        index = np.arange(first, max(min(first + count, self.rows(group)), first))
        return self._tables[group](index)

    def labels(self, *, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[pa.Table]:
        """Label rows: `entity_id` (a delivery), `timestamp` (its dispatch), `actual_duration` (hours)."""
        for index in _chunks(self.config.deliveries, rows_per_batch):
            yield self._label_table(index)

    def label_part(self, first: int, count: int) -> pa.Table:
        """Label rows `first` to `first + count`, equal to those of `labels`."""
        return self._label_table(np.arange(first, max(min(first + count, self.config.deliveries), first)))

    def _counts(self) -> dict[str, int]:
        config = self.config
        return {
            PLANET_CONDITIONS: config.planets * self._planet_grid.count,
            CHARACTER_STATS: config.characters * self._character_grid.count,
            DELIVERY_METRICS: config.deliveries,
            DELIVERY_OUTCOME: config.deliveries,
        }

    def _dispatch_table(self, index: Ints) -> pa.Table:
        sent = self._deliveries.dispatches(index)
        features = {name: getattr(sent, name) for name in COLUMNS[DELIVERY_METRICS]} | {
            "origin": self._planets.ids.take(pa.array(sent.origin)),
            "destination": self._planets.ids.take(pa.array(sent.destination)),
            "assigned_to": self._characters.ids.take(pa.array(sent.assigned_to)),
        }
        return wide_table(DELIVERY_METRICS, delivery_ids(index), sent.time_us, features)

    def _label_table(self, index: Ints) -> pa.Table:
        sent = self._deliveries.dispatches(index)
        arrived = self._deliveries.arrivals(index, sent)
        times = pa.array(sent.time_us).cast(TIMESTAMP)
        columns = [delivery_ids(index), times, pa.array(arrived.actual_duration)]
        return pa.Table.from_arrays(columns, names=["entity_id", "timestamp", LABEL])

    def _outcome_table(self, index: Ints) -> pa.Table:
        arrived = self._deliveries.arrivals(index, self._deliveries.dispatches(index))
        features = {name: getattr(arrived, name) for name in COLUMNS[DELIVERY_OUTCOME]}
        return wide_table(DELIVERY_OUTCOME, delivery_ids(index), arrived.time_us, features)


def generate(config: WorldConfig | None = None) -> World:
    """The world of `config`, or the default one. Its tables are generated on iteration."""
    return World(config or WorldConfig())


def _reading_table(
    group: str, kind: names.Inhabitants, grid: ReadingGrid, signals: PlanetSignals | CharacterSignals, row: Ints
) -> pa.Table:
    entity, reading = np.divmod(row, grid.count)
    times = grid.times(reading)
    return wide_table(group, kind.ids.take(pa.array(entity)), times, signals.columns(entity, times / HOUR_US, row))


def _chunks(total: int, size: int) -> Iterator[Ints]:
    if size < 1:
        raise ValueError(f"rows_per_batch must be at least 1, not {size}")
    for start in range(0, total, size):
        yield np.arange(start, min(start + size, total), dtype=np.int64)


def _entity_table(entity_type: str, ids: pa.Array, labels: pa.Array, metadata: pa.Array) -> pa.Table:
    kinds = pa.repeat(pa.scalar(entity_type), len(ids))
    return pa.Table.from_arrays([ids, kinds, labels, metadata], schema=ENTITY_SCHEMA)
