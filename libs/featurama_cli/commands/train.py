"""`featurama train`: one training run on the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.place import JsonOption, Place, at_a_storage

app = typer.Typer(add_completion=False)


@app.command()
@at_a_storage
async def train(
    place: Place,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML; default: the delivery-time model of the sample world.")
    ] = None,
    alias: Annotated[
        str, typer.Option("--alias", help="What names the new version afterwards; empty for nothing.")
    ] = "champion",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of XGBoost.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Train a model and publish it. Point-in-time set, engineered features, time-ordered split, XGBoost."""
    from featurama_cli.output import show, show_json, told
    from featurama_cli.session import open_store
    from featurama_cli.training import score_rows, scores_title, train_with_progress
    from featurama_trainer.config import TrainingConfig

    wanted = TrainingConfig.from_file(config) if config else TrainingConfig()
    async with open_store(place) as store:
        report = await train_with_progress(store, wanted, threads=threads, alias=alias)
    if as_json:
        show_json(report.to_dict())
        return
    show(score_rows(report), as_json=False, title=scores_title(report))
    gains = [{"column": name, "share_of_gain": round(share, 4)} for name, share in list(report.importance.items())[:8]]
    show(gains, as_json=False, title="What it looks at")
    manifest = report.manifest
    told(
        f"Published {manifest.name} version {manifest.version}"
        + (f", which {report.promoted_to!r} now names." if report.promoted_to else ".")
    )
