"""From winning stored values to the columns of a result: tombstones, retention and ttl are applied here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from featurama_core.retrieval.plan import Features
from featurama_core.retrieval.tombstones import Tombstones
from featurama_core.retrieval.visibility import AsOf, horizon, statuses
from featurama_core.types.block import Answer, Block
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.revisions import ttl_at
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array, Status, UInt8Array, ValueArrays, empty_values


class Stored(NamedTuple):
    """The winners of k features for n rows, with common event times, regardless of age.

    values: k arrays of length n. status: uint8[k, n], PRESENT, NULL_VALUE, NOT_FOUND or ERROR. event_time: int64[n],
    MIN_TIME without a winner, MAX_TIME for an ERROR of unknown time. whole: True if every status is PRESENT; False says
    nothing.
    """

    values: ValueArrays
    status: UInt8Array
    event_time: Int64Array
    whole: bool = False

    @classmethod
    def of(
        cls,
        features: Sequence[ResolvedFeature],
        values: ValueArrays,
        status: UInt8Array,
        event_time: Int64Array,
        winner: Int64Array,
    ) -> Stored:
        """The winners of n rows among h stored rows. winner: int64[n], their positions, -1 without a winner.

        values: k arrays of length h. status: uint8[k, h]. event_time: int64[h].
        """
        if len(winner) == len(event_time) and (winner == np.arange(len(winner))).all():
            return cls(values, status, event_time)
        hit = winner >= 0
        if hit.all():
            return cls([each[winner] for each in values], status[:, winner], event_time[winner])
        source = winner[hit]
        found = cls.nothing(features, len(winner))
        for target, stored in zip(found.values, values, strict=True):
            target[hit] = stored[source]
        found.status[:, hit] = status[:, source]
        found.event_time[hit] = event_time[source]
        return found

    @classmethod
    def nothing(cls, features: Sequence[ResolvedFeature], rows: int) -> Stored:
        """No winners."""
        values = [empty_values(each.value_type, rows, each.definition.vector_length) for each in features]
        status = np.full((len(features), rows), Status.NOT_FOUND, dtype=np.uint8)
        return cls(values, status, np.full(rows, MIN_TIME, dtype=np.int64))


Winners = list[tuple[Sequence[int], Stored]]
"""(positions of features, their winners). Every feature is in exactly one."""


def unread(features: Sequence[ResolvedFeature], rows: int) -> tuple[list[int], Stored]:
    """ERROR for all features and rows: the store did not answer."""
    nothing = Stored.nothing(features, rows)
    status = np.full_like(nothing.status, Status.ERROR)
    return list(range(len(features))), Stored(nothing.values, status, np.full(rows, MAX_TIME, dtype=np.int64))


def answer(features: Features, winners: Winners, tombstones: Tombstones, as_of: AsOf) -> Answer:
    """The visible winners of n rows and their statuses: a column per feature, in order."""
    blocks: list[Block] = []
    numbers: list[Sequence[int]] = []
    for positions, stored in winners:
        part = features.part(positions)
        # Without tombstones the features of a group share ttl and horizon: one comparison for all.
        for members in part.groups if not tombstones else [[at] for at in range(len(part))]:
            numbers.append(positions if len(members) == len(positions) else [positions[each] for each in members])
            blocks.append(_block(part, members, stored, tombstones, as_of))
    return Answer(blocks, numbers)


def answered(features: Features, stored: Stored, tombstones: Tombstones, as_of: AsOf) -> list[Column]:
    """`answer` for winners of all features, as columns."""
    return answer(features, [(range(len(features)), stored)], tombstones, as_of).columns()


def _block(features: Features, members: list[int], stored: Stored, tombstones: Tombstones, as_of: AsOf) -> Block:
    """The columns of these members of one group."""
    first = features[members[0]]
    gone = horizon(first.group, tombstones.through(first.definition.name), as_of.now)
    held, headings, values = stored.status, features.headings, stored.values
    if len(members) < len(features):
        held, headings = held[members], features.part(members).headings
        values = [values[at] for at in members]
    status = statuses(held, stored.event_time, gone, ttl_at(first.group, as_of.ruled_at), as_of)
    event_time = [stored.event_time] * len(members)
    whole = [True] * len(members)
    if stored.whole and status is held:
        return Block(headings, values, status, event_time, whole)
    hidden = status != Status.PRESENT
    if np.count_nonzero(hidden):
        values, whole = list(values), (~hidden.any(axis=1)).tolist()
        for at, heading in enumerate(headings):
            if not whole[at]:
                values[at] = values[at].copy()
                values[at][hidden[at]] = empty_values(heading.value_type, 1, heading.vector_length)[0]
                no_time = (status[at] == Status.NOT_FOUND) | (status[at] == Status.ERROR)
                event_time[at] = np.where(no_time, 0, stored.event_time)
    return Block(headings, values, status, event_time, whole)
