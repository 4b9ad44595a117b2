"""What earlier runs found, so that a run may be stopped and gone on with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tools.mutants.forks import SURVIVED
from tools.mutants.hosting import Subject
from tools.mutants.operators import Mutant


class Kept:
    """Outcomes by mutant, in a file of a module: those of one source of it, survivors of one state of its tests."""

    def __init__(self, path: Path, tests: str) -> None:
        self._path = path
        self._tests = tests
        self._found: dict[str, tuple[str, str]] = {}

    @classmethod
    def open(cls, folder: Path, subject: Subject, source: str, *, fresh: bool) -> Kept:
        """The outcomes of this source; a file of another source is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = cls(folder / f"{subject.name}.jsonl", _hash_of(subject.tests))
        head = json.dumps(hashlib.sha256(source.encode()).hexdigest())
        lines = kept._path.read_text().splitlines() if kept._path.exists() and not fresh else []
        if not lines or lines[0] != head:
            kept._path.write_text(f"{head}\n")
        for line in lines[1:] if lines and lines[0] == head else []:
            key, outcome, tests, _ = json.loads(line)
            kept._found[key] = outcome, tests
        return kept

    def add(self, mutant: Mutant, outcome: str, test: str) -> None:
        """Write an outcome down at once. test: the one that killed."""
        self._found[mutant.key] = outcome, self._tests
        with self._path.open("a") as file:
            file.write(json.dumps([mutant.key, outcome, self._tests, test]) + "\n")

    def is_settled(self, mutant: Mutant) -> bool:
        """Whether its outcome stands."""
        outcome, tests = self._found.get(mutant.key, (SURVIVED, ""))
        return outcome != SURVIVED or tests == self._tests

    def outcome(self, mutant: Mutant) -> str:
        """What became of it."""
        return self._found[mutant.key][0]


def _hash_of(tests: list[str]) -> str:
    digest = hashlib.sha256()
    for each in map(Path, tests):
        for path in sorted(each.rglob("*.py")) if each.is_dir() else [each]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
