"""Plain text for plans and manifests: aligned tables and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def aligned(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """A line with the names of the columns and one per row, in columns two spaces apart. No lines without rows."""
    if not rows:
        return []
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return ["  ".join(each.ljust(width) for each, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def counted(number: int, one: str, many: str = "") -> str:
    """`1 call`, `3 calls`, `2 passes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
