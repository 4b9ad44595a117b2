"""Datasets of the command: the display of a plan, and a build with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from featurama_cli.progress import stage_bars

if TYPE_CHECKING:
    from featurama_core.datasets.manifest import Manifest
    from featurama_core.datasets.plan import Plan


def reads_shown(plan: Plan) -> list[dict[str, object]]:
    """One row per period of a group, for display; `~` marks estimates."""
    return [
        ({"entity column": each.column} if plan.columns else {})
        | {
            "group": f"{each.via} -> {each.group}" if each.via else each.group,
            "features": each.features,
            "period from": each.period.partition("T")[0],
            "partitions": each.partitions,
            "entities": f"~{each.entities:,}" if each.via else f"{each.entities:,}",
            "values": f"~{each.rows:,}",
            "seconds": f"~{each.seconds:.2g}",
            "read by": each.strategy,
            "because": each.reason,
        }
        for each in plan.reads
    ]


def plan_summary(plan: Plan) -> str:
    """The totals, and the basis of the estimates."""
    if not plan.label_entities:
        calls = _count(plan.parts, "call")
        each = f" for each of {', '.join(plan.columns)}" if plan.columns else ""
        rows = f"{plan.label_rows:,} label rows in {calls}{each}"
        return f"{rows} to servers, which plan the reads; the plan of a storage at --store has more details"
    rows = f"{plan.label_rows:,} label rows of {plan.label_entities:,} entities"
    cut = f"in {_count(plan.passes, 'pass', 'passes')} into {_count(plan.parts, 'output part')}"
    read = f"about {plan.rows:,} values in {_count(plan.partitions, 'partition')}, about {plan.seconds:.2g} s"
    lines = [f"{rows}, {cut}: {read}", "Older periods are read only for values that these do not hold."]
    sampled = max((each.sampled for each in plan.reads), default=0)
    if sampled:
        lines.append(f"The entities that a reference names (->) are estimated from {_count(sampled, 'label row')}.")
    return "\n".join(lines)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


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
