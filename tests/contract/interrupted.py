"""A build that is interrupted again and again, and goes on each time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from featurama_core.datasets.dataset import TrainingDataset
from featurama_core.datasets.manifest import Manifest
from featurama_core.datasets.progress import Progress

_MOST_ATTEMPTS = 400


async def built_in_pieces(
    asked: Callable[[], Awaitable[TrainingDataset]], target: Path, between: Callable[[], None] = lambda: None
) -> tuple[Manifest, list[str]]:
    """Write to `target`, interrupted after the first report, then after the second, and so on until it is done.

    between: called after each interruption, when nothing may be at the target. -> the manifest, the reported stages.
    """
    stages: list[str] = []
    for attempt in range(1, _MOST_ATTEMPTS):
        left = attempt

        def interrupt(progress: Progress) -> None:
            nonlocal left
            stages.append(progress.stage)
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        try:
            made = await (await asked()).write(target, resume=True, progress=interrupt)
        except KeyboardInterrupt:
            assert not await asyncio.to_thread(target.exists)
            between()
        else:
            assert attempt > 3
            return made, stages
    raise AssertionError(f"not done after {_MOST_ATTEMPTS} attempts")
