"""Rows of `feature_history` of one entity as a single row of lists: a Python object per value would take most of the
time of a read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from featurama_core.storage.packed_history import StoredRows
from featurama_core.storage.sqlite.interning import as_json
from featurama_core.types.values import Int64Array

_FEW = 64
"""Up to this number, values of a list are parameters of their own, which SQLite compares without a table."""
_LISTED = "IN (SELECT value FROM json_each(?))"

# All lists of a row have one order. A blob is concatenated as the text of the same bytes.
_LISTS = """
SELECT count(*), group_concat(timestamp), group_concat(ingested_at), group_concat(layout), group_concat(length(cell)),
       CAST(group_concat(cell, '') AS BLOB)
FROM feature_history
"""

Row = tuple[int, int, int, bytes]
"""Event time, ingest time, layout id, cell."""
Lists = tuple[int, str, str, str, str, bytes]


def joined(lists: Sequence[tuple[int, Lists]]) -> StoredRows:
    """From (entity code, its rows)."""
    codes = np.array([code for code, _ in lists], dtype=np.int64)
    counts, event_time, ingested_at, layout_id, size, cells = zip(*(each for _, each in lists), strict=True)
    return StoredRows(
        np.repeat(codes, counts),
        _integers(event_time),
        _integers(ingested_at),
        _integers(layout_id),
        _integers(size),
        b"".join(each or b"" for each in cells),
    )


class HistoryRows:
    """Reads the rows of single entities of one group. periods, layouts: the ones to be read."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        group: int | None,
        periods: Sequence[int],
        layouts: Sequence[int],
        start: int,
        end: int,
    ) -> None:
        """group: its key. start, end: event times, both included."""
        of_periods, periods_given = _among("period", periods)
        of_layouts, layouts_given = _among("layout", layouts)
        where = (
            f"WHERE feature_group = ? AND entity = ? AND timestamp BETWEEN ? AND ? AND {of_periods} AND {of_layouts}"
        )
        self._connection = connection
        self._statement = _LISTS + where
        self._group = group
        self._bounds = start, end
        self._among = *periods_given, *layouts_given

    def blocks(self, entities: Iterable[tuple[int, int]], rows: int) -> Iterator[StoredRows]:
        """The rows of entities (code, key), about `rows` at a time, in blocks of whole entities."""
        held: list[tuple[int, Lists]] = []
        count = 0
        for code, key in entities:
            for lists in self._of(key, *self._bounds):
                held.append((code, lists))
                count += lists[0]
            if count >= rows:
                yield joined(held)
                held, count = [], 0
        if held:
            yield joined(held)

    def _of(self, key: int, start: int, end: int) -> Iterator[Lists]:
        given = self._group, key, start, end, *self._among
        try:
            lists: Lists = self._connection.execute(self._statement, given).fetchone()
        except sqlite3.DataError:
            # More than SQLite holds in one value, a billion bytes.
            if start == end:
                raise
            middle = (start + end) // 2
            yield from self._of(key, start, middle)
            yield from self._of(key, middle + 1, end)
            return
        if lists[0]:
            yield lists


def _among(column: str, values: Sequence[int]) -> tuple[str, Sequence[object]]:
    """A condition, and its parameters."""
    if len(values) <= _FEW:
        return f"{column} IN ({', '.join('?' * len(values))})", values
    return f"{column} {_LISTED}", (as_json(values),)


def _integers(lists: Sequence[str]) -> Int64Array:
    found: Int64Array = np.fromstring(",".join(lists), dtype=np.int64, sep=",")
    return found
