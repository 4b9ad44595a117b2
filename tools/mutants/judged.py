"""The judged survivors, and the table of a run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from tools.mutants.forks import SURVIVED, TIMEOUT
from tools.mutants.operators import Mutant

VERDICTS = ("equivalent", "accepted")
"""equivalent: nothing that a caller can see differs. accepted: it does, and no test should hold it."""

Change = tuple[str, str, str]
"""(function, lines before, lines after): equal changes of one function are judged together."""


@dataclass(slots=True)
class Tally:
    """What a run found in one module. hung: those of the killed whose tests did not end in time."""

    name: str
    killed: int = 0
    hung: int = 0
    equivalent: int = 0
    accepted: int = 0
    unjudged: list[Mutant] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All mutants."""
        return self.killed + self.equivalent + self.accepted + len(self.unjudged)

    @property
    def percent(self) -> float:
        """Of those that are not equivalent, how many are killed."""
        return 100 * self.killed / max(1, self.total - self.equivalent)

    @property
    def is_bad(self) -> bool:
        """Whether the run fails for it."""
        return bool(self.unjudged or self.wrong)

    def complaints(self) -> str:
        """What makes the run fail, survivors in the form that they are judged in."""
        lines = [f"{self.name}: {each}\n" for each in self.wrong]
        for mutant in self.unjudged:
            shown = [f"# line {mutant.line} survives", f"[[{self.name}]]"]
            for key, text in (("function", mutant.function), ("before", mutant.before), ("after", mutant.after)):
                shown.append(f"{key} = {_quoted(text)}")
            lines.append("\n".join([*shown, 'verdict = ""', 'reason = ""', "\n"]))
        return "\n".join(lines)


class Judged:
    """Which changes were judged, by module."""

    def __init__(self, verdicts: dict[str, dict[Change, str]]) -> None:
        self._verdicts = verdicts

    @classmethod
    def read(cls, path: Path) -> Judged:
        """An entry holds function, before, after (one or several), verdict and reason."""
        verdicts: dict[str, dict[Change, str]] = {}
        for name, entries in tomllib.loads(path.read_text()).items():
            for entry in entries:
                if entry["verdict"] not in VERDICTS or not entry["reason"].strip():
                    raise SystemExit(f"{path}: {name}: {entry['before']!r} lacks a verdict ({VERDICTS}) or a reason")
                after = entry["after"]
                for each in [after] if isinstance(after, str) else after:
                    change = entry["function"], entry["before"].strip("\n"), each.strip("\n")
                    verdicts.setdefault(name, {})[change] = entry["verdict"]
        return cls(verdicts)

    def tally(self, name: str, outcomes: dict[Mutant, str]) -> Tally:
        """Count the mutants of one module. A judgement must be of a mutant that is there and survives."""
        verdicts = self._verdicts.get(name, {})
        tally, met = Tally(name), set()
        for mutant, outcome in outcomes.items():
            change = mutant.function, mutant.before, mutant.after
            verdict = verdicts.get(change)
            if outcome != SURVIVED:
                tally.killed += 1
                tally.hung += outcome == TIMEOUT
                continue
            met.add(change)
            if verdict is None:
                tally.unjudged.append(mutant)
            elif verdict == "equivalent":
                tally.equivalent += 1
            else:
                tally.accepted += 1
        for function, before, after in verdicts.keys() - met:
            tally.wrong.append(f"judged, and no survivor: {function}: {before!r} -> {after!r}")
        return tally


def table(tallies: list[Tally]) -> str:
    """A line a module, and one of all."""
    everything = Tally("in all")
    for each in tallies:
        everything.killed += each.killed
        everything.hung += each.hung
        everything.equivalent += each.equivalent
        everything.accepted += each.accepted
        everything.unjudged += each.unjudged
    columns = ("killed", "hung", "all", "equivalent", "accepted", "unjudged")
    head = f"{'module':14}" + "".join(f"{each:>12}" for each in columns) + f"{'of the rest':>14}"
    lines = []
    for each in (*tallies, everything):
        counts = (each.killed, each.hung, each.total, each.equivalent, each.accepted, len(each.unjudged))
        lines.append(f"{each.name:14}" + "".join(f"{count:12}" for count in counts) + f"{each.percent:12.1f} %")
    return "\n".join([head, *lines])


def _quoted(text: str) -> str:
    if "\n" in text or "'" in text:
        return f"'''\n{text}'''"
    return f"'{text}'"
