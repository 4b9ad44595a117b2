"""The reads of a list of features, compiled once: values of the requested entities first, then of referenced entities.

A path (`destination.traffic_level`) is two reads: the reference, then the feature of the entity that it names. A path
has the status and event time of the target, or those of the reference if the reference is not PRESENT.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from featurama_core.storage.layouts import Layout
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.values import Int64Array, Status, empty_values

_REMEMBERED_LAYOUTS = 256


@dataclass(frozen=True, slots=True)
class Slots:
    """The features that the same layouts hold. positions: of the features. fields: layout id -> the field of each."""

    positions: tuple[int, ...]
    fields: Mapping[int, tuple[int, ...]]


class Features(tuple[ResolvedFeature, ...]):  # noqa: SLOT001 - what is compiled is kept in its __dict__
    """Features that are read together, and what their reads need."""

    @cached_property
    def groups(self) -> list[list[int]]:
        """Positions of the features of each group."""
        return by_group(self)

    @cached_property
    def _slots(self) -> dict[frozenset[int], list[Slots]]:
        return {}

    def slots(self, layouts: Collection[Layout]) -> list[Slots]:
        """Every feature once, by the layouts that hold it; compiled once per set of layouts."""
        key = frozenset(each.layout_id for each in layouts)
        if key not in self._slots:
            if len(self._slots) >= _REMEMBERED_LAYOUTS:
                self._slots.clear()
            self._slots[key] = self._slots_in(sorted(layouts, key=lambda each: each.layout_id))
        return self._slots[key]

    def _slots_in(self, layouts: Sequence[Layout]) -> list[Slots]:
        held: dict[tuple[int, ...], list[int]] = {}
        fields = {each.layout_id: [each.positions.get(one.definition.key, -1) for one in self] for each in layouts}
        for at in range(len(self)):
            held.setdefault(tuple(each for each, found in fields.items() if found[at] >= 0), []).append(at)
        return [
            Slots(tuple(positions), {each: tuple(fields[each][at] for at in positions) for each in layout_ids})
            for layout_ids, positions in held.items()
        ]


ReadStage = Callable[[int, Sequence[str], Int64Array | None], Awaitable[list[Column]]]
"""(stage, entity ids, the rows they belong to or None for all) -> a column per feature of the stage."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Compiled once per list of features and registry snapshot.

    features: as requested. own: the distinct ones read of the requested entities, including references. followed: per
    reference (its position in `own`) the features of the entities that it names. sources: per requested feature its
    position among the `own` columns and the followed ones after them. Stage 0 of a read is `own`, stage n the n-th of
    `followed`.
    """

    features: Features
    own: Features
    followed: tuple[tuple[int, Features], ...]
    sources: tuple[int, ...]

    @classmethod
    def of(cls, features: Sequence[ResolvedFeature]) -> ReadPlan:
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
            features=Features(features),
            own=Features(own.values()),
            followed=tuple((position[reference], Features(targets)) for reference, targets in followed.items()),
            sources=tuple(position[feature.reference] for feature in features),
        )

    @property
    def stages(self) -> list[Features]:
        """The features of each stage."""
        return [self.own, *(targets for _, targets in self.followed)]

    def without(self, references: frozenset[int]) -> ReadPlan:
        """A plan of all own and followed columns, without the columns of these references (positions in `own`)."""
        followed = tuple(each for each in self.followed if each[0] not in references)
        features = Features([*self.own, *(each for _, targets in followed for each in targets)])
        return ReadPlan(features, self.own, followed, tuple(range(len(features))))

    async def read(self, entity_ids: Sequence[str], stage: ReadStage) -> list[Column]:
        """The requested columns, in order, for these entities."""
        own = await stage(0, entity_ids, None)
        return await self.follow(own, stage)

    async def follow(self, own: list[Column], stage: ReadStage) -> list[Column]:
        """The requested columns, in order, from the `own` ones: references are followed."""
        through: list[Column] = []
        for number, (reference, targets) in enumerate(self.followed, start=1):
            hop = ReferenceHop.of(own[reference])
            found = await stage(number, hop.targets, hop.rows) if hop.targets else None
            through.extend(hop.column(each, None if found is None else found[at]) for at, each in enumerate(targets))
        columns = own + through
        return [columns[source] for source in self.sources]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceHop:
    """rows: int64[p], the rows with a PRESENT reference. targets: the p entity ids that it names."""

    link: Column
    rows: Int64Array
    targets: list[str]

    @classmethod
    def of(cls, link: Column) -> ReferenceHop:
        """The targets of a reference column."""
        rows = np.flatnonzero(link.status == Status.PRESENT)
        return cls(link, rows, link.values[rows].tolist())

    def column(self, feature: ResolvedFeature, found: Column | None) -> Column:
        """The column of a path. found: the target feature for the p rows (None if p is 0)."""
        definition, rows = feature.definition, len(self.link)
        values = empty_values(definition.value_type, rows, definition.vector_length)
        status, event_time = self.link.status.copy(), self.link.event_time.copy()
        if found is not None:
            values[self.rows] = found.values
            status[self.rows] = found.status
            event_time[self.rows] = found.event_time
        return Column(
            name=feature.name,
            value_type=definition.value_type,
            values=values,
            status=status,
            event_time=event_time,
            version=definition.version,
            reference=feature.reference,
        )


def by_group(features: Sequence[ResolvedFeature]) -> list[list[int]]:
    """Positions of the features of each group."""
    groups: dict[str, list[int]] = {}
    for at, feature in enumerate(features):
        groups.setdefault(feature.group.name, []).append(at)
    return list(groups.values())


def groups_of(features: Sequence[ResolvedFeature]) -> list[FeatureGroup]:
    """The groups of the features."""
    return list({each.group.name: each.group for each in features}.values())
