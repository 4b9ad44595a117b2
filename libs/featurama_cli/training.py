"""A training run as the command shows it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from featurama_cli.progress import bar
from featurama_core.datasets.progress import Progress
from featurama_trainer.config import TrainingConfig
from featurama_trainer.training import train

if TYPE_CHECKING:
    from pathlib import Path

    from featurama_core.store import FeatureStore
    from featurama_model.artefacts import ArtefactDirectory
    from featurama_trainer.comparing import HoldoutComparison
    from featurama_trainer.report import TrainingReport


async def train_with_progress(
    store: FeatureStore,
    config: TrainingConfig,
    *,
    threads: int,
    alias: str,
    if_better: bool = False,
    tolerance: float = 0.0,
    by: str = "",
    artefacts: ArtefactDirectory | None = None,
    dataset: Path | None = None,
    dataset_out: Path | None = None,
) -> TrainingReport:
    """Train, with a bar for the trees. by: who trains; empty: who runs the command."""
    with bar("Training", config.rounds, unit="trees") as advance:
        seen = 0

        def progress(at: Progress) -> None:
            nonlocal seen
            if at.stage == "training":
                advance(at.done - seen)
                seen = at.done

        return await train(
            store,
            config,
            threads=threads,
            alias=alias,
            if_better=if_better,
            tolerance=tolerance,
            created_by=by or whoever(),
            artefacts=artefacts,
            dataset=dataset,
            dataset_out=dataset_out,
            progress=progress,
        )


def whoever() -> str:
    """Who runs the command, as far as the system says."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "featurama"


def score_rows(report: TrainingReport) -> list[dict[str, object]]:
    """The model beside the baselines, on the same test rows."""
    rows: list[dict[str, object]] = [{"on_the_test_rows": "model"} | _rounded(report.test)]
    if report.baseline:
        rows.append({"on_the_test_rows": f"baseline ({report.manifest.baseline})"} | _rounded(report.baseline))
    if report.baseline_constant:
        rows.append({"on_the_test_rows": "baseline (training targets)"} | _rounded(report.baseline_constant))
    return rows


def scores_title(report: TrainingReport) -> str:
    """What `score_rows` are of, in a line."""
    manifest = report.manifest
    facts = manifest.training
    assert facts is not None  # set by every run
    return (
        f"{manifest.name} version {manifest.version}: {manifest.target}, {facts.train_rows:,} rows to train on, "
        f"{facts.test_rows:,} later ones to test"
    )


def verdict_text(verdict: HoldoutComparison) -> str:
    """Two versions on the same rows, in a line."""
    mine, other = verdict.candidate[verdict.measure], verdict.incumbent[verdict.measure]
    word = "not worse" if verdict.not_worse else "worse"
    return (
        f"On {verdict.rows:,} rows that neither trained on: {verdict.measure} {mine:.4g} of version "
        f"{verdict.candidate_version}, {other:.4g} of version {verdict.incumbent_version}: {word}."
    )


def _rounded(scores: object) -> dict[str, object]:
    assert hasattr(scores, "items")
    return {str(name): round(float(value), 4) for name, value in scores.items()}
