"""Composition of the trainer: settings -> store -> one training run -> its report."""

from __future__ import annotations

import asyncio
from pathlib import Path

from featurama_core.datasets.progress import Watcher
from featurama_core.stores import Stores
from featurama_core.types.errors import InvalidInput
from featurama_model.artefacts import ArtefactDirectory
from featurama_trainer.config import TrainingConfig
from featurama_trainer.page import write_report
from featurama_trainer.report import TrainingReport
from featurama_trainer.settings import Settings
from featurama_trainer.training import train


async def run(settings: Settings, *, progress: Watcher | None = None) -> TrainingReport:
    """Train once, on a store that is opened and closed by this call. Raises InvalidInput without a config."""
    if not settings.config:
        raise InvalidInput("FEATURAMA_TRAINER_CONFIG is missing; set it to a training config (YAML)", field="config")
    config = TrainingConfig.from_file(settings.config)
    async with Stores.open(settings.storage_settings()) as stores:
        report = await train(
            await stores.namespace(settings.namespace),
            config,
            threads=settings.threads,
            alias=settings.alias,
            if_better=settings.if_better,
            tolerance=settings.tolerance,
            created_by=settings.created_by,
            artefacts=ArtefactDirectory(settings.artefacts, settings.namespace) if settings.artefacts else None,
            dataset=Path(settings.dataset) if settings.dataset else None,
            dataset_out=Path(settings.dataset_out) if settings.dataset_out else None,
            progress=progress,
        )
    if settings.report:
        await asyncio.to_thread(write_report, report, Path(settings.report))
    return report
