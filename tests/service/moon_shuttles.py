"""A data set that the project does not know: shuttle drivers and the moons they sleep on, drawn from a seed, and what a
training set over it must say, reckoned by a naive loop over the written facts. Shares no code with the store.

Times are microseconds, ingest times nanoseconds. A value is a Python float, int, str, bool, list (a vector) or None.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HOUR = 3_600 * 1_000_000
DAY = 24 * HOUR
TTL = {"shift": 36 * HOUR, "sky": 60 * HOUR, "bunk": 20 * DAY, "record": None}
KIND = {"shift": "driver", "bunk": "driver", "record": "driver", "sky": "moon"}
FEATURES = {
    "shift": {"mood": "double", "trips": "int", "nickname": "text", "licensed": "bool", "badge": "vector[3]"},
    "record": {"points": "int", "remark": "text"},
    "bunk": {"berth": "text"},
    "sky": {"dust": "double", "quakes": "int", "title": "text", "is_open": "bool", "beam": "vector[2]"},
}
OWN = ["mood@1", "trips@1", "nickname@1", "licensed@1", "badge@1", "points@1", "remark@1", "berth@1"]
SECOND_VERSION = ["mood@2"]
PATHS = [f"berth@1.{name}@1" for name in FEATURES["sky"]] + ["berth@1.dust@2"]
TEXTS = ["", "NA", "null", "nan", "a,b", 'say "hi"', "two\nlines", "Ünïcode ☄", " padded ", "0", "true"]
LIVE = 1 << 62
"""Ingest times of what is written now begin here: later than every `known_at`."""


@dataclass(frozen=True)
class Row:
    """Values of one entity and event time. ingested: nanoseconds of an import; None: whenever it is written."""

    group: str
    version: int
    entity: str
    time: int
    values: dict[str, Any]
    ingested: int | None


@dataclass(frozen=True)
class Frame:
    """Rows that are sent in one call. way: wide (every cell written), sparse (empty cells left out), long or raw."""

    group: str
    version: int
    way: str
    mode: str
    rows: list[Row]


@dataclass
class Said:
    """What a read says of one cell."""

    status: str
    value: Any = None
    time: int | None = None


@dataclass
class World:
    """Everything drawn from one seed, and the facts as they are written."""

    seed: int
    now: int
    drivers: list[str]
    moons: list[str]
    frames: list[Frame] = field(default_factory=list)
    labels: list[tuple[str, int]] = field(default_factory=list)
    facts: dict[tuple[str, str, int], list[tuple[int, int, Any]]] = field(default_factory=dict)
    marks: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: int = 0

    # What is written

    def wrote(self, frame: Frame) -> None:
        """One call was accepted."""
        self.calls += 1
        for row in frame.rows:
            ingested = LIVE + self.calls if row.ingested is None else row.ingested
            for name, value in row.values.items():
                history = self.facts.setdefault((row.entity, name, row.version), [])
                history.append((row.time, ingested, _kept(value)))

    def deleted(self, entity: str, names: list[str], through: int) -> None:
        """No name: the whole entity."""
        for name in names or [""]:
            self.marks[entity, name] = max(through, self.marks.get((entity, name), through))

    def edge_of_deletion(self, entity: str) -> int:
        """The event time of one of its facts, if it has any yet."""
        times = sorted({fact[0] for (owner, _, _), facts in self.facts.items() if owner == entity for fact in facts})
        return times[len(times) // 2] if times else self.now - 60 * DAY

    # What is read

    def read(self, entity: str, reference: str, time: int, known_at: int | None) -> Said:
        """The cell of one label row."""
        first, dot, second = reference.partition(".")
        said = self._own(entity, first, time, known_at)
        if not dot:
            return said
        return self._own(said.value, second, time, known_at) if said.status == "PRESENT" else said

    def _own(self, entity: str, reference: str, time: int, known_at: int | None) -> Said:
        name, _, version = reference.partition("@")
        best = None
        mark = max(self.marks.get((entity, each), -(1 << 70)) for each in ("", name))
        for fact in self.facts.get((entity, name, int(version)), []):
            unknown = known_at is not None and fact[1] > known_at * 1_000 + 999
            if fact[0] > time or fact[0] <= mark or unknown:
                continue
            if best is None or fact[:2] > best[:2]:
                best = fact
        if best is None:
            return Said("NOT_FOUND")
        ttl = next(TTL[group] for group, names in FEATURES.items() if name in names)
        if ttl is not None and best[0] < time - ttl:
            return Said("OUTSIDE_MAX_AGE", None, best[0])
        return Said("NULL_VALUE" if best[2] is None else "PRESENT", best[2], best[0])


def draw(seed: int, now: int, unique: Any) -> World:
    """A world of 150 days before `now` with its label rows."""
    rng = np.random.default_rng(seed)
    world = World(seed, now, [unique(f"driver {n}") for n in range(7)], [unique(f"möon_{n}") for n in range(5)])
    start = (now // HOUR - 150 * 24) * HOUR
    rows = [row for group in FEATURES for row in _rows(world, rng, group, start)]
    rows += list(_corrections(world, rng, rows))
    rng.shuffle(rows)  # type: ignore[arg-type]
    world.frames = list(_frames(rng, rows))
    world.labels = _labels(world, rng, rows, start)
    return world


def same(expected: Any, found: Any) -> bool:
    """Equal, type and all; NaN is itself."""
    if isinstance(expected, float) and isinstance(found, float):
        return struct.pack("d", expected) == struct.pack("d", found) or (math.isnan(expected) and math.isnan(found))
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return type(expected) is type(found) and bool(expected == found)


def _rows(world: World, rng: np.random.Generator, group: str, start: int) -> Iterator[Row]:
    entities = world.drivers if KIND[group] == "driver" else world.moons
    for entity in entities:
        dense = rng.integers(2) == 1
        # Some entities have nothing, moons mostly something.
        most = 40 if group != "sky" else 60 if dense else 300
        hours = rng.choice(72 if dense else 140 * 24, int(rng.integers(0, most)), replace=False)
        shift = int(rng.integers(0, 100)) * 24 if dense else 0
        for hour in hours.tolist():
            time = start + (hour + shift) * HOUR + int(rng.choice([0, 0, 0, 1, -1, HOUR // 2]))
            # History is kept in periods of 30 days: some facts are of the first or the last moment of one.
            if rng.random() < 0.1:
                time = time // (30 * DAY) * 30 * DAY - int(rng.integers(2))
            version = 2 if group in ("shift", "sky") and rng.random() < 0.2 else 1
            yield Row(group, version, entity, time, _values(world, rng, group, version), _import_time(rng, time, world))


def _corrections(world: World, rng: np.random.Generator, rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        for _ in range(int(rng.choice([0, 0, 0, 1, 1, 2]))):
            ingested = _import_time(rng, row.time, world)
            values = _values(world, rng, row.group, row.version)
            yield Row(row.group, row.version, row.entity, row.time, values, ingested)


def _import_time(rng: np.random.Generator, time: int, world: World) -> int | None:
    if rng.random() < 0.35:
        return None
    late = int(rng.choice([0, 1, HOUR, 3 * DAY, 30 * DAY])) + int(rng.integers(0, HOUR))
    # Microseconds that no other fact has: two facts of one key and ingest time would be one.
    return min(time + late, world.now - DAY) * 1_000 + int(rng.integers(0, 1_000)) + int(rng.integers(0, 10**9)) * 1_000


def _values(world: World, rng: np.random.Generator, group: str, version: int) -> dict[str, Any]:
    names = FEATURES[group] if version == 1 else {"shift": ["mood"], "sky": ["dust"]}[group]
    kept = {name: _value(world, rng, name, FEATURES[group][name]) for name in names if rng.random() < 0.8}
    return kept or {next(iter(names)): None}


def _value(world: World, rng: np.random.Generator, name: str, kind: str) -> Any:
    if rng.random() < 0.12:
        return None
    if name == "berth":
        return str(rng.choice([*world.moons, "nowhere", world.drivers[0]]))
    if kind == "double":
        odd = [0.1 + 0.2, -0.0, 1e-310, 1.7e308, math.inf, -math.inf, math.nan, float(rng.normal())]
        return float(rng.choice(odd))
    if kind == "int":
        return int(rng.choice([0, -1, 2**53 + 1, -(2**63), 2**63 - 1, int(rng.integers(0, 9))]))
    if kind == "text":
        return str(rng.choice([*TEXTS, "x" * int(rng.integers(1, 3_000))]))
    if kind == "bool":
        return bool(rng.integers(2))
    return [float(each) for each in rng.normal(size=int(kind[-2]))]


def _kept(value: Any) -> Any:
    """Vectors are rounded to float32."""
    return [struct.unpack("f", struct.pack("f", each))[0] for each in value] if isinstance(value, list) else value


def _frames(rng: np.random.Generator, rows: list[Row]) -> Iterator[Frame]:
    """Rows of one group, version and kind of ingest time, no (entity, time) twice, cut into calls of random size."""
    open_frames: dict[tuple[Any, ...], Frame] = {}
    for row in rows:
        missing = set(FEATURES[row.group]) - set(row.values) if row.version == 1 else set()
        nulls = any(value is None for value in row.values.values())
        ways = ["raw"]
        # In a frame NaN is an empty cell.
        if not any(isinstance(value, float) and math.isnan(value) for value in row.values.values()):
            ways += ["wide"] * (not missing) + ["sparse"] * (not nulls)
            ways += ["long"] * (not any(isinstance(value, list) for value in row.values.values()))
        way = str(rng.choice(ways))
        key = (row.group, row.version, way, row.ingested is None)
        frame = open_frames.get(key)
        if frame is not None and (
            rng.random() < 0.1 or any((each.entity, each.time) == (row.entity, row.time) for each in frame.rows)
        ):
            yield open_frames.pop(key)
            frame = None
        if frame is None:
            mode = "BULK" if row.ingested is not None else str(rng.choice(["ATOMIC", "BULK"]))
            frame = open_frames[key] = Frame(row.group, row.version, way, mode, [])
        frame.rows.append(row)
    left = list(open_frames.values())
    rng.shuffle(left)  # type: ignore[arg-type]
    yield from left


def _labels(world: World, rng: np.random.Generator, rows: list[Row], start: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for row in rng.choice(np.array(rows, dtype=object), 150).tolist():
        entity = row.entity if KIND[row.group] == "driver" else str(rng.choice(world.drivers))
        learnt = row.time if row.ingested is None else row.ingested // 1_000
        edge = int(rng.choice([row.time, row.time, row.time + (TTL[row.group] or 0), learnt]))
        found.append((entity, edge + int(rng.choice([-1, 0, 0, 1]))))
    for _ in range(150):
        who = str(rng.choice([*world.drivers, "nobody at all", world.moons[0]]))
        found.append((who, start + int(rng.integers(-50 * 24, 149 * 24)) * HOUR))
    found += [found[int(at)] for at in rng.integers(0, len(found), 40)]
    rng.shuffle(found)  # type: ignore[arg-type]
    return [(who, min(time, world.now - HOUR)) for who, time in found]
