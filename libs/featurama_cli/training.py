"""A training run as the command shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurama_cli.progress import bar
from featurama_trainer.config import TrainingConfig
from featurama_trainer.training import train

if TYPE_CHECKING:
    from featurama_core.store import FeatureStore
    from featurama_trainer.report import TrainingReport


async def train_with_progress(
    store: FeatureStore, config: TrainingConfig, *, threads: int, alias: str
) -> TrainingReport:
    """Train, with a bar for the trees."""
    with bar("Training", config.rounds, unit="trees") as advance:
        seen = 0

        def progress(stage: str, done: int, _total: int) -> None:
            nonlocal seen
            if stage == "training":
                advance(done - seen)
                seen = done

        return await train(store, config, threads=threads, alias=alias, created_by="featurama train", progress=progress)


def score_rows(report: TrainingReport) -> list[dict[str, object]]:
    """The model beside the baseline, on the same test rows."""
    rows: list[dict[str, object]] = [{"on_the_test_rows": "model"} | _rounded(report.test)]
    if report.baseline:
        rows.append({"on_the_test_rows": f"baseline ({report.manifest.baseline})"} | _rounded(report.baseline))
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


def _rounded(scores: object) -> dict[str, object]:
    assert hasattr(scores, "items")
    return {str(name): round(float(value), 4) for name, value in scores.items()}
