"""What hypothesis draws: rows of every type, good and bad, at event times that meet often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from featurama_core.types.writes import WriteMode

from .oracle import SECOND, Key, Row, Value
from .scene import FEATURES, Scene

SLOT = 10 * SECOND
"""Event times lie on a grid, so that corrections and duplicates are common."""

NAN, INFINITY = float("nan"), float("inf")
VALUES: dict[str, list[Value]] = {
    "double": [0.0, -0.0, 1.5, NAN, INFINITY, -INFINITY, 5e-324, 7, 2**53 - 1],
    "int": [0, 1, -(2**63), 2**63 - 1, 3.0, float(-(2**53) + 1)],
    "text": ["", "a", "nul\x00 é☃"],
    "bool": [True, False],
    "vector[3]": [(1.0, -0.0, 3.5), (0.1, 1e-40, -7.25), (0.0, 0.0, 0.0)],
}
BAD: dict[str, list[Value]] = {
    "double": [2**53, True, "1.5", (1.0,)],
    "int": [3.5, NAN, float(2**53), False, "3"],
    "text": ["é" * 4_097, 1, 1.5],
    "bool": [1, 0.0, "true"],
    "vector[3]": [(1.0, 2.0), (1.0, 2.0, 3.0, 4.0), 1.0],
}
WHO = ("fry", "leela", "zoidberg é☃")


@dataclass(frozen=True)
class DrawnRow:
    """entity: position among the scene's; slot: grid cells back from now, negative is ahead."""

    entity: int
    slot: int
    values: Mapping[Key, Value]


@dataclass(frozen=True)
class DrawnRequest:
    """delay: how long before now the client made the id, microseconds (negative: its clock is ahead)."""

    rows: Sequence[DrawnRow]
    delay: int
    mode: WriteMode
    whole_rows: bool

    def placed(self, scene: Scene) -> list[Row]:
        """The rows at their times, with the scene's own entities and names: drawn references are positions."""
        grid = scene.clock.now // SLOT
        return [
            Row(
                scene.entities[row.entity % len(scene.entities)],
                (grid - row.slot) * SLOT,
                {
                    (scene.growing if name == "growing" else name, version): scene.entities[value]
                    if name in ("home", "link") and isinstance(value, int)
                    else value
                    for (name, version), value in row.values.items()
                },
            )
            for row in self.rows
        ]


def values_for(kind: str, entities: Sequence[str] | None = None, *, bad: bool = True) -> SearchStrategy[Value]:
    """Values of a feature; `entities` for a reference."""
    good: list[Value] = list(entities or VALUES[kind])
    drawn: SearchStrategy[Value] = st.sampled_from([*good, *good, None])
    if bad:
        wrong: list[Value] = ["", "e" * 257] if entities else BAD[kind]
        # One in twelve: a refused value refuses its row, and rows should mostly be stored.
        return st.integers(0, 11).flatmap(lambda n: st.sampled_from(wrong) if n == 11 else drawn)
    return drawn


def row_values(entities: Sequence[str], growing: str, *, bad: bool, pinned: bool) -> SearchStrategy[dict[Key, Value]]:
    """A random subset of the features: many column sets, so many layouts."""
    optional: dict[Key, SearchStrategy[Value]] = {}
    for name, version, kind, _ in FEATURES:
        reference = entities if name in ("home", "link") else None
        optional[name, version] = values_for(kind, reference, bad=bad)
    drawn = st.fixed_dictionaries({}, optional=optional)
    if pinned:
        return drawn
    newest: SearchStrategy[dict[Key, Value]] = st.fixed_dictionaries(
        {}, optional={(growing, 0): st.sampled_from([1.5, "a", 3, None]), ("absent", 0): st.just(1.0)}
    )
    return st.tuples(drawn, st.integers(0, 3), newest).map(
        lambda parts: {**parts[0], **parts[2]} if parts[1] == 0 else parts[0]
    )


SLOTS = st.sampled_from([-1, 0, 0, 0, 1, 1, 2, 3, 5, 8, 13, 29, 31])


def requests(
    entities: Sequence[str], growing: str, *, bad: bool = True, pinned: bool = False, max_rows: int = 4
) -> SearchStrategy[DrawnRequest]:
    """A request of a few rows."""
    values = row_values(entities, growing, bad=bad, pinned=pinned).filter(bool)
    row = st.builds(DrawnRow, entity=st.integers(0, len(entities) - 1), slot=SLOTS, values=values)
    return st.builds(DrawnRequest, **parts_of(row, max_rows))


def parts_of(row: SearchStrategy[DrawnRow], max_rows: int) -> dict[str, SearchStrategy[Any]]:
    """What `DrawnRequest` has."""
    rows = st.lists(row, min_size=1, max_size=max_rows)
    return {
        # One in four sends its first row again.
        "rows": st.tuples(rows, st.integers(0, 3)).map(lambda drawn: [*drawn[0], *drawn[0][: int(drawn[1] == 0)]]),
        "delay": st.sampled_from([0, 0, 1, SECOND, 30 * SECOND, 115 * SECOND, -3 * SECOND]),
        "mode": st.sampled_from([WriteMode.ATOMIC, WriteMode.ATOMIC, WriteMode.BULK]),
        "whole_rows": st.booleans(),
    }
