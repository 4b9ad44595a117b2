"""Entities with keys in the law tests: requests that name them by keys, by ids or by both, and rows that name a thing
and two stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from tests.opened import OpenedStore

from featurama_core.types.roles import RowEntities

from .oracle import Key, Row, Value, canonical
from .scene import NAMED_STAYS, STAY, STAYS, Keys, Scene
from .strategies import SLOTS, DrawnRequest, DrawnRow, parts_of, values_for
from .wire import Shown, expected, reads_of, shown

ROLES = {"one": "thing", "here": STAY.name, "there": STAY.name}
FEW = ("note@1", "link@1", "home@1.pace@1")
"""Of things: what a set has names of its own for."""


@dataclass(frozen=True)
class DrawnStays(DrawnRequest):
    """A request whose entities are positions among the scene's keys. way: what its rows are sent with. With both, some
    disagree.
    """

    way: Literal["keys", "ids", "both"]

    def placed(self, scene: Scene) -> list[Row]:
        """The rows; what names nobody has an id of another form where it is sent by id."""
        rows = []
        # Features of any entity alone do not say whose keys they are.
        of_type = any(name in ("nights", "onward") for row in self.rows for name, _ in row.values)
        way = self.way if of_type else "ids"
        for number, (drawn, row) in enumerate(zip(self.rows, super().placed(scene), strict=True)):
            keys = scene.stays[drawn.entity]
            entity = scene.id_of[keys] or ""
            values = {
                key: scene.stay_ids[value] if key[0] == "onward" and isinstance(value, int) else value
                for key, value in row.values.items()
            }
            if way == "keys":
                rows.append(Row(entity, row.time, values, keys))
            elif way == "ids":
                rows.append(Row(entity or scene.odd_ids[drawn.entity % 4], row.time, values))
            else:
                beside = entity if entity and (drawn.entity + number) % 4 else f"{STAY.name}:1|a|b"
                rows.append(Row(entity if entity == beside else "", row.time, values, keys, beside))
        return rows


def requests_of_stays() -> SearchStrategy[DrawnStays]:
    """A request of a few rows whose entities have keys."""
    named = st.integers(0, NAMED_STAYS - 1)
    optional: dict[Key, SearchStrategy[Value]] = {
        ("nights", 1): values_for("int"),
        ("onward", 1): st.sampled_from([0, 1, 2, 3, 0, 1, 2, 3, None, "stay:1|a|b|c", "fry"]),
        ("tally", 1): values_for("int"),
        ("home", 1): values_for("text", range(3)),  # type: ignore[arg-type]
    }
    # One in ten has a feature of another type.
    foreign = st.integers(0, 9).map(lambda n: {("heat", 1): 1.5} if n == 9 else {})
    own = st.fixed_dictionaries({}, optional=optional)
    values = st.tuples(own, foreign).map(lambda parts: {**parts[0], **parts[1]})
    row = st.builds(
        DrawnRow, entity=st.one_of(named, named, st.integers(0, STAYS - 1)), slot=SLOTS, values=values.filter(bool)
    )
    return st.builds(DrawnStays, **parts_of(row, 4), way=st.sampled_from(["keys", "keys", "ids", "both"]))


@dataclass(frozen=True)
class Rows:
    """Rows with a thing and two stays each. at: their moments, none for now. known_at: of each row, for the oracle."""

    scene: Scene
    ones: Sequence[str]
    here: Sequence[Keys]
    there: Sequence[Keys]
    at: Sequence[int] = ()
    known_at: Sequence[int | None] | None = None

    @property
    def frame(self) -> dict[str, Any]:
        """The columns of the roles: keys for stays."""
        keys = {"here": self.here, "there": self.there}
        named = {
            f"{role}_{name}": [each[at] for each in rows]
            for role, rows in keys.items()
            for at, (name, _) in enumerate(STAY.columns)
        }
        return {"one": list(self.ones), **named} | ({"timestamp": list(self.at)} if self.at else {})

    @property
    def entities(self) -> RowEntities:
        """The same by ids."""
        here, there = ([self.scene.id_of.get(keys) for keys in rows] for rows in (self.here, self.there))
        return RowEntities({"one": list(self.ones), "here": here, "there": there})

    def references(self, of_things: Sequence[str] = ()) -> list[str]:
        """Those of every role. of_things: those of things, by default all."""
        things, stays = of_things or list(self.scene.references), list(self.scene.of_stays)
        return [f"{role}.{each}" for role in ROLES for each in (things if role == "one" else stays)]

    def expected(self) -> Shown:
        """Each role as if it were alone; who is nobody has nothing."""
        wanted: Shown = {}
        for role, ids in self.entities.of_role.items():
            of = self.scene.references if role == "one" else self.scene.of_stays
            rows = [(entity or "", at) for entity, at in zip(ids, self.at or [None] * len(ids), strict=True)]
            found = expected(self.scene, rows, self.known_at, of)
            wanted |= {(row, f"{role}.{reference}"): each for (row, reference), each in found.items()}
        return wanted


async def read_roles_online(store: OpenedStore, rows: Rows) -> Shown:
    """At now, by keys."""
    read = await store.get_online_features(rows.frame, rows.references(), roles=ROLES)
    return shown(reads_of(rows.ones, read.columns))


async def read_roles_at_now(store: OpenedStore, rows: Rows) -> Shown:
    """At now, by ids, as past reads do it."""
    read = await store.point_in_time(rows.entities, None, features=rows.references(), roles=ROLES)
    return shown(reads_of(rows.ones, read.columns))


async def read_roles(
    store: OpenedStore, rows: Rows, way: Literal["ids", "keys", "set"], known_at: int | Literal["label"] | None
) -> Shown:
    """At the moments of the rows. A set has the features `FEW` of things."""
    if way == "ids":
        times = np.array(rows.at, dtype=np.int64)
        ids = await store.point_in_time(
            rows.entities, times, features=rows.references(), roles=ROLES, known_at=known_at
        )
        return shown(reads_of(rows.ones, ids.columns))
    if way == "keys":
        keys = await store.get_historical_features(
            rows.frame, rows.references(), roles=ROLES, known_at=known_at, time_unit="us"
        )
        assert rows.frame.keys() == keys.labels.keys()
        return shown(reads_of(rows.ones, keys.columns))
    references = rows.references(FEW)
    made = await store.training_set(
        rows.frame, references, roles=ROLES, known_at=known_at, time_unit="us", statuses=True, event_times=True
    )
    table = await made.to_arrow()
    found: Shown = {}
    for reference in references:
        name = reference.replace("@1", "")
        columns = [table.column(f"{name}{suffix}") for suffix in ("", "__status", "__event_time")]
        cells = zip(columns[0].to_pylist(), columns[1].to_pylist(), columns[2].cast("int64").to_pylist(), strict=True)
        found |= {(row, reference): (each[1], canonical(each[0]), each[2]) for row, each in enumerate(cells)}
    return found


def of_few(wanted: Shown) -> Shown:
    """What a set has of `Rows.expected`."""
    return {
        (row, reference): each
        for (row, reference), each in wanted.items()
        if not reference.startswith("one.") or reference.removeprefix("one.") in FEW
    }


def by_keys(keys: Keys) -> Mapping[str, Any]:
    """One stay, by name."""
    return {name: key for (name, _), key in zip(STAY.columns, keys, strict=True)}


def without_floats(keys: Keys) -> Keys:
    """The same with a null in place of a float."""
    guest, city, wing = keys
    return None if isinstance(guest, float) else guest, city, wing
