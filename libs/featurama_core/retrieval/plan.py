"""Paths (`destination.traffic_level`) as two reads: the reference, then the feature of the entity it names.

The same plan serves online and point-in-time reads. Where the reference is not PRESENT, its status and event time are
the path's; else status and event time are the target's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.values import Int64Array, Status, empty_values


@dataclass(frozen=True, slots=True)
class PathPlan:
    """own: what is read of the asked entities, references among it, each once.

    followed: per reference (its position in `own`) the features to read of the entities it names.
    sources: per asked feature its position among `own` columns followed by all followed ones.
    """

    own: tuple[ResolvedFeature, ...]
    followed: tuple[tuple[int, tuple[ResolvedFeature, ...]], ...]
    sources: tuple[int, ...]

    @classmethod
    def of(cls, features: Sequence[ResolvedFeature]) -> PathPlan:
        """Plan a list of resolved features."""
        own: dict[str, ResolvedFeature] = {}
        followed: dict[str, list[ResolvedFeature]] = {}
        for feature in features:
            first = feature if feature.via is None else feature.via
            own.setdefault(first.reference, first)
            if feature.via is not None:
                followed.setdefault(first.reference, []).append(feature)
        position = {reference: at for at, reference in enumerate(own)}
        for feature in (each for targets in followed.values() for each in targets):
            position[feature.reference] = len(position)
        return cls(
            own=tuple(own.values()),
            followed=tuple((position[reference], tuple(targets)) for reference, targets in followed.items()),
            sources=tuple(position[feature.reference] for feature in features),
        )

    def in_order(self, own: list[Column], through: list[Column]) -> list[Column]:
        """The asked columns, in the asked order."""
        columns = own + through
        return [columns[source] for source in self.sources]


@dataclass(frozen=True, slots=True, eq=False)
class Hops:
    """rows: int64[p], where the reference is PRESENT; targets: the p entity ids it names there."""

    link: Column
    rows: Int64Array
    targets: list[str]

    def column(self, feature: ResolvedFeature, read: Column | None) -> Column:
        """The path's column: `read` holds the target feature for the p rows (None when p is 0)."""
        definition, rows = feature.definition, len(self.link)
        values = empty_values(definition.value_type, rows, definition.vector_length)
        status, event_time = self.link.status.copy(), self.link.event_time.copy()
        if read is not None:
            values[self.rows] = read.values
            status[self.rows] = read.status
            event_time[self.rows] = read.event_time
        return Column(
            name=feature.name,
            value_type=definition.value_type,
            values=values,
            status=status,
            event_time=event_time,
            version=definition.version,
            reference=feature.reference,
        )


def follow(link: Column) -> Hops:
    """Where a reference column leads."""
    rows = np.flatnonzero(link.status == Status.PRESENT)
    return Hops(link, rows, link.values[rows].tolist())
