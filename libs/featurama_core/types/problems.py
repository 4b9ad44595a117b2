"""Rows that were not accepted, grouped by kind: messages of one reason and field that differ by their values alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from featurama_core.types.errors import Reason

_FIRST_ROWS = 5
_EXAMPLES = 3
_VALUE = re.compile(
    r"""'(?:[^'\\]|\\.)*'(?:\.\.\.)?|"(?:[^"\\]|\\.)*"(?:\.\.\.)?"""
    r"""|(?<![\w.])-?\d+(?:[.:eE+-]+\d+)*(?:[ T]\d\d:[\d:.]+)?"""
)
"""A value in a message: a quoted text or a number."""

Kind = tuple[Reason, str, str]
"""(reason, field, the message without its values)."""


class Judged(Protocol):
    """Why a row was not accepted, such as a `Verdict`."""

    @property
    def row(self) -> int:
        """Its number."""

    @property
    def reason(self) -> Reason:
        """Why."""

    @property
    def field(self) -> str:
        """Name of the field at fault."""

    @property
    def message(self) -> str:
        """What is wrong, with the value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows that were not accepted for one reason: how many, the message with up to three examples of each value in
    which they differ, and the first of them. See `WriteReport.problems`.
    """

    units: int
    message: str
    first_rows: tuple[int, ...]
    reason: Reason = Reason.UNSPECIFIED
    field: str = ""

    @property
    def shown_rows(self) -> str:
        """The first rows as text: `1, 2, ...`."""
        return ", ".join(map(str, self.first_rows)) + ", ..." * (self.units > len(self.first_rows))

    def __str__(self) -> str:
        return f"{self.units:,} row{'s' * (self.units != 1)}: {self.message} (row {self.shown_rows})"


@dataclass(slots=True)
class _Group:
    """values: at each place of the message, the first different values in their order; one more than is shown."""

    message: str
    values: list[dict[str, None]]
    units: int = 0
    first_rows: list[int] = field(default_factory=list)

    def add(self, values: list[str], rows: list[int]) -> None:
        self.units += len(rows)
        self.first_rows = sorted((*self.first_rows, *rows))[:_FIRST_ROWS]
        for known, value in zip(self.values, values, strict=True):
            if len(known) <= _EXAMPLES:
                known[value] = None

    def shown(self) -> str:
        places = iter(self.values)
        return _VALUE.sub(lambda _: _examples(list(next(places))), self.message)


class Problems:
    """Gathers verdicts."""

    def __init__(self, verdicts: Iterable[Judged] = ()) -> None:
        self._groups: dict[Kind, _Group] = {}
        self.add(verdicts)

    def add(self, verdicts: Iterable[Judged]) -> None:
        """Further verdicts, of other rows."""
        rows: dict[tuple[Reason, str, str], list[int]] = {}
        for each in verdicts:
            rows.setdefault((each.reason, each.field, each.message), []).append(each.row)
        for (reason, name, message), found in rows.items():
            values = _VALUE.findall(message)
            kind = reason, name, _VALUE.sub("\0", message)
            self._groups.setdefault(kind, _Group(message, [{} for _ in values])).add(values, found)

    def found(self) -> list[Problem]:
        """The groups, the most frequent first."""
        problems = [
            Problem(each.units, each.shown(), tuple(each.first_rows), reason, name)
            for (reason, name, _), each in self._groups.items()
        ]
        return sorted(problems, key=lambda problem: (-problem.units, problem.first_rows))


def _examples(values: list[str]) -> str:
    return ", ".join(values[:_EXAMPLES]) + ", ..." * (len(values) > _EXAMPLES)
