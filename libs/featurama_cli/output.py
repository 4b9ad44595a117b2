"""Output of commands: tables, or JSON for programs. Times are RFC 3339, in UTC."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, object]

_PIPE_WIDTH = 200


def console(*, errors: bool = False) -> Console:
    """The console for output. Output to a file or pipe is wider than 80 columns."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


def show(
    rows: Iterable[Row],
    *,
    as_json: bool,
    columns: Sequence[str] = (),
    title: str = "",
    empty: str = "Nothing found.",
) -> None:
    """Print rows as a table, or as a JSON list. columns: in order; default: the columns of all rows."""
    rows = list(rows)
    if as_json:
        show_json(rows)
        return
    if not rows:
        console().print(empty, markup=False)
        return
    _print(table(rows, columns=columns), title)


def show_one(row: Row, *, as_json: bool, title: str = "") -> None:
    """Print a row as one line per field, or as a JSON object."""
    if as_json:
        show_json(row)
        return
    lines = [{"field": name, "value": value} for name, value in row.items()]
    _print(table(lines, header=False), title)


def _print(made: Table, title: str) -> None:
    from rich.text import Text

    out = console()
    if title:
        # The title of a rich table would be wrapped to its width.
        out.print(Text(title, style="bold"))
    out.print(made)


def show_json(value: object) -> None:
    """Print JSON. Values without a JSON type are texts, as in proto JSON."""
    sys.stdout.write(to_json(value) + "\n")


def to_json(value: object) -> str:
    """The JSON text of plain values, times and numpy scalars."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False)


def note(text: str) -> None:
    """Print a remark to standard error, so that results can be piped."""
    console(errors=True).print(text, markup=False)


def table(rows: Sequence[Row], *, columns: Sequence[str] = (), header: bool = True) -> Table:
    """A rich table with right-aligned numbers."""
    from rich import box
    from rich.table import Table

    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    made = Table(box=box.SIMPLE_HEAD, show_header=header, show_edge=False, pad_edge=False)
    for at, name in enumerate(names):
        numeric = all(_is_number(row.get(name)) for row in rows)
        made.add_column(
            name.replace("_", " "),
            justify="right" if numeric else "left",
            style="" if header or at else "dim",
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(_cell(row.get(name)) for name in names))
    return made


def when(micros: int | None) -> str | None:
    """Microseconds since 1970 UTC as RFC 3339, without microseconds if they are zero; None for 0."""
    if not micros:
        return None
    from featurama_core.types.times import to_datetime

    return short_time(to_datetime(micros))


def when_ns(nanos: int) -> str:
    """Nanoseconds since 1970 UTC as RFC 3339, with all nine digits."""
    from featurama_core.types.times import to_rfc3339

    return f"{to_rfc3339(nanos // 1_000)[:-1]}{nanos % 1_000:03}Z"


def short_time(moment: datetime) -> str:
    """RFC 3339 in UTC, without microseconds if they are zero."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def number(value: float, digits: int = 4) -> str:
    """A number for display, with thousands separators and `digits` significant digits."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) < 0.001:
        return f"{value:.{digits}g}"
    whole = len(str(int(abs(value))))
    text = f"{value:,.{max(0, digits - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cell(value: object) -> Any:
    from rich.text import Text

    if value is None:
        return Text("-", style="dim")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return short_time(value)
    if isinstance(value, (list, tuple)):
        shown = [number(each, 6) if isinstance(each, float) else str(each) for each in value[:8]]
        return Text(", ".join(shown) + (f", ... ({len(value)})" if len(value) > 8 else ""))
    if type(value) is dict:
        return Text(", ".join(f"{name}: {each}" for name, each in value.items()))
    return Text(str(value), style=_STYLES.get(str(value), ""))


_STYLES = {
    "PRESENT": "green",
    "NULL_VALUE": "yellow",
    "NOT_FOUND": "dim",
    "OUTSIDE_MAX_AGE": "yellow",
    "ERROR": "red",
    "ok": "green",
    "warn": "yellow",
    "fail": "red bold",
    "new": "green",
    "changed": "yellow",
    "conflict": "red bold",
    "unchanged": "dim",
}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, datetime):
        return short_time(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if hasattr(value, "item"):
        return _plain(value.item())
    return str(value)
