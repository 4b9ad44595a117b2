"""Shared options of the commands that read files: the layout of the files, and what their columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from featurama_core.files.layout import FileLayout

Unit = Literal["s", "ms", "us", "ns"]
ZoneOption = Annotated[
    str | None, typer.Option("--timezone", "--zone", help="Time zone of times and dates without one.")
]
TimeUnitOption = Annotated[
    Unit | None, typer.Option("--time-unit", help="Unit of times that are numbers since 1970 UTC.")
]
TimeFormatOption = Annotated[
    str | None,
    typer.Option("--time-format", help="Form of times: iso8601 (default), rfc2822 or a pattern: %Y/%m/%d %H:%M."),
]
AmbiguousOption = Annotated[
    Literal["refuse", "earlier", "later"] | None,
    typer.Option(
        "--ambiguous",
        help="Instant of times that a change of the clocks repeats or skips: default refuse, which names the row.",
    ),
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option("--rename", help='"COLUMN=NAME", repeated. The other options use the new names.'),
]
ClockOption = Annotated[
    str | None, typer.Option("--clock-column", help="Column of the times of day, beside a time column of dates alone.")
]
TypesOption = Annotated[
    list[str] | None,
    typer.Option("--type", help="COLUMN=TYPE, repeated: label columns that are int, double, bool or text."),
]


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """How files are written."""

    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Of CSV files: default a comma, in .tsv files a tab.")
    ] = None
    quote: Annotated[
        str | None, typer.Option("--quote", help='Quotation mark of CSV files: default ", "" for none.')
    ] = None
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of CSV files, such as latin-1: default utf-8.")
    ] = None
    null: Annotated[
        list[str] | None, typer.Option("--null", help="Repeated: a text of CSV files that means null, such as NA.")
    ] = None

    decimal: Annotated[
        str | None, typer.Option("--decimal", help='"," for texts with a decimal comma: default a point.')
    ] = None
    true: Annotated[list[str] | None, typer.Option("--true", help="Repeated: a text that means true, such as yes.")] = (
        None
    )
    false: Annotated[
        list[str] | None, typer.Option("--false", help="Repeated: a text that means false, such as no.")
    ] = None

    def given(self) -> dict[str, Any]:
        """The options that are given, as arguments of `FileLayout.of`."""
        named = {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "encoding": self.encoding,
            "null_values": self.null,
            "decimal": self.decimal,
            "true_values": self.true,
            "false_values": self.false,
        }
        return {name: value for name, value in named.items() if value not in (None, [])}

    def layout(self) -> FileLayout:
        """The layout."""
        from featurama_core.files.layout import FileLayout

        return FileLayout.of(**self.given())

    def arguments(self, types: Sequence[str] | None, rename: Sequence[str] | None) -> dict[str, Any]:
        """As arguments of `FeatureStore.training_set`. types, rename: values of `TypesOption` and `RenameOption`."""
        return self.given() | {"types": pairs(types, "--type"), "rename": pairs(rename, "--rename")}


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """What the columns of values mean."""

    entity_column: Annotated[
        str | None, typer.Option("--entity-column", help="Column of the entity ids: default entity_id.")
    ] = None
    entity_id: Annotated[
        str | None, typer.Option("--entity-id", help="One entity for all rows, instead of a column.")
    ] = None
    time_column: Annotated[
        str | None, typer.Option("--time-column", help="Column of the event times: default timestamp.")
    ] = None
    clock_column: ClockOption = None
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", help="One event time for all rows, instead of a column.")
    ] = None
    timezone: ZoneOption = None
    time_unit: TimeUnitOption = None
    time_format: TimeFormatOption = None
    ambiguous: AmbiguousOption = None
    ingested_at_unit: Annotated[
        Unit | None, typer.Option("--ingested-at-unit", help="Unit of the numbers in a column ingested_at.")
    ] = None
    rename: RenameOption = None
    only: Annotated[
        str | None, typer.Option("--only", help="Feature columns to write, separated by commas; others are left out.")
    ] = None
    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="Leave out columns that are no registered features.")
    ] = False
    cast: Annotated[
        list[str] | None,
        typer.Option(
            "--cast",
            help="COLUMN=CAST, repeated: bool (of 0 and 1), int (of texts), double (of decimals), text (of whole "
            "numbers, such as entity ids).",
        ),
    ] = None
    references: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            help="FEATURE=COLUMN, or FEATURE=COLUMN,COLUMN for several keys, repeated: a text feature that names an "
            "entity by its keys.",
        ),
    ] = None

    def given(self) -> dict[str, Any]:
        """The options that are given, as arguments of `Mapping.of`."""
        references = pairs(self.references, "--reference")
        named = {each.name: getattr(self, each.name) for each in fields(self)} | {
            "rename": pairs(self.rename, "--rename"),
            "casts": pairs(self.cast, "--cast"),
            "only": None if self.only is None else [name.strip() for name in self.only.split(",")],
            "references": {feature: columns.split(",") for feature, columns in references.items()},
        }
        del named["cast"]
        return {name: value for name, value in named.items() if value not in (None, {}, False)}


def pairs(given: Sequence[str] | None, option: str) -> dict[str, str]:
    """`COLUMN=TEXT` -> {column: text}. A column may hold `=`, a text may not."""
    from featurama_core.types.errors import InvalidInput

    found: dict[str, str] = {}
    for each in given or ():
        column, sign, text = each.rpartition("=")
        if not sign or not column or not text:
            raise InvalidInput(f"{option} {each!r} is not COLUMN=TEXT", field=option.strip("-"))
        if column in found:
            raise InvalidInput(f"{option} names {column!r} twice; leave one out", field=option.strip("-"))
        found[column] = text
    return found
