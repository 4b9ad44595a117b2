"""A report as one self-contained HTML file: styles and plots are inside; it has no scripts and no links.

`write_report` also writes the figures as JSON. The template escapes all names and texts, and a content security policy
forbids the page to load or run anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from featurama_core.types.times import to_rfc3339
from featurama_trainer.judging import Segment
from featurama_trainer.plots import (
    BLUE,
    ORANGE,
    bars,
    confusion,
    learning_curve,
    predicted_against_actual,
    reliability,
    residuals_over_time,
    rows_over_time,
)
from featurama_trainer.report import TrainingReport
from featurama_trainer.scores import primary


def write_report(report: TrainingReport, folder: Path) -> tuple[Path, Path]:
    """Write `report.html` and `report.json` to the folder, which is created if missing. -> their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, figures = folder / "report.html", folder / "report.json"
    for path, text in ((page, html(report)), (figures, json.dumps(report.to_dict(), indent=2) + "\n")):
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    return page, figures


def html(report: TrainingReport) -> str:
    """The HTML page."""
    templates = Environment(
        loader=PackageLoader("featurama_trainer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {"short": "{:.4g}".format, "count": "{:,}".format, "time": to_rfc3339, "pairs": _pairs}
    measure = primary(report.manifest.objective)
    return templates.get_template("report.html.j2").render(
        report=report,
        measure=measure,
        figures=_figures(report),
        scored=_scored(report),
        by_feature=list(_by_feature(report, measure)),
    )


class _Figure(NamedTuple):
    """svg: matplotlib has escaped its texts."""

    title: str
    note: str
    svg: str


def _figures(report: TrainingReport) -> list[list[_Figure]]:
    """Rows of one or two."""
    evidence, objective = report.evidence, report.manifest.objective
    order = list(report.contributions)
    shown = "" if len(evidence.actual) <= 2_000 else " 2,000 of the rows are drawn, evenly chosen."
    target, labels = report.manifest.target, report.manifest.class_names
    if objective == "multi:softprob":
        note = "Share of each answer among the rows of each class."
        first = _Figure("Answers by class", note, confusion(evidence, labels))
    elif objective == "binary:logistic":
        note = "On the line the probability equals the observed share."
        first = _Figure("Reliability of the probabilities", note, reliability(evidence, labels[1]))
    else:
        note = f"On the line the prediction equals the outcome.{shown}"
        first = _Figure("Predicted against actual", note, predicted_against_actual(evidence, target))
    stopped = "Training stops at the best validation score; then all rows before the test rows train."
    rows = [[first, _Figure("Learning curve", stopped, learning_curve(report.curve))]]
    if evidence.predicted.ndim == 1 and objective != "binary:logistic":
        note = f"Line: median. Band: the middle 80 %. Zero is right; above it, predicted too much.{shown}"
        rows.append([_Figure("Residuals over time", note, residuals_over_time(evidence, ""))])
    unit = target if objective.startswith("reg:") else "log odds"
    effect = bars(report.contributions, order, BLUE, f"mean absolute contribution to {unit}")
    gain = bars(report.importance, order, ORANGE, "share of the gain of all splits")
    rows.append(
        [
            _Figure("Contributions to predictions", "SHAP contributions on test rows.", effect),
            _Figure("Gain of splits", "Improvement of the fit by the splits on a column.", gain),
        ]
    )
    note = "By time: training rows, gap, test rows."
    return [*rows, [_Figure("Label rows", note, rows_over_time(evidence))]]


def _scored(report: TrainingReport) -> list[tuple[str, Mapping[str, float]]]:
    """(description, measures) of each scored part."""
    manifest = report.manifest
    constant = "frequencies of the classes" if manifest.classes else "mean of the training targets"
    if manifest.objective in ("reg:absoluteerror", "reg:pseudohubererror"):
        constant = "median of the training targets"
    words = {
        "test": "this model",
        "baseline": f"baseline: {manifest.baseline}",
        "baseline_constant": f"baseline: {constant}",
        "cross_validation": "cross-validation, mean",
        "train": "this model, on the rows that trained it",
    }
    return [(label, manifest.metrics[name]) for name, label in words.items() if manifest.metrics.get(name)]


def _by_feature(report: TrainingReport, measure: str) -> Iterator[tuple[str, list[Segment], float]]:
    """(feature, its segments, the error of the worst)."""
    for feature in dict.fromkeys(segment.feature for segment in report.segments):
        own = [each for each in report.segments if each.feature == feature and measure in each.scores]
        if own:
            yield feature, own, max(each.scores[measure] for each in own) or 1.0


def _pairs(facts: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())
