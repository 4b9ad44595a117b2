"""`featurama infer FILE...`: propose definitions and a mapping for files."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurama_cli.mapping_options import LayoutOptions, ZoneOption
from featurama_cli.output import note
from featurama_cli.place import without_a_place
from featurama_cli.progress import bar

if TYPE_CHECKING:
    from featurama_cli.proposal.propose import Proposal


@without_a_place
async def infer(
    *,
    files: Annotated[list[Path], typer.Argument(help="Parquet, CSV or Arrow files of one table, or directories.")],
    entity_column: Annotated[
        str | None, typer.Option("--entity-column", help="Column of the entity ids, if it is known.")
    ] = None,
    time_column: Annotated[
        str | None, typer.Option("--time-column", help="Column of the event times, if it is known.")
    ] = None,
    timezone: ZoneOption = None,
    layout: LayoutOptions,
) -> None:
    """Propose definitions and a mapping for files, as YAML on standard output. Nothing is stored.

    All rows are read. Comments that begin with "unsure" are questions; a "?" must be replaced. `featurama apply`
    registers the definitions of the YAML, and `featurama write --mapping` reads the files as its mapping says.
    """
    given = {"entity_column": entity_column, "time_column": time_column, "timezone": timezone}
    made, rows, questions = await asyncio.to_thread(
        _proposed, files, {name: value for name, value in given.items() if value is not None}, layout
    )
    sys.stdout.write(made)
    asked = f"{questions} questions, marked as unsure" if questions != 1 else "1 question, marked as unsure"
    note(f"{rows:,} rows read; {asked if questions else 'no questions'}.")


def _proposed(files: list[Path], given: dict[str, str], layout: LayoutOptions) -> tuple[str, int, int]:
    """(the YAML, the number of rows, the number of questions)."""
    from featurama_cli.proposal.checking import check
    from featurama_cli.proposal.propose import settled
    from featurama_cli.proposal.scan import scan
    from featurama_cli.proposal.yaml_text import yaml_text
    from featurama_core.files.layout import FileName

    with bar("Reading", None) as advance:
        scanned = scan(files, layout.given(), advance)
    name = FileName.of(files[0])
    stem = files[0].resolve().name if name is None else name.stem
    with bar("Checking", None) as advance:
        made = settled(scanned, given | layout.given(), stem=stem, check=lambda each: check(each, scanned, advance))
    return yaml_text(made, _head(made, files, scanned.rows)), scanned.rows, made.questions


def _head(made: Proposal, files: list[Path], rows: int) -> list[str]:
    named = shlex.join(map(str, files))
    file = f"{made.group}.yaml"
    return [
        f"Proposed by `featurama infer {named}` from {rows:,} rows. Nothing is stored.",
        "Questions are marked as unsure. Then:",
        f"    featurama apply {file}",
        f"    featurama write --mapping {file} {named}",
    ]
