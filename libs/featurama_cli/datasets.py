"""A dataset that the command builds, with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from featurama_cli.progress import stage_bars

if TYPE_CHECKING:
    from featurama_core.datasets.manifest import Manifest


async def written(
    write: Callable[..., Awaitable[Manifest]],
    output: Mapping[str, Any],
    facts: Callable[[Manifest], Mapping[str, object]],
) -> dict[str, object]:
    """Write a dataset. -> a summary for display, with the facts of its manifest.

    write, output: `TrainingDataset.write` and its arguments.
    """
    began = time.monotonic()
    with stage_bars() as watch:
        manifest = await write(**output, progress=watch)
    took = time.monotonic() - began
    return {
        "out": str(output["out"]),
        "rows": manifest.rows,
        **facts(manifest),
        "files": len(manifest.files),
        "manifest_sha256": manifest.sha256,
        "seconds": round(took, 3),
        "rows_per_second": round(manifest.rows / took) if took else None,
    }
