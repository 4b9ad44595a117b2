"""`featurama demo`: the demonstration of `make demo`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.output import console, to_json
from featurama_cli.place import run


def demo(
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="The demo creates a namespace there and removes it; default: a temporary directory.",
        ),
    ] = None,
    deliveries: Annotated[int, typer.Option("--deliveries", min=100, max=1_000_000)] = 2_000,
    days: Annotated[int, typer.Option("--days", min=2, max=3_650)] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1_729,
    atomic: Annotated[bool, typer.Option("--atomic", help="Write in mode ATOMIC instead of BULK.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data (./featurama-data by default).")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to this file.")
    ] = None,
) -> None:
    """Build the Futurama world, serve it, train and predict; print figures.

    Definitions, ingest over gRPC, online reads, a point-in-time training set, a model, predictions over gRPC and REST,
    by real servers on free ports of this machine.
    """
    from rich.text import Text

    from featurama_cli.demo.report import show_figures
    from featurama_cli.demo.walk import DemoOptions, walk
    from featurama_core.types.writes import WriteMode

    out = console()

    def report_step(what: str, how: str) -> None:
        out.print(Text.assemble(("  done  ", "green"), (f"{what:<13}", "bold"), how))

    options = DemoOptions(
        storage=storage or "",
        deliveries=deliveries,
        days=days,
        seed=seed,
        mode=WriteMode.ATOMIC if atomic else WriteMode.BULK,
        keep=keep,
    )
    out.print(Text("Featurama, end to end", style="bold"))
    figures, report = run(walk(options, report_step))
    show_figures(out, figures, report, options)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(to_json(asdict(figures)) + "\n", encoding="utf-8")
        out.print(f"\nFigures are in {json_file}.", markup=False)
