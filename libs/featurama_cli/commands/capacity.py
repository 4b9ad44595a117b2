"""`featurama capacity`: what a store of a size needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from featurama_cli.capacity.costs import DAY_S
from featurama_cli.capacity.needs import Form, Needs, Size, needs_of
from featurama_cli.output import note, show, show_json
from featurama_cli.place import JsonOption
from featurama_core.types.times import DAY, parse_duration


def capacity(
    entities: Annotated[int, typer.Option("--entities", min=1, help="Number of entities.")],
    features: Annotated[int, typer.Option("--features", min=1, help="Features of an entity, of type double.")],
    readings_per_day: Annotated[
        float,
        typer.Option(
            "--readings-per-day", min=0.0, help="Readings of each entity per day, each with a value of every feature."
        ),
    ],
    reads_per_second: Annotated[
        float, typer.Option("--reads-per-second", min=0.0, help="Entities read online per second.")
    ],
    entities_per_read: Annotated[int, typer.Option("--entities-per-read", min=1, help="Entities per online read.")] = 1,
    retention: Annotated[str, typer.Option("--retention", help="How long history is kept.")] = "365d",
    replication: Annotated[int, typer.Option("--replication", min=1, help="Copies of each row on CQL.")] = 3,
    storage: Annotated[
        Literal["sqlite", "cql"],
        typer.Option("--storage", help="The storage; CQL is shown with both forms of history."),
    ] = "cql",
    node_cores: Annotated[int, typer.Option("--node-cores", min=1, help="Cores of a database node.")] = 16,
    node_disk_tb: Annotated[
        float, typer.Option("--node-disk-tb", min=0.001, help="Disk of a database node, TB.")
    ] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Estimate the nodes, cores, disk and partitions that a store of a size needs.

    The estimate follows from measured costs (docs/performance.md); half of each node is left free for compaction and
    for the load of a lost node.
    """
    kept = parse_duration(retention, "retention") or 0
    size = Size(
        entities,
        features,
        readings_per_day,
        reads_per_second,
        entities_per_read,
        kept / DAY,
        replication,
        node_cores,
        node_disk_tb,
    )
    forms: tuple[Form, ...] = ("sqlite",) if storage == "sqlite" else ("rows", "packed")
    needs = {form: needs_of(size, form) for form in forms}
    load = {
        "values_per_day": size.values_per_day,
        "values_per_second": size.values_per_day / DAY_S,
        "values_stored": size.values_stored,
    }
    if as_json:
        shown: dict[str, object] = {form: asdict(each) for form, each in needs.items()}
        show_json({**load, **shown})
        return
    _show(load, needs)


_ORDER = (
    "bytes per value",
    "disk",
    "disk of all copies",
    "cores",
    "database nodes",
    "history period",
    "buckets of the group",
)


def _show(load: dict[str, float], needs: Mapping[Form, Needs]) -> None:
    """A line per figure, a column per form of the history."""
    found: dict[str, dict[str, str]] = {form: _lines(each) for form, each in needs.items()}
    names = sorted(
        dict.fromkeys(name for lines in found.values() for name in lines),
        key=lambda name: _ORDER.index(name.partition(",")[0]),
    )
    rows: list[dict[str, object]] = [
        {"": name.replace("_", " "), **dict.fromkeys(found, f"{value:,.0f}")} for name, value in load.items()
    ]
    rows += [{"": name, **{form: lines.get(name, "-") for form, lines in found.items()}} for name in names]
    show(rows, as_json=False)
    for problem in {each.problem for each in needs.values() if each.problem}:
        note(problem)


def _lines(needs: Needs) -> dict[str, str]:
    made = {f"bytes per value, {name}": f"{value:.1f}" for name, value in needs.bytes_per_value.items()}
    made |= {f"disk, {name}": f"{value:,.1f} GB" for name, value in needs.disk_gb.items()}
    made |= {
        "disk of all copies": f"{sum(needs.disk_gb.values()):,.1f} GB",
        "cores, online": f"{needs.online_cores:,.2f}",
        "cores, ingest": f"{needs.ingest_cores:,.2f}",
    }
    if needs.history_period:
        made |= {
            "cores, database": f"{needs.storage_cores:,.1f}",
            "database nodes": f"{needs.nodes:,}",
            "history period": needs.history_period,
            "buckets of the group": f"{needs.buckets:,}",
        }
    return made
