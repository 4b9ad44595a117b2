"""`make mutants`: what is changed and what is not, how a change gets into loaded code, and how a run is judged."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tools.mutants.forks import KILLED, SURVIVED, TIMEOUT
from tools.mutants.judged import Judged
from tools.mutants.operators import Mutant, mutants_of
from tools.mutants.swap import Replacing, swap

SOURCE = '''"""A module."""

from functools import lru_cache
from typing import TypeAlias

Alias = int | None
LaterAlias: TypeAlias = "Box"
LIMIT = 8


class Box:
    size: int = 3

    @property
    def half(self) -> int:
        """Words + words."""
        return self.size - 1

    @classmethod
    def of(cls, size: int) -> "Box":
        assert size + 1
        if size < 0:
            raise ValueError(f"{size + 1} is less", "than", 0)
        return cls()


@lru_cache(maxsize=2)
def least(left: list[int], right: list[int] = (1,)) -> int:
    def inner() -> bool:
        return left < right

    return inner() and list(zip(left, right, strict=True))
'''


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    """SOURCE as a loaded module."""
    path = tmp_path / "mutated_box.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("mutated_box", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    yield loaded
    sys.modules.pop("mutated_box", None)


def changes(function: str) -> set[tuple[str, str]]:
    return {(each.before, each.after) for each in mutants_of(SOURCE) if each.function == function}


def one(function: str, after: str) -> Mutant:
    return next(each for each in mutants_of(SOURCE) if (each.function, each.after) == (function, after))


def test_rules_are_changed_and_what_states_invariants_or_words_is_not() -> None:
    """In decorated and nested functions too; a nested one belongs to the outermost."""
    assert {"return self.size + 1", "return self.size - 2"} == {after for _, after in changes("Box.half")}
    assert {"if size <= 0:", "if size < 1:"} <= {after for _, after in changes("Box.of")}
    befores = {before for each in ("", "Box.of", "least") for before, _ in changes(each)}
    assert not [each for each in befores if "assert" in each or "lru_cache" in each or "Alias" in each or '"""' in each]
    raised = {after for before, after in changes("Box.of") if "raise" in before}
    assert 'raise ValueError(f"{size + 1} is less", "than", 1)' in raised
    assert not [each for each in raised if "less" not in each or "than" not in each or "size + 1" not in each]
    nested = {after for _, after in changes("least")}
    assert {"return left <= right", "return inner() or list(zip(left, right, strict=True))"} <= nested
    assert not [each for each in nested if "strict=True" not in each and "zip" in each]


def test_a_mutant_says_where_it_lies_and_keeps_its_name_when_lines_move() -> None:
    """Only what lies in a function's body can be exchanged in loaded code."""
    mutant = one("least", "return left <= right")
    assert (30, True) == (mutant.line, mutant.in_body)
    assert not one("", "LIMIT = 9").in_body
    assert not one("", "size: int = 4").in_body
    moved = next(each for each in mutants_of(f"\n\n{SOURCE}") if each.after == mutant.after)
    assert (mutant.key, 32) == (moved.key, moved.line)
    keys = [each.key for each in mutants_of(SOURCE)]
    assert len(keys) == len(set(keys))


def test_a_loaded_functions_code_is_exchanged_for_everything_that_refers_to_it(module: ModuleType) -> None:
    """Of properties, class methods and remembered functions too, whose memory is cleared."""
    box, of, least = module.Box(), module.Box.of, module.least
    assert (2, True) == (box.half, least((0,), (1,)) == [(0, 1)])
    swap(module, one("Box.half", "return self.size + 1").source, "Box.half")
    assert 4 == box.half
    swap(module, one("Box.of", "if size < 1:").source, "Box.of")
    with pytest.raises(ValueError, match="less"):
        of(0)
    swap(module, one("least", "return inner() or list(zip(left, right, strict=True))").source, "least")
    assert least((0,), (1,)) is True
    with pytest.raises(LookupError):
        swap(module, SOURCE, "nothing")
    with pytest.raises(SyntaxError):
        swap(module, "def (", "least")


def test_a_module_that_is_not_loaded_yet_takes_the_place_of_its_file(tmp_path: Path) -> None:
    """For what is run at import; other modules are found as ever."""
    path = tmp_path / "mutated_box.py"
    path.write_text(SOURCE)
    replacing = Replacing("mutated_box", str(path), one("", "LIMIT = 9").source)
    replacing.install()
    try:
        loaded = importlib.import_module("mutated_box")
        assert (9, str(path)) == (loaded.LIMIT, loaded.__file__)
        assert replacing.find_spec("other", None) is None
    finally:
        sys.meta_path.remove(replacing)
        sys.modules.pop("mutated_box", None)


JUDGED = """
[[box]]
function = "Box.half"
before = "return self.size - 1"
after = ["return self.size - 2", "return self.size + 1"]
verdict = "{verdict}"
reason = "{reason}"
"""


def test_survivors_that_are_not_judged_and_judgements_of_none_fail_a_run(tmp_path: Path) -> None:
    """What hangs is killed; the share is one of what is not equivalent."""
    path = tmp_path / "judged.toml"
    path.write_text(JUDGED.format(verdict="equivalent", reason="no one looks"))
    judged = Judged.read(path)
    plus, two = one("Box.half", "return self.size + 1"), one("Box.half", "return self.size - 2")
    limit, less = one("", "LIMIT = 9"), one("least", "return left <= right")
    tally = judged.tally("box", {plus: SURVIVED, two: SURVIVED, limit: KILLED, less: TIMEOUT})
    assert (2, 2, 0, 4, 100.0, False) == (
        tally.killed,
        tally.equivalent,
        tally.accepted,
        tally.total,
        tally.percent,
        tally.is_bad,
    )
    assert judged.tally("box", {plus: SURVIVED, two: KILLED}).is_bad
    unjudged = judged.tally("box", {plus: SURVIVED, two: SURVIVED, limit: SURVIVED, less: KILLED})
    assert ([limit], True, 50.0) == (unjudged.unjudged, unjudged.is_bad, unjudged.percent)
    assert "before = 'LIMIT = 8'\nafter = 'LIMIT = 9'\n" in unjudged.complaints()


@pytest.mark.parametrize(("verdict", "reason"), [("fine", "because"), ("accepted", " ")])
def test_a_judgement_needs_a_verdict_and_a_reason(tmp_path: Path, verdict: str, reason: str) -> None:
    """Or a survivor could be waved through."""
    path = tmp_path / "judged.toml"
    path.write_text(JUDGED.format(verdict=verdict, reason=reason))
    with pytest.raises(SystemExit, match="lacks a verdict"):
        Judged.read(path)
