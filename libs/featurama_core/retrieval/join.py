"""One pass over a group's history, newest period first: each label row takes, for each feature, the newest stored value
that it may see, and asks older periods only for the features it has not found.

Exact, because a period holds whole event times: what is newest in the newest period that holds anything admitted wins.
Deletion marks and retention are applied afterwards (`hits.newer_than`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featurama_core.retrieval.as_of import HistoryKeys, as_of_many
from featurama_core.retrieval.entity_rows import SortedKeys
from featurama_core.retrieval.past import KnownAt, ingest_bound
from featurama_core.retrieval.spill import HitSpool
from featurama_core.storage.port import History
from featurama_core.types.values import BoolArray, Int64Array


class GroupJoin:
    """The label rows of one pass against features of one group. Blocks; belongs to one task."""

    def __init__(
        self,
        keys: SortedKeys,
        positions: Sequence[int],
        known_at: KnownAt | str,
        max_ages: Sequence[int | None],
        hits: HitSpool,
    ) -> None:
        """`positions`: of the features in `hits`. `max_ages`: microseconds beyond which a feature's value is of no
        use to anyone, None where it is.
        """
        self.keys = keys
        self._positions = list(positions)
        self._known_at = known_at
        self._max_ages = max_ages
        self._hits = hits
        self.open: NDArray[np.bool_] = np.ones((len(self._positions), len(keys)), dtype=np.bool_)
        self._pending: NDArray[np.bool_] = np.ones(len(keys), dtype=np.bool_)

    def resume(self, still_open: BoolArray) -> None:
        """Go on where an earlier build stopped."""
        self.open = still_open
        self._refresh()

    def entities(self, start: int, end: int) -> Int64Array:
        """Codes of the entities that need a period [start, end): they have a row at `start` or later that lacks a
        feature which the period could give it.
        """
        for feature, max_age in enumerate(self._max_ages):
            if max_age is not None:
                self.open[feature] &= self.keys.event_time - max_age < end
        if any(each is not None for each in self._max_ages):
            self._refresh()
        # Sorted by entity: distinct codes are where the code changes.
        codes = self.keys.entity[self._pending & (self.keys.event_time >= start)]
        return codes[np.flatnonzero(np.diff(codes, prepend=-1))]

    def take(self, codes: Int64Array, histories: Sequence[History], start: int) -> None:
        """Join a block of whole entities of the period that begins at `start`.

        codes: of the block's entities among ours, -1 for those that no label row has.
        """
        labels, entity = self._rows_of(codes)
        needed = self._pending[labels] & (self.keys.event_time[labels] >= start)
        labels, entity = labels[needed], entity[needed]
        if not len(labels):
            return
        time = self.keys.event_time[labels]
        bound = ingest_bound(time if isinstance(self._known_at, str) else self._known_at)
        # Features of one cell share their key arrays: they are searched together.
        shared: dict[tuple[int, int, int], list[int]] = {}
        for at, history in enumerate(histories):
            shared.setdefault((id(history.entity), id(history.event_time), id(history.ingested_at)), []).append(at)
        for members in shared.values():
            first = histories[members[0]]
            if len(first.entity):
                keys = HistoryKeys.of(first.entity, first.event_time, first.ingested_at)
                (winner,) = as_of_many(keys, [None], entity, time, known_at=bound)
                self._found(members, histories, labels, winner)
        self._pending[labels] = self.open[:, labels].any(axis=0)

    def _found(
        self, members: Sequence[int], histories: Sequence[History], labels: Int64Array, winner: Int64Array
    ) -> None:
        alike: dict[bytes, tuple[BoolArray, list[int]]] = {}
        for member in members:
            hit = (winner >= 0) & self.open[member, labels]
            if hit.any():
                alike.setdefault(np.packbits(hit).tobytes(), (hit, []))[1].append(member)
        for hit, some in alike.values():
            rows, source = labels[hit], winner[hit]
            for member in some:
                self.open[member, rows] = False
            self._hits.add(
                tuple(self._positions[member] for member in some),
                self.keys.row[rows],
                histories[some[0]].event_time[source],
                [histories[member].column.take(source) for member in some],
            )

    def _refresh(self) -> None:
        self._pending = np.asarray(self.open.any(axis=0), dtype=np.bool_)

    def _rows_of(self, codes: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Positions of the label rows of these entities, and the position in `codes` of each."""
        known = np.flatnonzero(codes >= 0)
        first = self.keys.bounds[codes[known]]
        count = self.keys.bounds[codes[known] + 1] - first
        total = np.cumsum(count)
        labels = np.repeat(first - (total - count), count) + np.arange(int(total[-1]) if len(total) else 0)
        return labels, np.repeat(known, count)
