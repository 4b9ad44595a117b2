"""The figures of README, docs/performance.md and its pictures are those of the files of benchmarks/figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import page

REMEDY = "run `python -m benchmarks.page`"


@pytest.mark.parametrize("path", page.PAGES, ids=lambda path: path.name)
def test_the_figures_of_a_page_are_those_of_the_files(path: Path) -> None:
    """No figure is written by hand or left from an earlier run."""
    text = path.read_text(encoding="utf-8")
    assert page.written(text, page.runs()) == text, REMEDY
    assert "<!-- figures: " in text


def test_the_pictures_are_drawn_from_the_files() -> None:
    drawn = page.pictures(page.merged(page.runs()))
    assert {"performance-load.svg", "performance-shapes.svg", "performance-sizes.svg"} == set(drawn)
    for name, picture in drawn.items():
        assert picture == (page.ROOT / "docs" / name).read_text(encoding="utf-8"), REMEDY


def test_every_target_that_is_no_cluster_s_has_a_figure() -> None:
    """A question whose figures have other names than its targets would show none."""
    figures = page.merged(page.runs())
    for target in [*page.targets(), *page.FEAST_TARGETS]:
        question = target.figure.partition(".")[0]
        assert question not in figures or page.look_up(figures, target.figure) is not None or "100m" in target.figure
