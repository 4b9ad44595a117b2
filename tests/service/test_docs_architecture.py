"""docs/architecture.md names only what there is, and its pictures show what import-linter holds."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def items() -> Iterator[str]:
    """The paragraphs, list items and table cells of the page."""
    for block in re.split(r"\n\n|\n(?=\d+\. |- )", PROSE):
        yield from re.split(r"\|", block) if block.startswith("|") else [block]


@cache
def defined(path: str) -> frozenset[str]:
    """Functions and classes of a module, and the methods of its classes as Class.method."""
    names: set[str] = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (each for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)))
            names.update(f"{node.name}.{method.name}" for method in methods)
    return frozenset(names)


def named() -> list[tuple[str, str]]:
    """(module, function) for every `function()` of the page: of the module that stands before it in its item."""
    found = []
    for item in items():
        module = ""
        for span in re.findall(r"`([^`]+)`", item):
            if "/" in span:
                module = span
            elif span.endswith("()"):
                found.append((module, span.removesuffix("()")))
    return found


def arrows(number: int) -> set[tuple[str, str]]:
    """The arrows of the n-th picture."""
    picture = re.findall(r"^```mermaid\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[number]
    found = set()
    for line in re.sub(r'\[".*?"\]', "", picture).splitlines():
        ends = [side.split("&") for side in line.split("-->")]
        if len(ends) == 2:
            found |= {(source.strip(), target.strip()) for source in ends[0] for target in ends[1]}
    return found


def reached(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows and what they lead to together."""
    while more := {(a, d) for a, b in arrows for c, d in arrows if b == c} - arrows:
        arrows = arrows | more
    return arrows


def test_every_path_of_the_page_exists() -> None:
    paths = {span for span in re.findall(r"`([^`\s]+)`", PROSE) if "/" in span}
    assert len(paths) > 70
    assert [] == sorted(path for path in paths if not (ROOT / path).exists())


def test_every_function_of_the_page_is_in_the_module_that_stands_before_it() -> None:
    functions = named()
    assert len(functions) > 50
    assert [] == [each for each in functions if not each[0].endswith(".py") or each[1] not in defined(each[0])]


def test_the_picture_of_rooms_shows_the_imports_that_there_are() -> None:
    """Every import between packages follows arrows, and every arrow is an import."""
    packages = set(LINTER["root_packages"])
    graph = grimp.build_graph(*packages, cache_dir=None)
    there_are = {
        (module.split(".")[0], imported.split(".")[0])
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    there_are = {(source, target) for source, target in there_are if source != target}
    shown = arrows(0)
    assert packages == {end for arrow in shown for end in arrow}
    assert set() == there_are - reached(shown)
    assert set() == shown - there_are


def test_the_picture_of_layers_is_the_contract() -> None:
    """Each layer has arrows to all of the next one."""
    (contract,) = [each for each in LINTER["contracts"] if each["id"] == "core-inside"]
    layers = [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
    wanted = {(a, b) for upper, lower in itertools.pairwise(layers) for a in upper for b in lower}
    assert wanted == arrows(1)


@pytest.mark.parametrize("law", range(1, 11))
def test_every_law_names_tests_that_there_are(law: int) -> None:
    (row,) = re.findall(rf"^\| {law}\. .*$", TEXT, re.MULTILINE)
    tests = re.findall(r"`(tests/[^`]+)`", row)
    assert tests
    for test in tests:
        assert any(name.startswith("test_") for name in defined(test)), test
