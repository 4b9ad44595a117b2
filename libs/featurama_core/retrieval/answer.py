"""From winning stored values to the columns of a result: tombstones, retention and ttl are applied here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.retrieval.plan import Features, by_group
from featurama_core.retrieval.tombstones import Tombstones
from featurama_core.retrieval.visibility import AsOf, horizon, statuses
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.revisions import ttl_at
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array, Status, UInt8Array, ValueArray, empty_values


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """The winners of k features for n rows, with common event times, regardless of age.

    values: k arrays of length n. status: uint8[k, n], PRESENT, NULL_VALUE, NOT_FOUND or ERROR. event_time: int64[n],
    MIN_TIME without a winner, MAX_TIME for an ERROR of unknown time.
    """

    values: Sequence[ValueArray]
    status: UInt8Array
    event_time: Int64Array

    @classmethod
    def of(
        cls,
        features: Sequence[ResolvedFeature],
        values: Sequence[ValueArray],
        status: UInt8Array,
        event_time: Int64Array,
        winner: Int64Array,
    ) -> Stored:
        """The winners of n rows among h stored rows. winner: int64[n], their positions, -1 without a winner.

        values: k arrays of length h. status: uint8[k, h]. event_time: int64[h].
        """
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


Winners = list[tuple[list[int], Stored]]
"""(positions of features, their winners). Every feature is in exactly one."""


def placed(features: Sequence[ResolvedFeature], winners: Winners, tombstones: Tombstones, as_of: AsOf) -> list[Column]:
    """`answered` for winners in any order: a column per feature, in order."""
    if len(winners) == 1:
        return answered(features, winners[0][1], tombstones, as_of)
    columns: dict[int, Column] = {}
    for positions, stored in winners:
        found = answered([features[at] for at in positions], stored, tombstones, as_of)
        columns.update(zip(positions, found, strict=True))
    return [columns[at] for at in range(len(features))]


def unread(features: Sequence[ResolvedFeature], rows: int) -> tuple[list[int], Stored]:
    """ERROR for all features and rows: the store did not answer."""
    nothing = Stored.nothing(features, rows)
    status = np.full_like(nothing.status, Status.ERROR)
    return list(range(len(features))), Stored(nothing.values, status, np.full(rows, MAX_TIME, dtype=np.int64))


def answered(features: Sequence[ResolvedFeature], stored: Stored, tombstones: Tombstones, as_of: AsOf) -> list[Column]:
    """A column of n rows per feature, in order: the visible winners and their statuses."""
    columns: list[Column | None] = [None] * len(features)
    for positions in features.groups if isinstance(features, Features) else by_group(features):
        group = features[positions[0]].group
        # Without tombstones the features of a group share ttl and horizon: one comparison for all.
        alike = [positions] if not tombstones else [[at] for at in positions]
        for members in alike:
            gone = horizon(group, tombstones.through(features[members[0]].definition.name), as_of.now)
            ttl = ttl_at(group, as_of.ruled_at)
            status = statuses(stored.status[members], stored.event_time, gone, ttl, as_of)
            for at, column in zip(members, _columns(features, members, stored, status), strict=True):
                columns[at] = column
    return [column for column in columns if column is not None]


def _columns(
    features: Sequence[ResolvedFeature], members: list[int], stored: Stored, status: UInt8Array
) -> list[Column]:
    hidden = status != Status.PRESENT
    is_whole = (~hidden.any(axis=1)).tolist() if hidden.any() else [True] * len(members)
    columns = []
    for row, at in enumerate(members):
        definition, values, event_time = features[at].definition, stored.values[at], stored.event_time
        if not is_whole[row]:
            values = values.copy()
            values[hidden[row]] = empty_values(definition.value_type, 1, definition.vector_length)[0]
            no_time = (status[row] == Status.NOT_FOUND) | (status[row] == Status.ERROR)
            event_time = np.where(no_time, 0, event_time)
        columns.append(
            Column(
                name=definition.name,
                value_type=definition.value_type,
                values=values,
                status=status[row],
                event_time=event_time,
                version=definition.version,
                reference=definition.reference,
            )
        )
    return columns
