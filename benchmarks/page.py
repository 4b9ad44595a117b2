"""`python -m benchmarks.page`: write the figures of benchmarks/figures/*.json into README and docs/performance.md.

A block from `<!-- figures: NAME -->` to `<!-- end of figures -->` is replaced by what `BLOCKS` has for the name, and
the pictures docs/performance-*.svg are drawn. Of several files the figures of the later run count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import drawing, serving, sizes
from benchmarks.__main__ import targets
from benchmarks.feast.__main__ import TARGETS as FEAST_TARGETS
from benchmarks.pace import Figures, look_up
from featurama_cli.capacity.needs import Needs, Size, needs_of

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks/figures"
PAGES = (ROOT / "README.md", ROOT / "docs/performance.md")
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n\n).*?(\n<!-- end of figures -->)", re.DOTALL)
Runs = list[dict[str, Any]]


def runs() -> Runs:
    """The records of all files, the earlier first."""
    return sorted((json.loads(each.read_text()) for each in FOLDER.glob("*.json")), key=lambda run: run["measured_at"])


def merged(kept: Runs) -> Figures:
    """The newest figures of every question."""
    return {name: figures for run in kept for name, figures in run["figures"].items()}


def written(text: str, kept: Runs) -> str:
    """A page with its blocks filled."""
    return _BLOCK.sub(lambda block: f"{block[1]}{BLOCKS[block[2]](kept)}{block[3]}", text)


def pictures(figures: Figures) -> dict[str, str]:
    """Name of the file, in docs/ -> SVG. Of the figures that there are."""
    found: dict[str, str] = {}
    if served := figures.get("serving"):
        curve = served["latency_by_load"]
        found["performance-load.svg"] = drawing.lines(
            "Latency against load: 1 entity x 10 features, open loop, one process, SQLite",
            "calls per second",
            "milliseconds",
            {name: [(point["rate"], point[f"{name}_ms"]) for point in curve] for name in ("p50", "p99")},
        )
        shapes = {f"{rows} x {features}": served[f"{rows}x{features}"] for rows, features in serving.SHAPES}
        found["performance-shapes.svg"] = drawing.bars(
            "CPU of the server per call, by entities x features, beside an echo of the same bytes",
            "ms",
            {
                name: {"Featurama": each["ours"]["cpu_ms"], "bare gRPC": each["echo"]["cpu_ms"]}
                for name, each in shapes.items()
            },
        )
    if grown := figures.get("sizes"):
        names = {"small": "1,000 entities, 100 features"} | {name: text for name, (text, _, _) in sizes.GROWN.items()}
        found["performance-sizes.svg"] = drawing.bars(
            "Cost against size: CPU of the server per read of 1 entity x 10 features",
            "ms",
            {text: {"": grown[name]["cpu_ms"]} for name, text in names.items()},
        )
    return found


def target_table(kept: Runs) -> str:
    """Every target beside its figure."""
    figures = merged(kept)
    rows = ["| what | target | measured | |", "|---|---|---|---|"]
    for target in [*targets(), *FEAST_TARGETS]:
        value = look_up(figures, target.figure)
        if value is None:
            shown, verdict = "-", "not measured"
        else:
            shown, verdict = number(value, target.unit), "" if target.met(value) else "missed"
        rows.append(f"| {target.what} | {target.text} | {shown} | {verdict} |")
    return lines(rows)


def readme_table(kept: Runs) -> str:
    """What users compare, beside the parts that it is made of alone, and beside Feast."""
    figures = merged(kept)

    def row(what: str, digits: int, ours: str, alone: tuple[str, str] | None, feast: str) -> str:
        cells = [_cell(figures, ours, digits)]
        cells.append(f"{alone[0]} {_cell(figures, alone[1], digits)}" if alone else "-")
        return f"| {what} | {' | '.join([*cells, _cell(figures, feast, digits)])} |"

    def calls(shape: str) -> str:
        what = f"{shape.replace('x', ' x ')}, many clients: calls/s"
        bare = ("gRPC", f"serving.{shape}.echo.calls_per_second")
        return row(what, 0, f"serving.{shape}.ours.calls_per_second", bare, f"feast.{shape}.feast.calls_per_second")

    alone = ("gRPC", "serving.one_client.echo.p50_ms")
    built = "training_sets.values_10m"
    return lines(
        [
            f"| | Featurama | alone | Feast {figures.get('feast', {}).get('version', '')} |",
            "|---|---|---|---|",
            row(
                "online read, 1 entity x 10 features, one client: p50, ms",
                2,
                "serving.one_client.ours.p50_ms",
                alone,
                "feast.one_client.feast.p50_ms",
            ),
            *(calls(shape) for shape in ("1x10", "100x10", "100x50")),
            row(
                "HTTP, 1 x 10: calls/s",
                0,
                "feast.http.ours.calls_per_second",
                None,
                "feast.http.feast.calls_per_second",
            ),
            row(
                "durable ingest over gRPC: values/s",
                0,
                "ingest.values_per_second",
                ("sqlite3", "ingest.sqlite_values_per_second"),
                "",
            ),
            row(
                "training set, 100,000 rows x 10, 1 M events: s",
                1,
                f"{built}.ours.seconds",
                ("polars", f"{built}.polars.seconds"),
                "feast.training_set.feast.seconds",
            ),
        ]
    )


def _cell(figures: Figures, name: str, digits: int) -> str:
    value = look_up(figures, name)
    return "-" if value is None else f"{value:,.{digits}f}"


def machine(kept: Runs) -> str:
    """Where and how the figures that are shown were measured."""
    newest = merged(kept)
    rows = ["| measured | questions | seconds x rounds | machine | commit | versions |", "|---|---|---|---|---|---|"]
    for run in kept:
        questions = [name for name, figures in run["figures"].items() if figures is newest[name]]
        if not questions:
            continue
        pace, of, versions = run["pace"], run["machine"], run["versions"]
        shown = ", ".join(f"{name} {versions[name]}" for name in ("python", "grpcio", "numpy") if name in versions)
        rows.append(
            f"| {run['measured_at'][:10]} | {', '.join(questions)} | {pace['seconds']:g} x {pace['rounds']} "
            f"| {of['cores']} x {of['cpu']}, {of['memory_gib']:g} GiB, {of['system']}, load {of['load_before']:g} "
            f"| {run['commit'][:12]} | {shown} |"
        )
    return lines(rows)


def capacity_table(_: Runs) -> str:
    """The needs of 1 billion values a day and 1 M entities read per second."""
    size = Size(1_000_000, 50, readings_per_day=20, reads_per_second=1_000_000, entities_per_call=100)
    assert size.values_per_day == 1e9
    rows, packed = needs_of(size, "rows"), needs_of(size, "packed")

    def row(what: str, text: Callable[[Needs], str]) -> str:
        return f"| {what} | {text(rows)} | {text(packed)} |"

    def by_table(amounts: dict[str, float], digits: int) -> str:
        return ", ".join(f"`{name}` {amount:,.{digits}f}" for name, amount in amounts.items())

    return lines(
        [
            "| | `history: rows` | `history: packed` |",
            "|---|---|---|",
            row("bytes per value", lambda needs: by_table(needs.bytes_per_value, 1)),
            row("disk of all copies, TB", lambda needs: f"{sum(needs.disk_gb.values()) / 1_000:,.0f}"),
            row("cores: online, ingest", lambda needs: f"{needs.online_cores:,.0f}, {needs.ingest_cores:,.1f}"),
            row("cores: database", lambda needs: f"{needs.storage_cores:,.0f}"),
            row("database nodes", lambda needs: f"{needs.nodes}"),
            row("history period, buckets", lambda needs: f"{needs.history_period}, {needs.buckets:,}"),
        ]
    )


BLOCKS: dict[str, Callable[[Runs], str]] = {
    "targets": target_table,
    "readme": readme_table,
    "machine": machine,
    "capacity": capacity_table,
}


def number(value: float, unit: str) -> str:
    """A figure with its unit; ratios have none."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit == 'x' else ' ' + unit}"


def lines(rows: Sequence[str]) -> str:
    """Lines of a block."""
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write the pages and the pictures."""
    kept = runs()
    for page in PAGES:
        page.write_text(written(page.read_text(encoding="utf-8"), kept), encoding="utf-8")
    for name, picture in pictures(merged(kept)).items():
        (ROOT / "docs" / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
