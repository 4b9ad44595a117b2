"""Joining rows with stored history, block by block. Each row takes the newest visible value of each feature, and needs
older blocks only for the features not found yet.

The blocks of an entity must come newest first. A block holds whole event times, so the first block with a visible value
has the winner. Tombstones, retention and ttl are applied afterwards, in `answer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from featurama_core.retrieval.answer import Stored, Winners
from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.entity_rows import EntityRows
from featurama_core.retrieval.visibility import AsOf, may_see, newest, winners_of_events
from featurama_core.storage.records import History, Seeks, Sought
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.revisions import Bound
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import BoolArray, Int64Array

_ANY_TIME = np.iinfo(np.int64).max


class MatchSink(Protocol):
    """Receives the matches of joins."""

    def add(self, features: tuple[int, ...], rows: Int64Array, event_time: Int64Array, columns: list[Column]) -> None:
        """Add winners of features (positions) at the same rows (row numbers) and event times. A row receives at most
        one value per feature.
        """


class RowJoin:
    """The join of the rows of one pass with some features. Blocks; belongs to one task."""

    def __init__(
        self,
        rows: EntityRows,
        positions: Sequence[int],
        as_of: AsOf,
        max_ages: Sequence[Bound | None],
        sink: MatchSink,
    ) -> None:
        """positions: of the features in the sink. as_of: of `rows`, in their order. max_ages: microseconds, the age
        beyond which a value of a feature is not needed, one or one per row; None for no bound.
        """
        self.rows = rows
        self._positions = list(positions)
        self._as_of = as_of
        self._max_ages = max_ages
        self._sink = sink
        self.open: NDArray[np.bool_] = np.ones((len(self._positions), len(rows)), dtype=np.bool_)
        self._pending: NDArray[np.bool_] = np.ones(len(rows), dtype=np.bool_)

    def resume(self, still_open: BoolArray) -> None:
        """Continue an interrupted build."""
        self.open = still_open
        self._refresh()

    def entities(self, start: int, end: int) -> Int64Array:
        """Codes of the entities that need a period [start, end): they have a row at `start` or later without a value of
        a feature that the period may contain.
        """
        moment = self.rows.event_time
        for feature, max_age in enumerate(self._max_ages):
            if max_age is not None:
                self.open[feature] &= may_see(moment, start, end, max_age) | (moment < start)
        if any(each is not None for each in self._max_ages):
            self._refresh()
        # Sorted by entity: distinct codes are where the code changes.
        codes = self.rows.entity[self._pending & may_see(moment, start, end, None)]
        return codes[np.flatnonzero(np.diff(codes, prepend=-1))]

    def take(self, codes: Int64Array, histories: Sequence[History], start: int) -> None:
        """Join a block of whole entities of the period that begins at `start`.

        codes: of the entities of the block, -1 for an entity without rows.
        """
        rows, entity = self.rows.positions(codes)
        needed = self._pending[rows] & may_see(self.rows.event_time[rows], start, MAX_TIME, None)
        if not needed.all():
            rows, entity = rows[needed], entity[needed]
        if not len(rows):
            return
        as_of = self._as_of.take(rows)
        for members, keys in shared_keys(histories):
            if len(keys):
                (winner,) = newest(keys, [None], entity, as_of)
                self._found(members, histories, rows, winner)
        self._pending[rows] = self.open[:, rows].any(axis=0)

    def needing(self, start: int) -> Int64Array:
        """Positions of the rows that need a period from `start` on; see `entities`."""
        return np.flatnonzero(self._pending & may_see(self.rows.event_time, start, MAX_TIME, None))

    def seeks(self, rows: Int64Array) -> Seeks:
        """The seeks of these rows, positions in ascending order."""
        entity = self.rows.entity[rows]
        first = np.diff(entity, prepend=-1) != 0
        entity_ids = [self.rows.entity_ids[code] for code in entity[first].tolist()]
        known = self._as_of.take(rows).ingested_at
        ingested_at = np.broadcast_to(np.int64(_ANY_TIME if known is None else known), len(rows))
        return Seeks(entity_ids, np.cumsum(first) - 1, self.rows.event_time[rows], ingested_at)

    def take_events(self, rows: Int64Array, wanted: Seeks, sought: Sequence[Sought]) -> Int64Array:
        """Join rows with the newest event of each. -> codes of entities whose older events of the period are needed,
        because a newest one lacks a value.
        """
        as_of, histories = self._as_of.take(rows), [each.history for each in sought]
        for members, keys in shared_keys(histories):
            if len(keys):
                (winner,) = newest(keys, [None], wanted.entity, as_of)
                event_time = sought[members[0]].event_time
                self._found(members, histories, rows, winners_of_events(keys, winner, event_time))
        lacking = np.zeros(len(rows), dtype=np.bool_)
        for still_open, each in zip(self.open[:, rows], sought, strict=True):
            lacking |= still_open & (each.event_time > MIN_TIME)
        self._pending[rows] = self.open[:, rows].any(axis=0)
        codes = self.rows.entity[rows[lacking]]
        return codes[np.flatnonzero(np.diff(codes, prepend=-1))]

    def _found(
        self, members: Sequence[int], histories: Sequence[History], rows: Int64Array, winner: Int64Array
    ) -> None:
        alike: dict[bytes, tuple[BoolArray, list[int]]] = {}
        for member in members:
            hit = (winner >= 0) & self.open[member, rows]
            if hit.any():
                alike.setdefault(np.packbits(hit).tobytes(), (hit, []))[1].append(member)
        for hit, some in alike.values():
            found, source = rows[hit], winner[hit]
            for member in some:
                self.open[member, found] = False
            event_time = histories[some[0]].event_time[source]
            self._sink.add(
                tuple(self._positions[member] for member in some),
                self.rows.row[found],
                event_time,
                _taken([histories[member].column for member in some], source, event_time),
            )

    def _refresh(self) -> None:
        self._pending = np.asarray(self.open.any(axis=0), dtype=np.bool_)


def _taken(columns: Sequence[Column], source: Int64Array, event_time: Int64Array) -> list[Column]:
    """The given rows of columns of one cell. Shared arrays stay shared."""
    status = {id(each.status): each.status for each in columns}
    shared = {key: each[source] for key, each in status.items()}
    return [
        replace(each, values=each.values[source], status=shared[id(each.status)], event_time=event_time)
        for each in columns
    ]


def found_in(
    histories: Sequence[History], features: Sequence[ResolvedFeature], entity: Int64Array, as_of: AsOf
) -> Winners:
    """The winners of n rows in the whole history of their entities. entity: int64[n], codes."""
    winners: Winners = []
    for members, keys in shared_keys(histories):
        (winner,) = newest(keys, [None], entity, as_of)
        columns = [histories[at].column for at in members]
        values, status = [each.values for each in columns], np.stack([each.status for each in columns])
        winners.append((members, Stored.of([features[at] for at in members], values, status, keys.time, winner)))
    return winners


def shared_keys(histories: Sequence[History]) -> Iterator[tuple[list[int], HistoryKeys]]:
    """Positions of the histories with common key arrays, and these keys: features of a cell are searched together."""
    shared: dict[tuple[int, int, int], list[int]] = {}
    for at, history in enumerate(histories):
        shared.setdefault((id(history.entity), id(history.event_time), id(history.ingested_at)), []).append(at)
    for members in shared.values():
        first = histories[members[0]]
        yield members, HistoryKeys.of(first.entity, first.event_time, first.ingested_at)
