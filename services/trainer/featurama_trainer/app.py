"""Composition of the trainer: settings -> store -> one training run -> its report."""

from __future__ import annotations

from featurama_core.store import Stores
from featurama_trainer.config import TrainingConfig
from featurama_trainer.progress import Progress, silent
from featurama_trainer.report import TrainingReport
from featurama_trainer.settings import Settings
from featurama_trainer.training import train


async def run(settings: Settings, *, progress: Progress = silent) -> TrainingReport:
    """Train once, on a store of its own, closed before it returns."""
    config = TrainingConfig.from_file(settings.config) if settings.config else TrainingConfig()
    async with Stores.open(settings.storage_settings()) as stores:
        return await train(
            await stores.get(settings.namespace),
            config,
            threads=settings.threads,
            alias=settings.alias,
            created_by=settings.created_by,
            progress=progress,
        )
