"""What a list of features reads, and in which stages: own values first, then those of the entities that references
name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from featurama_core.retrieval.plan import Features, ReadPlan, ReferenceHop, StageRows, by_group, groups_of
from featurama_core.storage.layouts import Layout
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.roles import NO_ROLE, Role, RowEntities
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import Int64Array, Status, ValueType

P, N, A, O, E = Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND, Status.OUTSIDE_MAX_AGE, Status.ERROR  # noqa: E741


def feature(
    name: str, value_type: ValueType = ValueType.INT, *, via: ResolvedFeature | None = None, group: str = "ride"
) -> ResolvedFeature:
    definition = FeatureDefinition(
        name, value_type, version=3, group=group, vector_length=2 if value_type is ValueType.VECTOR else 0
    )
    return ResolvedFeature(definition, FeatureGroup(group), via)


SPEED = feature("speed")
PLACE = feature("place", ValueType.TEXT)
DRIVER = feature("driver", ValueType.TEXT)
TRAFFIC = feature("traffic", via=PLACE, group="city")
SHAPE = feature("shape", ValueType.VECTOR, via=PLACE, group="city")
RATING = feature("rating", via=DRIVER, group="person")


HOME, AWAY, GUEST = Role("home", "team"), Role("away", "team"), Role("guest", "person")


def names(features: Features) -> list[str]:
    return [each.reference for each in features]


def test_own_features_are_one_stage() -> None:
    """In the order in which they first come; one that is named twice is read once and answered twice."""
    plan = ReadPlan.of([SPEED, PLACE, SPEED])
    assert (SPEED, PLACE, SPEED) == plan.features
    (own,) = plan.own
    assert ((NO_ROLE,), ["speed@3", "place@3"]) == (own.roles, names(own.features))
    assert () == plan.followed
    assert (0, 1, 0) == plan.sources
    assert [own.features] == plan.stages


def test_each_reference_that_is_followed_is_a_stage_of_its_own() -> None:
    """It is read among the own features, once, whether or not it is asked for itself."""
    plan = ReadPlan.of([TRAFFIC, SPEED, RATING, SHAPE, PLACE])
    (own,) = plan.own
    assert ["place@3", "speed@3", "driver@3"] == names(own.features)
    assert [(0,), (2,)] == [each.links for each in plan.followed]
    followed = [names(each.features) for each in plan.followed]
    assert [[TRAFFIC.reference, SHAPE.reference], [RATING.reference]] == followed
    assert (3, 1, 5, 4, 0) == plan.sources
    assert [names(own.features), *followed] == [names(each) for each in plan.stages]
    assert [(0, PLACE), (0, DRIVER)] == [plan.link(each) for each in plan.followed]


def test_roles_of_one_type_are_one_stage() -> None:
    """Also behind a reference; each feature has the column of its own role."""
    home, away, city = (Role(name, kind) for name, kind in (("home", "team"), ("away", "team"), ("city", "city")))
    wanted = [(SPEED, away), (TRAFFIC, home), (TRAFFIC, away), (SPEED, city), (SHAPE, home)]
    plan = ReadPlan.of([replace(each, role=role) for each, role in wanted])
    assert [("away", "home"), ("city",)] == [each.roles for each in plan.own]
    assert [["speed@3", "place@3"], ["speed@3"]] == [names(each.features) for each in plan.own]
    # away.speed, away.place, home.speed, home.place, city.speed, then those behind home.place and away.place
    assert [(3, 1)] == [each.links for each in plan.followed]
    assert (0, 5, 7, 4, 6) == plan.sources
    assert (5, ("away", "home", "city")) == (plan.own_columns, plan.roles)


def test_a_plan_without_a_reference_keeps_its_roles() -> None:
    """And the columns of all of them."""
    plan = ReadPlan.of([replace(TRAFFIC, role=HOME), replace(SPEED, role=AWAY), replace(RATING, role=AWAY)])
    left = plan.without([plan.followed[0].links[0]])
    assert (("home", "away"), plan.followed[1:]) == (left.roles, left.followed)
    assert (*range(len(left.own[0].features) * 2 + 1),) == left.sources


def test_groups_are_those_of_the_features_each_once() -> None:
    """In the order in which they first come."""
    assert [SPEED.group, TRAFFIC.group] == groups_of([SPEED, PLACE, TRAFFIC])


def test_slots_name_the_field_of_each_feature_in_each_layout() -> None:
    """Features in the same layouts are together; one in no layout is alone. A set of layouts is compiled once."""
    both, one = (Layout.of(each.definition for each in some) for some in ([PLACE, SPEED, DRIVER], [SPEED]))
    features = Features([SPEED, RATING, PLACE, DRIVER])
    layouts = {each.layout_id: each for each in (both, one)}
    found = features.slots(frozenset(layouts), layouts)
    assert found is features.slots(frozenset([one.layout_id, both.layout_id]), layouts)
    assert {
        (0,): {both.layout_id: (2,), one.layout_id: (0,)},
        (1,): {},
        (2, 3): {both.layout_id: (1, 0)},
    } == {each.positions: dict(each.fields) for each in found}
    assert [(0,), (1, 2, 3)] == [each.positions for each in features.slots(frozenset([one.layout_id]), layouts)]


def test_slots_of_only_so_many_sets_of_layouts_are_remembered() -> None:
    """Or the features of long ago would fill the memory: one set too many forgets them all."""
    made = [Layout.of([feature(f"f{number}").definition]) for number in range(257)]
    layouts = {each.layout_id: each for each in made}
    sets = [frozenset([each.layout_id]) for each in made]
    features = Features([SPEED])
    first = features.slots(sets[0], layouts)
    for each in sets[1:256]:
        features.slots(each, layouts)
    assert first is features.slots(sets[0], layouts)
    features.slots(sets[256], layouts)
    assert first is not features.slots(sets[0], layouts)


def test_a_part_is_compiled_once() -> None:
    """All features are their own part; one choice too many forgets them all."""
    features = Features([SPEED, RATING, PLACE])
    assert features is features.part([0, 1, 2])
    first = features.part([2, 0])
    assert (PLACE, SPEED) == tuple(first)
    assert first is features.part((2, 0))
    many = Features([feature(f"f{number}") for number in range(300)])
    once = many.part([0])
    for number in range(1, 256):
        many.part([number])
    assert once is many.part([0])
    many.part([256])
    assert once is not many.part([0])


def test_a_plan_without_a_reference_keeps_its_own_columns() -> None:
    """Then the columns behind the references that are left, in the order of the plan."""
    plan = ReadPlan.of([TRAFFIC, SPEED, RATING, SHAPE])
    left = plan.without(frozenset({0}))
    assert plan.own == left.own
    assert (*plan.own[0].features, RATING) == left.features
    assert plan.followed[1:] == left.followed
    assert (0, 1, 2, 3) == left.sources
    assert (0, 1, 2, 3, 4) == plan.without(frozenset({2})).sources
    assert (plan.followed, (0, 1, 2, 3, 4, 5)) == (
        plan.without(frozenset()).followed,
        plan.without(frozenset()).sources,
    )


def column(of: ResolvedFeature, values: Sequence[object], status: Sequence[Status], times: Sequence[int]) -> Column:
    dtype = {ValueType.INT: np.int64, ValueType.TEXT: np.object_, ValueType.VECTOR: np.float32}[of.value_type]
    return Column(
        of.name,
        of.value_type,
        np.array(values, dtype=dtype),
        np.array(status, dtype=np.uint8),
        np.array(times, dtype=np.int64),
        of.definition.version,
        of.definition.reference,
    )


class Stages:
    """Answers stages from tables: of the rows' own entities, and of what entities are named."""

    def __init__(self, own: list[Column], named: dict[str, tuple[int, Status, int]]) -> None:
        self._own = own
        self._named = named
        self.calls: list[tuple[int, list[str], list[int] | None]] = []

    async def read(self, stages: Sequence[StageRows]) -> list[list[Column]]:
        return [self._read(each.number, each.entity_ids, each.rows) for each in stages]

    def _read(self, stage: int, ids: Sequence[str], rows: Int64Array | None) -> list[Column]:
        self.calls.append((stage, list(ids), None if rows is None else rows.tolist()))
        if stage == 0:
            return self._own
        found = [self._named[each] for each in ids]
        values, status, times = zip(*found, strict=True)
        return [column(each, values, status, times) for each in (TRAFFIC, RATING)[stage - 1 : stage]]


async def test_a_path_takes_the_named_entitys_value_and_what_became_of_the_reference() -> None:
    """Status and event time are the reference's where it is not PRESENT, else the target's."""
    plan = ReadPlan.of([TRAFFIC, SPEED])
    place = column(PLACE, ["mars", "", "", "", "", "pluto"], [P, N, A, O, E, P], [1, 2, 0, 4, 0, 6])
    speed = column(SPEED, [7, 8, 9, 10, 11, 12], [P] * 6, [5] * 6)
    stages = Stages([place, speed], {"mars": (40, P, 50), "pluto": (0, O, 60)})
    found = await plan.read(RowEntities.of(["a", "b", "c", "d", "e", "f"]), stages.read)
    assert [(0, ["a", "b", "c", "d", "e", "f"], None), (1, ["mars", "pluto"], [0, 5])] == stages.calls
    traffic, own = found
    assert own is speed
    assert [P, N, A, O, E, O] == traffic.status.tolist()
    assert [50, 2, 0, 4, 0, 60] == traffic.event_time.tolist()
    assert [40, 0, 0, 0, 0, 0] == traffic.values.tolist()
    assert ("place.traffic", "place@3.traffic@3", 3) == (traffic.name, traffic.reference, traffic.version)
    assert (ValueType.INT, np.int64) == (traffic.value_type, traffic.values.dtype)
    assert [1, 2, 0, 4, 0, 6] == place.event_time.tolist()
    assert [P, N, A, O, E, P] == place.status.tolist()


async def test_a_reference_that_is_nowhere_present_is_not_followed() -> None:
    """The next one is, as the stage of its own number; a vector is zeros of its length."""
    plan = ReadPlan.of([TRAFFIC, SHAPE, RATING])
    place, driver = column(PLACE, ["", ""], [A, N], [0, 3]), column(DRIVER, ["", "amy"], [A, P], [0, 9])
    stages = Stages([place, driver], {"amy": (5, P, 8)})
    traffic, shape, rating = await plan.follow([place, driver], stages.read)
    assert [(2, ["amy"], [1])] == stages.calls
    assert [[A, N]] * 2 == [traffic.status.tolist(), shape.status.tolist()]
    assert [[0, 3]] * 2 == [traffic.event_time.tolist(), shape.event_time.tolist()]
    assert [[0.0, 0.0], [0.0, 0.0]] == shape.values.tolist()
    assert ([A, P], [0, 5], [0, 8]) == (rating.status.tolist(), rating.values.tolist(), rating.event_time.tolist())


async def test_the_features_behind_one_reference_are_read_at_once() -> None:
    """And each gets its own column."""

    async def stage(stages: Sequence[StageRows]) -> list[list[Column]]:
        assert [(1, ["mars"])] == [(each.number, each.entity_ids) for each in stages]
        return [[column(SHAPE, [[1.0, 2.0]], [P], [2]), column(TRAFFIC, [4], [P], [1])]]

    plan = ReadPlan.of([SHAPE, TRAFFIC, PLACE])
    place = column(PLACE, ["mars"], [P], [1])
    shape, traffic, own = await plan.follow([place], stage)
    assert ([[1.0, 2.0]], [4], ["mars"]) == (shape.values.tolist(), traffic.values.tolist(), own.values.tolist())
    assert ([2], [1]) == (shape.event_time.tolist(), traffic.event_time.tolist())


def test_a_hop_leads_only_from_where_the_reference_is_present() -> None:
    """Rows and ids in their order, an entity as often as it is named."""
    hop = ReferenceHop.of(column(PLACE, ["mars", "x", "mars", "pluto"], [P, O, P, P], [1, 1, 1, 1]))
    assert [0, 2, 3] == hop.rows.tolist()
    assert ["mars", "mars", "pluto"] == hop.targets


@pytest.mark.parametrize(
    ("groups", "expected"),
    [((), []), (("a",), [[0]]), (("a", "b", "a", "c", "b"), [[0, 2], [1, 4], [3]])],
)
def test_positions_are_gathered_by_group(groups: Sequence[str], expected: list[list[int]]) -> None:
    """Groups in the order in which they first come."""
    features = Features(feature(f"f{at}", group=group) for at, group in enumerate(groups))
    assert expected == by_group(features) == features.groups


class Table:
    """Answers stages with values by feature and entity; a value is of the event time 1."""

    def __init__(self, plan: ReadPlan, **values: dict[str, object]) -> None:
        self._plan = plan
        self._values = values
        self.calls: list[list[tuple[int, list[str], list[int] | None]]] = []

    async def read(self, stages: Sequence[StageRows]) -> list[list[Column]]:
        rows = [None if each.rows is None else each.rows.tolist() for each in stages]
        self.calls.append([(each.number, list(each.entity_ids), at) for each, at in zip(stages, rows, strict=True)])
        return [[self._of(one, each.entity_ids) for one in self._plan.stages[each.number]] for each in stages]

    def _of(self, feature: ResolvedFeature, ids: Sequence[str]) -> Column:
        values = self._values[feature.definition.name]
        found = [values[each] for each in ids]
        read = column(feature, found, [P] * len(ids), [1] * len(ids))
        return replace(read, name=feature.name, reference=feature.reference)


def shown(columns: Sequence[Column]) -> dict[str, list[object]]:
    return {each.reference: each.to_list() for each in columns}


async def test_each_role_reads_its_own_entities_in_one_read_of_their_type() -> None:
    """A row that names no entity in a role is NOT_FOUND there; a reference is followed from its own row."""
    wanted = [(SPEED, AWAY), (TRAFFIC, HOME), (TRAFFIC, AWAY), (SPEED, GUEST)]
    plan = ReadPlan.of([replace(each, role=role) for each, role in wanted])
    table = Table(
        plan,
        speed={"a": 1, "b": 2, "c": 3, "d": 4, "x": 5, "y": 6, "z": 7},
        place={"a": "rome", "b": "oslo", "c": "rome", "d": "bonn"},
        traffic={"rome": 10, "oslo": 20, "bonn": 30},
    )
    rows = RowEntities({"home": ["a", None, "b"], "guest": ["x", "y", "z"], "away": ["c", "d", None]})
    found = await plan.read(rows, table.read)
    assert [
        [(0, ["c", "d", "a", "b"], [0, 1, 0, 2]), (1, ["x", "y", "z"], None)],
        [(2, ["rome", "oslo", "rome", "bonn"], [0, 2, 0, 1])],
    ] == table.calls
    assert {
        "away.speed@3": [3, 4, None],
        "home.place@3.traffic@3": [10, None, 20],
        "away.place@3.traffic@3": [10, 30, None],
        "guest.speed@3": [5, 6, 7],
    } == shown(found)
    assert ["away.speed", "home.place.traffic", "away.place.traffic", "guest.speed"] == [each.name for each in found]
    assert [P, P, A] == found[0].status.tolist()
    assert [1, 1, 0] == found[0].event_time.tolist()


async def test_roles_that_all_rows_name_are_read_row_by_row() -> None:
    """The rows of each role count from the first."""
    plan = ReadPlan.of([replace(SPEED, role=HOME), replace(SPEED, role=AWAY)])
    table = Table(plan, speed={"a": 1, "b": 2, "c": 3})
    found = await plan.read(RowEntities({"home": ["a", "b"], "away": ["b", "c"]}), table.read)
    assert [[(0, ["a", "b", "b", "c"], [0, 1, 0, 1])]] == table.calls
    assert {"home.speed@3": [1, 2], "away.speed@3": [2, 3]} == shown(found)


@pytest.mark.parametrize(("ids", "read"), [(["a", None], ["a"]), ([None, None], [])])
async def test_rows_without_an_entity_are_not_found(ids: list[str | None], read: list[str]) -> None:
    """Without roles too, and if there is no other row; nothing is followed from them."""
    plan = ReadPlan.of([SPEED, TRAFFIC])
    table = Table(plan, speed={"a": 1}, place={"a": "rome"}, traffic={"rome": 10})
    found = await plan.read(RowEntities.of(ids), table.read)
    own = [(0, read, list(range(len(read))))]
    assert [own, [(1, ["rome"], [0])]][: 1 + len(read)] == table.calls
    assert [[P if each else A for each in ids]] * 2 == [each.status.tolist() for each in found]


@pytest.mark.parametrize(
    ("features", "entities", "message"),
    [
        (
            [replace(SPEED, role=HOME), replace(SPEED, role=AWAY)],
            RowEntities({"home": ["a"], "guest": ["b"]}),
            "the features have the roles home, away, the entities home, guest",
        ),
        (
            [replace(SPEED, role=HOME), replace(SPEED, role=AWAY)],
            RowEntities({"home": ["a"]}),
            "the features have the roles home, away, the entities home",
        ),
        (
            [replace(SPEED, role=HOME), replace(SPEED, role=AWAY)],
            RowEntities.of(["a"]),
            "the features have the roles home, away; give the entities of each, not one entity_id per row",
        ),
        (
            [SPEED],
            RowEntities({"home": ["a"], "away": ["b"]}),
            "the request names entities of the roles home, away, which its features do not have",
        ),
    ],
)
async def test_rows_have_the_roles_of_the_features(
    features: list[ResolvedFeature], entities: RowEntities, message: str
) -> None:
    """Nothing is read otherwise."""
    plan = ReadPlan.of(features)
    table = Table(plan)
    with pytest.raises(InvalidInput) as refused:
        await plan.read(entities, table.read)
    assert (message, "roles", []) == (refused.value.message, refused.value.metadata["field"], table.calls)


def test_headings_are_those_of_the_definitions() -> None:
    """Also of a feature behind a reference, whose column gets its name there."""
    vector = replace(SHAPE, via=None)
    found = [(each.name, each.value_type, each.version, each.reference) for each in Features([SPEED, vector]).headings]
    assert [("speed", ValueType.INT, 3, "speed@3"), ("shape", ValueType.VECTOR, 3, "shape@3")] == found
    assert [0, 2] == [each.vector_length for each in Features([SPEED, vector]).headings]


def test_the_cost_of_a_row_is_that_of_its_features() -> None:
    """An int and two floats."""
    cost = Features([SPEED, replace(SHAPE, via=None)]).cost
    assert (2, 0, 16, 8) == (cost.values, cost.texts, cost.least, cost.vectors)


def test_a_plan_is_plain_if_its_stage_has_the_columns_of_the_request() -> None:
    """Not with a reference that is followed, a feature twice, or roles."""
    home = replace(SPEED, role=Role("home", "thing"))
    away = replace(SPEED, role=Role("away", "team"))
    plans = [[SPEED, RATING], [TRAFFIC], [SPEED, SPEED], [home], [home, away]]
    shown = [replace(each, via=None) if each is RATING else each for each in plans[0]]
    assert [True, False, False, False, False] == [ReadPlan.of(each).is_plain for each in [shown, *plans[1:]]]
