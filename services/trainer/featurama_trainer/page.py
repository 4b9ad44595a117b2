"""A report as one HTML file that needs nothing else: styles and plots inside, no script, no link to anywhere.

`write_report` writes it beside the same figures as JSON. Everything that comes from a name or a text is escaped, and a
content security policy forbids the page to load or run anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from featurama_core.types.times import to_rfc3339
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

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SCORED = {
    "test": "this model",
    "baseline": "baseline: {feature}",
    "baseline_constant": "baseline: {constant}",
    "cross_validation": "cross-validation, mean",
    "train": "this model, on the rows that trained it",
}


def write_report(report: TrainingReport, folder: Path) -> tuple[Path, Path]:
    """Write `report.html` and `report.json` into the folder, made if need be. -> their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, figures = folder / "report.html", folder / "report.json"
    for path, text in ((page, html(report)), (figures, json.dumps(report.to_dict(), indent=2) + "\n")):
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    return page, figures


def html(report: TrainingReport) -> str:
    """The whole page."""
    manifest = report.manifest
    title = f"{manifest.name} version {manifest.version}"
    style = files("featurama_trainer").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body><main>\n"
        + "\n".join([_head(report, title), *_plots(report), *_tables(report)])
        + "\n</main></body></html>\n"
    )


def _head(report: TrainingReport, title: str) -> str:
    manifest = report.manifest
    training = manifest.training
    assert training is not None  # set by every run
    named = f'<span class="tag">{escape(report.promoted_to)}</span>' if report.promoted_to else ""
    about = (
        f"Predicts <b>{escape(manifest.target)}</b> of a {escape(manifest.entity_type)} "
        f"({escape(manifest.objective)}, {training.rounds} rounds), tested on {training.test_rows:,} rows later than "
        f"the {training.train_rows:,} that trained it."
    )
    measure = primary(manifest.objective)
    tiles = [_tile(name, f"{value:.4g}", _beside(report, name)) for name, value in report.test.items()]
    said = f"<p>{escape(manifest.description)}</p>" if manifest.description else ""
    made = f"{to_rfc3339(manifest.created_at)[:19]}Z" + (f" by {manifest.created_by}" if manifest.created_by else "")
    verdict = ""
    if report.verdict is not None:
        word = "not worse" if report.verdict.not_worse else "worse, so not promoted"
        verdict = (
            f"<p>Against version {report.verdict.incumbent_version}, on the same {report.verdict.rows:,} rows: "
            f"{measure} "
            f"{report.verdict.candidate[measure]:.4g} against {report.verdict.incumbent[measure]:.4g}, {word}.</p>"
        )
    return (
        f'<header><h1>{escape(title)} {named}</h1><p class="lead">{about}</p>{said}{verdict}'
        f'<p class="small">{escape(made)}</p></header><section class="tiles">{"".join(tiles)}</section>'
    )


def _tile(name: str, value: str, beside: str) -> str:
    return f'<div class="tile"><div class="name">{escape(name)}</div><div class="value">{value}</div>{beside}</div>'


def _beside(report: TrainingReport, measure: str) -> str:
    scores = report.baseline or report.baseline_constant
    if measure not in scores:
        return ""
    return f'<div class="small">baseline {scores[measure]:.4g}</div>'


def _plots(report: TrainingReport) -> list[str]:
    evidence, objective = report.evidence, report.manifest.objective
    order = list(report.contributions)
    shown = "" if len(evidence.actual) <= 2_000 else " 2,000 of the rows are drawn, evenly chosen."
    target, labels = report.manifest.target, report.manifest.class_names
    if objective == "multi:softprob":
        first = _figure(
            "Answers by class", "Of the rows of each class, the share given each answer.", confusion(evidence, labels)
        )
    elif objective == "binary:logistic":
        first = _figure("Honesty of the probabilities", "On the line they are.", reliability(evidence, labels[1]))
    else:
        note = f"On the line the prediction is the outcome.{shown}"
        first = _figure("Predicted against actual", note, predicted_against_actual(evidence, target))
    curve = learning_curve(report.curve)
    stopped = "Training stops where the validation rows are predicted best; then all rows before the test train."
    parts = [f'<section class="pair">{first}{_figure("Learning curve", stopped, curve)}</section>']
    if evidence.predicted.ndim == 1 and objective != "binary:logistic":
        note = f"Line: median. Band: the middle 80 %. Zero is right; above it, predicted too much.{shown}"
        parts.append(_figure("Residuals over time", note, residuals_over_time(evidence, "")))
    gain = bars(report.importance, order, ORANGE, "share of the gain of all splits")
    unit = target if objective.startswith("reg:") else "log odds"
    effect = bars(report.contributions, order, BLUE, f"mean absolute contribution to {unit}")
    parts.append(
        f'<section class="pair">{_figure("What moves predictions", "SHAP contributions on test rows.", effect)}'
        f"{_figure('What splits gain', 'How much the splits on a column bettered the fit.', gain)}</section>"
    )
    parts.append(_figure("Label rows", "By time: what trains, what is left out, what tests.", rows_over_time(evidence)))
    return parts


def _figure(title: str, note: str, svg: str) -> str:
    return f'<figure><h2>{escape(title)}</h2><p class="small">{escape(note)}</p>{svg}</figure>'


def _tables(report: TrainingReport) -> list[str]:
    manifest, training = report.manifest, report.manifest.training
    assert training is not None  # set by every run, as is the artefact
    assert manifest.artefact is not None
    constant = "frequencies of the classes" if manifest.classes else "mean of the training targets"
    if manifest.objective in ("reg:absoluteerror", "reg:pseudohubererror"):
        constant = "median of the training targets"
    scores = [
        [label.format(feature=manifest.baseline, constant=constant), *_numbers(manifest.metrics[name], report.test)]
        for name, label in _SCORED.items()
        if manifest.metrics.get(name)
    ]
    parts = [_section("Scores", _table(["", *report.test], scores))]
    if report.folds:
        rows = [
            [
                f"{to_rfc3339(fold.first_time)[:10]} to {to_rfc3339(fold.last_time)[:10]}",
                f"{fold.train_rows:,}",
                f"{fold.judged_rows:,}",
                *_numbers(fold.scores, report.test),
            ]
            for fold in report.folds
        ]
        parts.append(
            _section("Cross-validation", _table(["judged", "rows to train", "rows judged", *report.test], rows))
        )
    parts += _segments(report)
    missing = [[name, f"{count:,}", f"{count / training.label_rows:.1%}"] for name, count in report.missing.items()]
    nothing = "<p>Every feature was present in every row.</p>"
    parts.append(
        _section("Features not present", _table(["feature", "rows", "share"], missing) if missing else nothing)
    )
    features = [
        [each.reference, each.value_type, each.missing if each.default is None else f"default {each.default:g}"]
        for each in manifest.features
    ]
    parts.append(_section("Features", _table(["pinned reference", "type", "where it is missing"], features)))
    facts = [
        ["label rows", f"{training.label_rows:,}"],
        ["of them train, test", f"{training.train_rows:,}, {training.test_rows:,}"],
        [
            "entities without target, without time",
            f"{report.entities_without_target:,}, {report.entities_without_time:,}",
        ],
        ["rows without a required feature", f"{report.rows_without_required:,}"],
        ["first label", to_rfc3339(training.first_label_time)],
        ["test from", to_rfc3339(training.split_time)],
        ["last label", to_rfc3339(training.last_label_time)],
        ["gap", f"{training.gap / 3.6e9:g} hours"],
        ["known at", training.known_at or "now"],
        ["seed", str(training.seed)],
        ["parameters", ", ".join(f"{name} {value}" for name, value in training.parameters.items())],
        ["training set, sha256", training.dataset_sha256],
        ["artefact, sha256", manifest.artefact.sha256],
        ["artefact, bytes", f"{manifest.artefact.size:,}"],
        ["libraries", ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())],
        ["seconds", ", ".join(f"{stage} {seconds:g}" for stage, seconds in report.seconds.items())],
    ]
    return [*parts, _section("Facts", _table(["", ""], facts))]


def _segments(report: TrainingReport) -> list[str]:
    """A table a feature; a bar shows the error of each segment beside the worst one's."""
    measure = primary(report.manifest.objective)
    parts = []
    for feature in dict.fromkeys(segment.feature for segment in report.segments):
        own = [segment for segment in report.segments if segment.feature == feature and measure in segment.scores]
        worst = max((segment.scores[measure] for segment in own), default=0.0) or 1.0
        rows: list[list[str | _Bar]] = [
            [
                segment.value,
                f"{segment.rows:,}",
                *_numbers(segment.scores, report.test),
                f"{segment.bias:+.3g}",
                _Bar(segment.scores[measure] / worst),
            ]
            for segment in own
        ]
        if rows:
            parts.append(
                _section(f"Errors by {feature}", _table([feature, "rows", *report.test, "bias", measure], rows))
            )
    return parts


class _Bar(float):
    """A share from 0 to 1, shown as a bar."""


def _numbers(scores: Mapping[str, float], measures: Mapping[str, float]) -> list[str]:
    return [f"{scores[name]:.4g}" if name in scores else "" for name in measures]


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(header: Sequence[str], rows: Sequence[Sequence[str | _Bar]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header) if any(header) else ""
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: str | _Bar) -> str:
    if isinstance(value, _Bar):
        return f'<td class="bar"><i style="width:{100 * value:.1f}%"></i></td>'
    return f"<td>{escape(value)}</td>"
