"""The options that commands over label rows share: which rows, what may be known of them, and what is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

EntityColumnOption = Annotated[str, typer.Option("--entity-column", help="Of the labels.")]
EntityColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--entity-column",
        help="Of the labels (default entity_id); TYPE=NAME, repeated, where rows name entities of several types.",
    ),
]


@dataclass(frozen=True, slots=True)
class LabelRowOptions:
    """A command's parameter of this type stands for all of these options (`place`)."""

    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Parquet, CSV or Arrow file, or a directory of them; or --entity-type."),
    ] = None
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A directory, or one file: .parquet, .csv or .arrow.")
    ] = None
    known_at: Annotated[
        str | None,
        typer.Option("--known-at", help="Only what was known then: a time, or `label` for each row's own."),
    ] = None
    file_format: Annotated[
        str | None, typer.Option("--format", help="parquet (default), csv or arrow, of the files of a directory.")
    ] = None
    time_column: Annotated[str, typer.Option("--time-column", help="Of the labels.")] = "timestamp"
    timezone: Annotated[str | None, typer.Option("--timezone", help="Of label times that name none.")] = None
    entity_type: Annotated[
        str | None, typer.Option("--entity-type", help="Without labels: all entities of a type, their newest values.")
    ] = None
    start: Annotated[str | None, typer.Option("--start", help="With --entity-type: from then ...")] = None
    end: Annotated[str | None, typer.Option("--end", help="... to then, included ...")] = None
    every: Annotated[str | None, typer.Option("--every", help="... a row an entity each 1h, 7d, ...")] = None
    memory: Annotated[str, typer.Option("--memory", help="What it may use, about (with --storage).")] = "2GB"
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at --out.")] = False

    def rows(self) -> dict[str, Any]:
        """Those that say which rows and what may be known of them, as `training_set` takes them beside the labels."""
        names = ("known_at", "time_column", "timezone", "entity_type", "start", "end", "every", "memory")
        return {name: getattr(self, name) for name in names}

    def files(self) -> dict[str, Any]:
        """Those that say how files are written."""
        return {"file_format": self.file_format, "overwrite": self.overwrite, "resume": self.resume}


def entity_columns_of(given: Sequence[str] | None) -> tuple[str, dict[str, str]]:
    """What `EntityColumnsOption` was given -> the default column, and the column of each entity type."""
    from featurama_core.types.errors import InvalidInput

    plain = [each for each in given or () if "=" not in each]
    if len(plain) > 1:
        raise InvalidInput(
            f"--entity-column {plain[1]} is a second one; write TYPE={plain[1]} to say of which entity type",
            field="entity_column",
        )
    of_types: dict[str, str] = {}
    for entity_type, _, name in (each.partition("=") for each in given or () if "=" in each):
        if entity_type in of_types:
            raise InvalidInput(f"--entity-column names {entity_type} twice; leave one out", field="entity_column")
        of_types[entity_type] = name
    return plain[0] if plain else "entity_id", of_types
