"""Training sets of the command: request, plan and build with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurama_cli.value_rows import names_of
from featurama_core.types.errors import InvalidInput

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore
    from featurama_core.datasets.dataset import TrainingDataset
    from featurama_core.datasets.progress import Progress, Watcher


async def requested_set(
    store: FeatureStore,
    labels: Path | None,
    *,
    features: str | None,
    service: str | None,
    **options: Any,
) -> TrainingDataset:
    """The set that the options of the command describe."""
    names = names_of(features, service)
    if names is None and service is None:
        raise InvalidInput("name the features to add: --features a,b or --service name", field="features")
    made: TrainingDataset = await store.training_set(labels, names, service=service, **options)
    return made


async def build_dataset(
    training: TrainingDataset, out: Path, *, file_format: str | None, overwrite: bool, resume: bool
) -> dict[str, object]:
    """Write the set. -> a summary for display."""
    from featurama_core.datasets.files import format_of

    began = time.monotonic()
    with stage_bars() as watch:
        manifest = await training.write(
            out, format=format_of(out, file_format), overwrite=overwrite, resume=resume, progress=watch
        )
    took = time.monotonic() - began
    return {
        "out": str(out),
        "rows": manifest.rows,
        "columns": len(manifest.request["label_columns"]) + len(manifest.features),
        "files": len(manifest.files),
        "without_value": {each["name"]: each["nulls"] for each in manifest.features if each["nulls"]} or None,
        "manifest_sha256": manifest.sha256,
        "seconds": round(took, 3),
        "rows_per_second": round(manifest.rows / took) if took else None,
    }


@contextmanager
def stage_bars() -> Iterator[Watcher | None]:
    """One bar per stage with rate and remaining time on a terminal; nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def watch(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total, rate="")
            values = progress.values / progress.seconds if progress.values and progress.seconds else 0
            rate = f"{values:,.0f} values/s" if values else f"{progress.rate:,.0f}/s"
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total, rate=rate)

        yield watch
