"""Batch scoring of the command."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from featurama_cli.datasets import stage_bars
from featurama_cli.place import Place
from featurama_cli.session import artefact_directory, open_namespace, storage_options
from featurama_core.datasets.files import format_of
from featurama_model.checked_model import ModelReference, checked_model
from featurama_model.scoring import scores


async def scored_files(
    place: Place,
    labels: Path | None,
    model: str,
    out: Path,
    *,
    file_format: str | None,
    overwrite: bool,
    resume: bool,
    ray: bool,
    address: str | None,
    tasks: int,
    work: Path | None,
    **options: Any,
) -> dict[str, object]:
    """Score the label rows into files. -> a summary for display."""
    began = time.monotonic()
    reference = ModelReference.parse(model)
    kind = format_of(out, file_format)
    async with open_namespace(place) as namespace:
        checked = await checked_model(namespace, reference, artefacts=artefact_directory(place))
        made = await scores(namespace, labels, checked, **options)
        if ray:
            from featurama_trainer import ray as on_ray

            where = on_ray.StoreLocation.of(storage_options(place.url).storage_settings(), place.namespace)
            cutting = on_ray.Cutting(work=work, concurrency=tasks)
            by_tasks = partial(on_ray.write_scores, made, namespace, where, checked, cutting=cutting)
            with on_ray.connected(address), stage_bars() as watch:
                manifest = await by_tasks(out, format=kind, overwrite=overwrite, resume=resume, progress=watch)
        else:
            with stage_bars() as watch:
                manifest = await made.write(out, format=kind, overwrite=overwrite, resume=resume, progress=watch)
    took = time.monotonic() - began
    counts = manifest.content["scores"]
    return {
        "out": str(out),
        "model": checked.manifest.name,
        "version": checked.manifest.version,
        "rows": manifest.rows,
        "predicted": counts["predicted"],
        "failed": counts["failed"] or None,
        "missing": counts["missing"] or None,
        "files": len(manifest.files),
        "manifest_sha256": manifest.sha256,
        "seconds": round(took, 3),
        "rows_per_second": round(manifest.rows / took) if took else None,
    }
