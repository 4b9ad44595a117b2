"""Shared options of the commands over label rows: the rows, the values that they may see, and the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from featurama_cli.mapping_options import (
    AmbiguousOption,
    ClockOption,
    RenameOption,
    TimeFormatOption,
    TimeUnitOption,
    TypesOption,
    ZoneOption,
    pairs,
)
from featurama_core.frames.role_columns import RoleGiven
from featurama_core.types.errors import InvalidInput

EntityColumnOption = Annotated[str, typer.Option("--entity-column", help="Entity column of the labels.")]
EntityColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--entity-column",
        help="Entity column of the labels (default entity_id); TYPE=NAME,..., repeated: --role TYPE=TYPE:NAME,...",
    ),
]
RolesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        help="ROLE=TYPE or ROLE=TYPE:COLUMN,..., repeated, for labels that name several entities (home=team).",
    ),
]


@dataclass(frozen=True, slots=True)
class LabelRowOptions:
    """Options of a command that has one parameter of this type (`place`)."""

    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Parquet, CSV or Arrow file, or a directory; alternative: --entity-type."),
    ] = None
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A directory, or one file: .parquet, .csv, .arrow or .arrows.")
    ] = None
    known_at: Annotated[
        str | None,
        typer.Option("--known-at", help="Only values known at this time; `label`: at the time of the row."),
    ] = None
    file_format: Annotated[
        Literal["parquet", "csv", "arrow", "arrows"] | None,
        typer.Option("--format", help="Format of the files of a directory (default parquet); arrows is a stream."),
    ] = None
    time_column: Annotated[str, typer.Option("--time-column", help="Time column of the labels.")] = "timestamp"
    clock_column: ClockOption = None
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", help="One time for all labels, instead of a column.")
    ] = None
    timezone: ZoneOption = None
    time_unit: TimeUnitOption = None
    time_format: TimeFormatOption = None
    ambiguous: AmbiguousOption = None
    rename: RenameOption = None
    cast: Annotated[
        list[str] | None,
        typer.Option("--cast", help="COLUMN=text, repeated: entity columns of the labels that hold whole numbers."),
    ] = None
    types: TypesOption = None
    entity_type: Annotated[
        str | None, typer.Option("--entity-type", help="Without labels: the newest values of all entities of a type.")
    ] = None
    start: Annotated[str | None, typer.Option("--start", help="With --entity-type: first time of the rows.")] = None
    end: Annotated[str | None, typer.Option("--end", help="With --entity-type: last time of the rows.")] = None
    every: Annotated[
        str | None,
        typer.Option("--every", help="With --entity-type: interval of the rows per entity, such as 1h or 7d."),
    ] = None
    memory: Annotated[str, typer.Option("--memory", help="Approximate memory limit (storage only).")] = "2GB"
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False

    def rows(self) -> dict[str, Any]:
        """The options of the rows and their bounds, as arguments of `training_set`."""
        names = [
            "known_at",
            "time_column",
            "clock_column",
            "timestamp",
            "timezone",
            "time_unit",
            "time_format",
            "entity_type",
            "start",
            "end",
            "every",
            "memory",
        ]
        found = {name: getattr(self, name) for name in names} | {"casts": pairs(self.cast, "--cast")}
        return found | ({} if self.ambiguous is None else {"ambiguous": self.ambiguous})

    def output(self) -> dict[str, Any]:
        """The options of the output, as arguments of `TrainingDataset.write`. Raises InvalidInput without --out."""
        if self.out is None:
            raise InvalidInput("name the output with --out", field="out")
        return {"out": self.out, "format": self.file_format, "overwrite": self.overwrite, "resume": self.resume}


def roles_given(given: Sequence[str] | None) -> dict[str, RoleGiven] | None:
    """The values of `RolesOption` as the argument `roles` of `training_set`."""
    roles: dict[str, RoleGiven] = {}
    for each in given or ():
        role, equals, declared = each.partition("=")
        entity_type, colon, columns = declared.partition(":")
        if not equals:
            raise InvalidInput(f"--role {each} names no entity type; write {each}=TYPE", field="roles")
        if role in roles:
            raise InvalidInput(f"--role names {role} twice; omit one", field="roles")
        roles[role] = {"type": entity_type, "columns": columns.split(",")} if colon else entity_type
    return roles or None


def entities_given(columns: Sequence[str] | None, roles: Sequence[str] | None) -> dict[str, Any]:
    """The values of `EntityColumnsOption` and `RolesOption` as arguments of `training_set`."""
    plain = [each for each in columns or () if "=" not in each]
    if len(plain) > 1:
        raise InvalidInput(
            f"--entity-column {plain[1]} is a second column; write TYPE={plain[1]} to name its entity type",
            field="entity_column",
        )
    of_types: dict[str, list[str]] = {}
    for entity_type, _, name in (each.partition("=") for each in columns or () if "=" in each):
        if entity_type in of_types:
            raise InvalidInput(f"--entity-column names {entity_type} twice; omit one", field="entity_column")
        of_types[entity_type] = name.split(",")
    return {
        "entity_column": plain[0] if plain else "entity_id",
        "entity_columns": of_types or None,
        "roles": roles_given(roles),
    }
