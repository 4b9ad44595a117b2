"""Training runs of the command, and their display."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from featurama_cli.progress import bar
from featurama_core.datasets.progress import Progress
from featurama_trainer.config import TrainingConfig
from featurama_trainer.training import train

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace
    from featurama_trainer.comparing import HoldoutComparison
    from featurama_trainer.report import TrainingReport


async def train_with_progress(
    namespace: Namespace,
    config: TrainingConfig,
    *,
    by: str = "",
    **options: Any,
) -> TrainingReport:
    """Train, with a bar for the trees. options: of `train`. by: the user in the audit log; "" for the user of the
    process.
    """
    with bar("Training", config.rounds, unit="trees") as advance:
        seen = 0

        def progress(at: Progress) -> None:
            nonlocal seen
            if at.stage == "training":
                advance(at.done - seen)
                seen = at.done

        return await train(namespace, config, created_by=by or current_user(), progress=progress, **options)


def current_user() -> str:
    """The user of the process, if the system knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "featurama"


def score_rows(report: TrainingReport) -> list[dict[str, object]]:
    """The scores of the model and of the baselines, on the same test rows."""
    scored = {
        "model": report.test,
        f"baseline ({report.manifest.baseline})": report.baseline,
        "baseline (training targets)": report.baseline_constant,
    }
    return [
        {"on_the_test_rows": name} | {measure: round(value, 4) for measure, value in scores.items()}
        for name, scores in scored.items()
        if scores
    ]


def scores_title(report: TrainingReport) -> str:
    """The title of `score_rows`, in a line."""
    manifest = report.manifest
    facts = manifest.training
    assert facts is not None  # set by every run
    return (
        f"{manifest.name} version {manifest.version}: {manifest.target}, {facts.train_rows:,} rows to train on, "
        f"{facts.test_rows:,} later ones to test"
    )


def verdict_text(verdict: HoldoutComparison) -> str:
    """The comparison of two versions on the same rows, in a line."""
    mine, other = verdict.candidate[verdict.measure], verdict.incumbent[verdict.measure]
    word = "not worse" if verdict.not_worse else "worse"
    return (
        f"On {verdict.rows:,} rows that neither trained on: {verdict.measure} {mine:.4g} of version "
        f"{verdict.candidate_version}, {other:.4g} of version {verdict.incumbent_version}: {word}."
    )
