"""The reads of a list of features, compiled once: values of the requested entities first, then of referenced entities.

A path (`destination.traffic_level`) is two reads: the reference, then the feature of the entity that it names. A path
has the status and event time of the target, or those of the reference if the reference is not PRESENT.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise, repeat
from typing import NamedTuple

import numpy as np

from featurama_core.retrieval.cost import ReadCost
from featurama_core.storage.layouts import Layout
from featurama_core.types.block import Heading, Headings
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.roles import NO_ROLE, Ids, RowEntities
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
    def headings(self) -> Headings:
        """What the column of each feature says beside its values, as a feature of its own entity."""
        definitions = [each.definition for each in self]
        return Headings(
            Heading(each.name, each.value_type, each.version, each.reference, each.vector_length)
            for each in definitions
        )

    @cached_property
    def cost(self) -> ReadCost:
        """What a row of them costs."""
        return ReadCost.of(self)

    def part(self, positions: Sequence[int]) -> Features:
        """Some of the features; compiled once per choice."""
        if len(positions) == len(self):
            return self
        key = tuple(positions)
        made = self._parts.get(key)
        if made is None:
            # Large answers are made in threads: another one may clear what is remembered at any moment.
            if len(self._parts) >= _REMEMBERED_LAYOUTS:
                self._parts.clear()
            made = self._parts[key] = Features(self[at] for at in positions)
        return made

    @cached_property
    def _parts(self) -> dict[tuple[int, ...], Features]:
        return {}

    @cached_property
    def _slots(self) -> dict[frozenset[int], list[Slots]]:
        return {}

    def slots(self, present: frozenset[int], layouts: Mapping[int, Layout]) -> list[Slots]:
        """Every feature once, by the present layouts that hold it; compiled once per set of layouts. layouts: by id."""
        made = self._slots.get(present)
        if made is None:
            if len(self._slots) >= _REMEMBERED_LAYOUTS:
                self._slots.clear()
            made = self._slots[present] = self._slots_in([layouts[each] for each in sorted(present)])
        return made

    def _slots_in(self, layouts: Sequence[Layout]) -> list[Slots]:
        held: dict[tuple[int, ...], list[int]] = {}
        fields = {each.layout_id: [each.positions.get(one.definition.key, -1) for one in self] for each in layouts}
        for at in range(len(self)):
            held.setdefault(tuple(each for each, found in fields.items() if found[at] >= 0), []).append(at)
        return [
            Slots(tuple(positions), {each: tuple(fields[each][at] for at in positions) for each in layout_ids})
            for layout_ids, positions in held.items()
        ]


class NamedRows(NamedTuple):
    """The rows that name an entity: their ids, and their numbers among the label rows, None for all rows."""

    entity_ids: list[str]
    rows: Int64Array | None

    @classmethod
    def of(cls, ids: Ids) -> NamedRows:
        """ids: of all rows."""
        there = [each for each in ids if each is not None]
        if len(there) == len(ids):
            return cls(there, None)
        return cls(there, np.array([row for row, each in enumerate(ids) if each is not None], dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class StageRows:
    """What a stage of a plan is read for: the entities of each of its roles or links, one after the other."""

    number: int
    parts: Sequence[NamedRows]

    @property
    def entity_ids(self) -> list[str]:
        """The ids of all parts."""
        one, *others = self.parts
        return list(chain(one.entity_ids, *(each.entity_ids for each in others))) if others else one.entity_ids

    @property
    def rows(self) -> Int64Array | None:
        """The label row of each id, None for all rows in order."""
        if len(self.parts) == 1:
            return self.parts[0].rows
        return np.concatenate([np.arange(len(ids)) if rows is None else rows for ids, rows in self.parts])

    def split(self, columns: list[Column]) -> list[list[Column]]:
        """The columns of each part."""
        if len(self.parts) == 1:
            return [columns]
        ends = np.cumsum([len(each.entity_ids) for each in self.parts]).tolist()
        return [[each.take(slice(*run)) for each in columns] for run in pairwise([0, *ends])]


ReadStages = Callable[[Sequence[StageRows]], Awaitable[list[list[Column]]]]
"""Stages that do not depend on each other -> per stage a column per feature."""


@dataclass(frozen=True, slots=True)
class OwnStage:
    """The distinct features read of the entities of the rows, references included. roles: whose entities; they have one
    type, so that an entity that two roles name is read once.
    """

    roles: tuple[str, ...]
    features: Features


@dataclass(frozen=True, slots=True)
class FollowedStage:
    """The features of the entities that a reference names. links: positions of its columns, one per role."""

    links: tuple[int, ...]
    features: Features


@dataclass(frozen=True)
class ReadPlan:
    """Compiled once per list of features and registry snapshot.

    features: as requested. own: a stage per type of the roles (one stage, of `NO_ROLE`, without roles). followed: a
    stage per followed reference. The stages of a read are numbered in this order. Their columns, per stage, role (or
    link) and feature, are numbered too: sources are the columns of the requested features. roles: of all own stages.
    """

    features: Features
    own: tuple[OwnStage, ...]
    followed: tuple[FollowedStage, ...]
    sources: tuple[int, ...]
    roles: tuple[str, ...]

    @cached_property
    def is_plain(self) -> bool:
        """Whether the columns of the one stage are those of the request."""
        return len(self.own) == 1 and self.roles == (NO_ROLE,) and self.own[0].features == self.features

    @classmethod
    def of(cls, features: Sequence[ResolvedFeature]) -> ReadPlan:
        """Plan a list of resolved features."""
        own = _own_stages(features)
        numbers: dict[tuple[str, str], int] = {}
        for stage in own:
            for role in stage.roles:
                for each in stage.features:
                    numbers[role, each.reference] = len(numbers)
        paths: dict[tuple[str, str], dict[str, list[ResolvedFeature]]] = {}
        for feature in features:
            if feature.via is not None:
                of_link = paths.setdefault((_type_of(feature), feature.via.reference), {})
                of_link.setdefault(_role_of(feature), []).append(_without_role(feature))
        followed = []
        for (_, link), of_roles in paths.items():
            targets = Features({each.reference: each for found in of_roles.values() for each in found}.values())
            followed.append(FollowedStage(tuple(numbers[role, link] for role in of_roles), targets))
            for role in of_roles:
                for each in targets:
                    numbers[role, each.reference] = len(numbers)
        sources = (numbers[_role_of(each), _without_role(each).reference] for each in features)
        roles = tuple(role for stage in own for role in stage.roles)
        return cls(Features(features), own, tuple(followed), tuple(sources), roles)

    @cached_property
    def rows_at_once(self) -> int:
        """Rows that are read in one step; see `ReadCost`."""
        return self.features.cost.rows_at_once

    @property
    def own_columns(self) -> int:
        """The number of columns of the own stages."""
        return sum(len(stage.roles) * len(stage.features) for stage in self.own)

    @cached_property
    def stages(self) -> list[Features]:
        """The features of each stage."""
        return [*(each.features for each in self.own), *(each.features for each in self.followed)]

    def link(self, stage: FollowedStage) -> tuple[int, ResolvedFeature]:
        """The number of the own stage with the reference that a stage follows, and the reference."""
        columns = [(at, each) for at, own in enumerate(self.own) for _ in own.roles for each in own.features]
        return columns[stage.links[0]]

    def without(self, references: Collection[int]) -> ReadPlan:
        """A plan of all own and followed columns, without the columns of these references (positions in `links`)."""
        followed = tuple(each for each in self.followed if not set(each.links) & set(references))
        columns = [each for stage in self.own for _ in stage.roles for each in stage.features]
        columns += [each for stage in followed for _ in stage.links for each in stage.features]
        return ReadPlan(Features(columns), self.own, followed, tuple(range(len(columns))), self.roles)

    async def read(self, entities: RowEntities, stages: ReadStages) -> list[Column]:
        """The requested columns, in order, for these rows. Those of a row without an entity are NOT_FOUND.

        InvalidInput unless the rows have the roles of the features.
        """
        if set(entities.of_role) != set(self.roles):
            raise _other_roles(entities, self.roles)
        wanted = [
            StageRows(number, [NamedRows.of(entities.of_role[role]) for role in stage.roles])
            for number, stage in enumerate(self.own)
        ]
        columns: list[Column] = []
        for stage, found in zip(wanted, await stages(wanted), strict=True):
            for (_, rows), of_role in zip(stage.parts, stage.split(found), strict=True):
                columns += of_role if rows is None else [each.spread(rows, len(entities)) for each in of_role]
        return await self.follow(columns, stages)

    async def follow(self, own: list[Column], stages: ReadStages) -> list[Column]:
        """The requested columns, in order, from the own ones: references are followed."""
        hops = [[ReferenceHop.of(own[link]) for link in stage.links] for stage in self.followed]
        wanted = [
            StageRows(number, [NamedRows(hop.targets, hop.rows) for hop in of_stage])
            for number, of_stage in enumerate(hops, start=len(self.own))
        ]
        needed = [each for each in wanted if any(ids for ids, _ in each.parts)]
        read = await stages(needed) if needed else []
        found = {each.number: each.split(columns) for each, columns in zip(needed, read, strict=True)}
        columns = list(own)
        for stage, rows, of_stage in zip(self.followed, wanted, hops, strict=True):
            for at, hop in enumerate(of_stage):
                read_of = found[rows.number][at] if rows.number in found else repeat(None)
                columns += [hop.column(*each) for each in zip(stage.features, read_of, strict=False)]
        found_columns = [columns[source] for source in self.sources]
        if self.roles == (NO_ROLE,):
            return found_columns
        return [_in_role(*each) for each in zip(found_columns, self.features, strict=True)]


def _own_stages(features: Sequence[ResolvedFeature]) -> tuple[OwnStage, ...]:
    roles: dict[str, dict[str, None]] = {}
    own: dict[str, dict[str, ResolvedFeature]] = {}
    for feature in features:
        first = _without_role(feature if feature.via is None else feature.via)
        roles.setdefault(_type_of(feature), {})[_role_of(feature)] = None
        own.setdefault(_type_of(feature), {}).setdefault(first.reference, first)
    return tuple(OwnStage(tuple(roles[each]), Features(own[each].values())) for each in own)


def _without_role(feature: ResolvedFeature) -> ResolvedFeature:
    return feature if feature.role is None else replace(feature, role=None)


def _role_of(feature: ResolvedFeature) -> str:
    return NO_ROLE if feature.role is None else feature.role.name


def _type_of(feature: ResolvedFeature) -> str:
    """Roles of one type share a stage; without roles there is one."""
    return NO_ROLE if feature.role is None else feature.role.entity_type


def _other_roles(entities: RowEntities, roles: Sequence[str]) -> InvalidInput:
    wanted, given = list(filter(None, roles)), list(filter(None, entities.of_role))
    if not wanted:
        problem = f"the request names entities of the roles {', '.join(given)}, which its features do not have"
    elif given:
        problem = f"the features have the roles {', '.join(wanted)}, the entities {', '.join(given)}"
    else:
        problem = (
            f"the features have the roles {', '.join(wanted)}; give the entities of each, not one entity_id per row"
        )
    return InvalidInput(problem, field="roles")


def _in_role(column: Column, feature: ResolvedFeature) -> Column:
    return column if feature.role is None else replace(column, name=feature.name, reference=feature.reference)


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
