"""`featurama train`: train a model on the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.output import note, show, show_json
from featurama_cli.place import JsonOption, Place, at_a_storage
from featurama_core.types.errors import InvalidInput


@at_a_storage
async def train(
    place: Place,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file that names the model, its labels and its features.")
    ] = None,
    alias: Annotated[str, typer.Option("--alias", help="Alias of the new version; empty for none.")] = "champion",
    if_better: Annotated[
        bool, typer.Option("--if-better", help="Move the alias only if the new version is not worse on the same rows.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Share by which the error may be larger: 0.01 is one percent.")
    ] = 0.0,
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", help="Train from a set of `dataset build`; labels.target is a label column of it."),
    ] = None,
    dataset_out: Annotated[
        Path | None, typer.Option("--dataset-out", help="Keep the training set of this run at this path.")
    ] = None,
    report_folder: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write report.html and report.json to this folder.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="User in the audit log; default: the user of the process.")] = "",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of XGBoost.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Train a model and publish it. Point-in-time set, engineered features, split by time with a gap, XGBoost."""
    from featurama_cli.session import artefact_directory, open_namespace
    from featurama_cli.training import score_rows, scores_title, train_with_progress, verdict_text
    from featurama_trainer.config import TrainingConfig

    if config is None:
        raise InvalidInput(
            "--config is missing; name a YAML file such as "
            "{model: NAME, labels: {target: FEATURE, time_feature: FEATURE}, features: [FEATURE, ...]}",
            field="config",
        )
    wanted = TrainingConfig.from_file(config)
    async with open_namespace(place) as namespace:
        report = await train_with_progress(
            namespace,
            wanted,
            threads=threads,
            alias=alias,
            if_better=if_better,
            tolerance=tolerance,
            by=by,
            artefacts=artefact_directory(place),
            dataset=dataset,
            dataset_out=dataset_out,
        )
    if report_folder is not None:
        from featurama_trainer.page import write_report

        page, _ = write_report(report, report_folder)
        note(f"Wrote {page} and report.json beside it.")
    if as_json:
        show_json(report.to_dict())
        return
    show(score_rows(report), as_json=False, title=scores_title(report))
    gains = [{"column": name, "share_of_gain": round(share, 4)} for name, share in list(report.importance.items())[:8]]
    show(gains, as_json=False, title="Most important columns")
    manifest = report.manifest
    note(
        f"Published {manifest.name} version {manifest.version}"
        + (f", which {report.promoted_to!r} now names." if report.promoted_to else ".")
    )
    if report.verdict is not None:
        note(verdict_text(report.verdict))
