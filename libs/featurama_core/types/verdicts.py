"""The verdicts of a write, by reason: units that were not accepted for one reason share its words.

A request may have millions of values, and all of them may be refused: a verdict of each is made only where it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from featurama_core.types.errors import Reason
from featurama_core.types.writes import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """Units of one column that were not accepted for one reason. column: its position, -1 for whole rows."""

    rows: Sequence[int]
    column: int
    outcome: Outcome
    reason: Reason
    field: str
    message: str


class Verdicts(Sequence[Verdict]):
    """Verdicts sorted by row and column, made of judgements."""

    def __init__(self, judgements: Iterable[Judgement] = ()) -> None:
        self.judgements = list(judgements)

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> Verdicts:
        """The same verdicts, grouped."""
        if isinstance(verdicts, Verdicts):
            return verdicts
        rows: dict[tuple[int, Outcome, Reason, str, str], list[int]] = {}
        for each in verdicts:
            rows.setdefault((each.column, each.outcome, each.reason, each.field, each.message), []).append(each.row)
        return cls(Judgement(found, *key) for key, found in rows.items())

    def without_texts(self) -> Verdicts:
        """The same verdicts with empty messages; fewer of them are different then."""
        rows: dict[tuple[int, Outcome, Reason, str], list[int]] = {}
        for each in self.judgements:
            rows.setdefault((each.column, each.outcome, each.reason, each.field), []).extend(each.rows)
        return Verdicts(Judgement(sorted(found), *key, "") for key, found in rows.items())

    def __len__(self) -> int:
        return sum(len(each.rows) for each in self.judgements)

    @overload
    def __getitem__(self, at: int) -> Verdict: ...

    @overload
    def __getitem__(self, at: slice) -> list[Verdict]: ...

    def __getitem__(self, at: int | slice) -> Verdict | list[Verdict]:
        return self._made[at]

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self._made)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, Verdicts)):
            return NotImplemented
        return self._made == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._made)

    @cached_property
    def _made(self) -> list[Verdict]:
        made = [
            Verdict(row, each.column, each.outcome, each.reason, each.field, each.message)
            for each in self.judgements
            for row in each.rows
        ]
        return sorted(made, key=lambda verdict: (verdict.row, verdict.column))
