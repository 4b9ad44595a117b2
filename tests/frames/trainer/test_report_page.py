"""The page of a training report: its texts are text, and its figures are those of the run."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from featurama_model.engineered import EngineeredSpec
from featurama_model.manifest import Artefact, ModelFeature, ModelManifest, Objective, TrainingFacts
from featurama_trainer.comparing import HoldoutComparison
from featurama_trainer.fitting import Curve
from featurama_trainer.judging import FoldScores, Segment
from featurama_trainer.page import html
from featurama_trainer.report import Evidence, TrainingReport

HOSTILE = """<script src="//e/x.js" onload='a()'>&lt;{{ 7 * 7 }}</script>"""
DAY = 86_400_000_000
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "figure", "div", "h1", "h2", "p"),
    *("b", "span", "i", "table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "path", "defs", "use", "text", "clippath", "rect", "tspan"),
}


class Page(HTMLParser):
    """What a page holds: its tags, all of its text, and the cells of each table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


def report_of(objective: Objective, name: str = "delivery_time") -> TrainingReport:
    """A report whose every text is `name`, or made of it."""
    labels = {"binary:logistic": ("no", name), "multi:softprob": ("no", name, "may be")}.get(objective, ())
    measures = {"logloss": 0.25, "accuracy": 0.875} if labels else {"rmse": 1234.5678, "r2": -0.03125}
    several = len(labels) > 2
    manifest = ModelManifest(
        name=name,
        target=name,
        entity_type=name,
        objective=objective,
        features=(ModelFeature(name, f"{name}@1", "double", "default", 2.5), ModelFeature("b", "b@1", name)),
        engineered=EngineeredSpec.of_features([name]),
        classes=3 if several else 0,
        class_labels=labels,
        metrics={"test": measures, "baseline": measures, "train": measures},
        baseline=name,
        training=TrainingFacts(
            label_rows=4_321,
            train_rows=3_456,
            test_rows=4,
            first_label_time=0,
            split_time=6 * DAY,
            last_label_time=9 * DAY,
            seed=17,
            rounds=2,
            parameters={name: 0.5},
            dataset_sha256=name,
            known_at=name,
        ),
        libraries={name: "1.0"},
        description=name,
        created_by=name,
        version=12,
        artefact=Artefact(name, 65_536),
    )
    predicted = np.array([0.1, 0.9, 0.4, 0.6])
    return TrainingReport(
        manifest=manifest,
        promoted_to=name,
        entities_without_target=1_001,
        entities_without_time=2,
        rows_without_required=0,
        missing={name: 432},
        importance={name: 1.0},
        seconds={name: 0.125},
        contributions={name: 0.75},
        segments=[
            Segment("b", name, 1_500, measures, -0.5),
            Segment("b", "other", 3, {key: value / 4 for key, value in measures.items()}, 0.25),
        ],
        folds=[FoldScores(1_234, 99, 0, DAY, measures)],
        curve=Curve("rmse", (2.0, 1.0), (3.0, 2.0), 2),
        verdict=None,
        evidence=Evidence(
            all_times=np.arange(10, dtype=np.int64) * DAY,
            train_until=5,
            test_from=6,
            actual=np.array([0.0, 1.0, 0.0, 1.0]),
            predicted=np.stack([predicted, 1 - predicted, 0 * predicted], axis=1) if several else predicted,
        ),
    )


@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic", "multi:softprob"])
def test_a_text_of_any_kind_is_shown_as_text(objective: Objective) -> None:
    """Names, descriptions, class labels and values of segments: no tag, no attribute and no template comes of them."""
    page = Page(html(report_of(objective, HOSTILE)))
    assert set() == page.tags - TAGS
    assert set() == {each for each in page.attributes if each.startswith("on") or each in ("src", "href")}
    for row in (
        [f"{HOSTILE}@1", "double", "default 2.5"],
        [HOSTILE, "432", "10.0%"],
        ["artefact, sha256", HOSTILE],
        ["parameters", f"{HOSTILE} 0.5"],
    ):
        assert row in page.rows
    assert page.text.count(HOSTILE) >= 15


def test_the_figures_of_a_page_are_those_of_the_run() -> None:
    """Scores with four digits, counts with separators, and a bar as long as the error beside the worst one's."""
    report = report_of("reg:squarederror")
    page = Page(html(report))
    for row in (
        ["this model", "1235", "-0.03125"],
        ["baseline: delivery_time", "1235", "-0.03125"],
        ["1970-01-01 to 1970-01-02", "1,234", "99", "1235", "-0.03125"],
        ["delivery_time", "1,500", "1235", "-0.03125", "-0.5", ""],
        ["other", "3", "308.6", "-0.007812", "+0.25", ""],
        ["label rows", "4,321"],
        ["of them train, test", "3,456, 4"],
        ["entities without target, without time", "1,001, 2"],
        ["test from", "1970-01-07T00:00:00.000000Z"],
        ["artefact, bytes", "65,536"],
        ["seed", "17"],
    ):
        assert row in page.rows
    text = html(report)
    assert text.index('style="width:100.0%"') < text.index('style="width:25.0%"')
    assert "Against version" not in text


def test_a_page_says_how_a_comparison_ended() -> None:
    """The two errors, on how many rows, and whether the version took the alias."""
    compared = HoldoutComparison(12, 11, "rmse", 2_000, 0, {"rmse": 1.5}, {"rmse": 1.25})
    for tolerance, verdict in ((0.0, "worse, so not promoted"), (0.5, "not worse")):
        report = replace(report_of("reg:squarederror"), verdict=replace(compared, tolerance=tolerance))
        said = " ".join(Page(html(report)).text.split())
        assert f"Against version 11, on the same 2,000 rows: rmse 1.5 against 1.25, {verdict}." in said


def test_the_same_report_gives_the_same_page() -> None:
    report = report_of("multi:softprob")
    assert html(report) == html(report)
