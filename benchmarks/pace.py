"""How long points are measured, and the bounds that figures are held to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]
"""A tree of names. Leaves are numbers; the name of one has its unit. Lists hold the points of a curve."""


@dataclass(frozen=True, slots=True)
class Pace:
    """seconds: of a point. rounds: in which the things that are compared take turns. clients: of a closed loop.

    large: whether histories have the sizes of the targets that take minutes to fill.
    """

    seconds: float = 2.0
    rounds: int = 3
    clients: int = 16
    large: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A bound of one figure. figure: names of the tree, with dots. unit: for display, "x" of a ratio."""

    what: str
    figure: str
    bound: float
    at_least: bool = False
    unit: str = "x"

    def met(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def text(self) -> str:
        """The bound as text."""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{'' if self.unit == 'x' else ' ' + self.unit}"


def in_turns(rounds: int, measured: Mapping[str, Callable[[], Figures]]) -> dict[str, Figures]:
    """Measure each of some things in every round. -> the median of each figure of each."""
    found: dict[str, list[Figures]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, measure in measured.items():
            found[name].append(measure())
    return {name: medians(each) for name, each in found.items()}


def medians(rounds: list[Figures]) -> Figures:
    """The median of each figure."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def look_up(figures: Figures, dotted: str) -> float | None:
    """The figure of a dotted name; None if it was not measured."""
    found: Any = figures
    for name in dotted.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return float(found)


def flattened(figures: Figures, prefix: str = "") -> dict[str, float]:
    """Dotted name -> number, without the points of curves."""
    found: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found |= flattened(dict(value), f"{prefix}{name}.")
        elif isinstance(value, (int, float)):
            found[f"{prefix}{name}"] = float(value)
    return found
