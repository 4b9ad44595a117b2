"""Keys of frame rows: entity ids and times, and the grouping of rows into requests.

Rows with the same (entity, event time), and in an import the same ingest time, stay in one request, because conflicting
duplicates are detected inside a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import Cells, Frame, objects, read_cells
from featurama_core.frames.times import event_times, ingest_times
from featurama_core.frames.values import CellError, TypedCells
from featurama_core.frames.zones import TimeRules
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.names import are_entity_ids, check_name, entity_id_problem
from featurama_core.types.values import BoolArray, Int64Array
from featurama_core.types.writes import MAX_ROWS_PER_WRITE, Outcome, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class FrameKeys:
    """The key columns of n frame rows. entity: int64[n], equal for equal ids. ingested_at: int64[n] of an import, whole
    microseconds as nanoseconds. local: verdicts on rows that cannot be sent, by row.
    """

    entity_ids: NDArray[np.object_]
    entity: Int64Array
    event_time: Int64Array
    ingested_at: Int64Array | None
    local: dict[int, Verdict]

    def reject(self, problems: dict[int, CellError], field: str, column: int) -> None:
        """Add verdicts on rows that have none yet."""
        for row, (reason, problem) in problems.items():
            message = problem if problem.startswith(field) else f"{field} {problem}"
            self.local.setdefault(row, Verdict(row, column, Outcome.REJECTED, reason, field, message))

    @property
    def identity(self) -> list[Int64Array]:
        """The key columns. Rows with equal keys are duplicates or conflicts."""
        by = [self.event_time, self.entity]
        return by if self.ingested_at is None else [self.ingested_at, *by]

    def scope(self, rows: Int64Array, features: Iterable[str]) -> ImportScope | None:
        """The scope of an import of these rows; None without rows, or if the frame is not an import."""
        if self.ingested_at is None or not len(rows):
            return None
        event_time, ingested_at = self.event_time[rows], self.ingested_at[rows] // 1_000
        return ImportScope(
            tuple(sorted(features)),
            int(event_time.min()),
            int(event_time.max()),
            int(ingested_at.min()),
            int(ingested_at.max()),
        )

    def verdicts(self) -> list[Verdict]:
        """Verdicts on rows that cannot be sent, sorted by row."""
        return [self.local[row] for row in sorted(self.local)]

    def sendable(self) -> Int64Array:
        """Rows without a verdict, ascending."""
        there = np.ones(len(self.entity_ids), dtype=np.bool_)
        there[list(self.local)] = False
        return np.flatnonzero(there)


def read_keys(frame: Frame, times: TimeRules, ingested: TimeRules) -> FrameKeys:
    """Entity ids and times of a frame with these columns."""
    given = frame.columns["entity_id"]
    entities = given if isinstance(given, CodedEntities) else _of_ids(read_cells(given))
    ids = entities.ids
    event_time, bad_times = event_times(read_cells(frame.columns["timestamp"]), "timestamp", times)
    keys = FrameKeys(ids.rows(), ids.codes, event_time, None, {})
    for row, each in entities.problems.items():
        position = frame.positions[each.column]
        keys.local[row] = Verdict(row, position, Outcome.REJECTED, each.reason, each.column, each.message)
    keys.reject(bad_times, "timestamp", frame.positions["timestamp"])
    if "ingested_at" not in frame.columns:
        return keys
    ingested_at, bad_times = ingest_times(read_cells(frame.columns["ingested_at"]), "ingested_at", ingested)
    keys.reject(bad_times, "ingested_at", frame.positions["ingested_at"])
    return FrameKeys(keys.entity_ids, keys.entity, event_time, ingested_at * 1_000, keys.local)


@dataclass(frozen=True, slots=True, eq=False)
class CodedTexts:
    """A column of n entity ids or names. texts: the distinct texts. codes: int64[n], the position of the text of each
    row, -1 if it is missing or not text.
    """

    texts: Sequence[str]
    codes: Int64Array

    def rows(self) -> NDArray[np.object_]:
        """The text of each row, "" if it is missing."""
        rows: NDArray[np.object_] = objects([*self.texts, ""])[self.codes]
        return rows

    def problems(self, field: str, *, may_lack: bool = False) -> dict[int, CellError]:
        """Problems by row. Each distinct text is checked once. may_lack: whether a text may be missing."""
        reason = Reason.INVALID_ENTITY_ID if field == "entity_id" else Reason.INVALID_NAME
        wrong: dict[int, str] = {}
        if field != "entity_id" or not are_entity_ids(self.texts):
            wrong = {code: problem for code, text in enumerate(self.texts) if (problem := _problem(text, field))}
        if not may_lack:
            wrong[-1] = f"{field} is missing or not text"
        # Code -1 is the last place.
        is_wrong = np.zeros(len(self.texts) + 1, dtype=np.bool_)
        is_wrong[list(wrong)] = True
        bad = np.flatnonzero(is_wrong[self.codes])
        return {row: (reason, wrong[code]) for row, code in zip(bad.tolist(), self.codes[bad].tolist(), strict=True)}


class EntityProblem(NamedTuple):
    """Why a row names no entity. column: the column at fault. kind: "null" for a null key, "malformed" for keys that no
    id can hold, "wrong" for another type and for an id that is not the id of the keys: these a read refuses.
    """

    column: str
    reason: Reason
    message: str
    kind: Literal["null", "malformed", "wrong"] = "malformed"


@dataclass(frozen=True, slots=True, eq=False)
class CodedEntities:
    """The entities of n rows. ids: code -1 for none. problems: by row; of key columns, the rows of code -1."""

    ids: CodedTexts
    problems: dict[int, EntityProblem]


def coded_texts(cells: Cells, field: str) -> CodedTexts:
    """A column of entity ids or feature names, coded in order of appearance. InvalidInput unless it holds text."""
    if cells.unsupported or cells.values.dtype.kind != "O":
        shown = cells.unsupported or str(cells.values.dtype)
        if cells.values.ndim == 1 and (len(cells) == 0 or (cells.missing is not None and cells.missing.all())):
            return CodedTexts([], np.full(len(cells), -1, dtype=np.int64))
        raise no_text(field, shown, is_number=cells.values.dtype.kind in "iuf")
    texts: list[Any] = [str(text) if isinstance(text, str) else None for text in cells.values.tolist()]
    if cells.missing is not None:
        for row in np.flatnonzero(cells.missing).tolist():
            texts[row] = None
    distinct = [text for text in dict.fromkeys(texts) if text is not None]
    numbers = {None: -1} | {text: number for number, text in enumerate(distinct)}
    return CodedTexts(distinct, np.fromiter(map(numbers.__getitem__, texts), dtype=np.int64, count=len(texts)))


def no_text(column: str, kind: str, *, is_number: bool) -> InvalidInput:
    """The error of a column of ids that holds no texts. kind: the type that it holds."""
    fix = f"; declare casts={{{column!r}: 'text'}}" if is_number else ""
    return InvalidInput(f"column {column} holds {kind}; it must hold text{fix}", field=column)


def _of_ids(cells: Cells) -> CodedEntities:
    ids = coded_texts(cells, "entity_id")
    wrong = ids.problems("entity_id")
    return CodedEntities(ids, {row: EntityProblem("entity_id", *error) for row, error in wrong.items()})


def _problem(text: str, field: str) -> str | None:
    if field == "entity_id":
        return entity_id_problem(text)
    try:
        check_name(text, field)
    except InvalidInput as error:
        return error.message
    return None


def grouped(keys: Sequence[Int64Array], rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """(order, group) of the given rows. `rows[order]` has rows with equal keys next to each other, groups in the order
    of their first rows. group: int64, ascending, the group of each of them.
    """
    count = len(rows)
    if not count:
        return np.arange(0), np.arange(0)
    # Sorted by key and within a key by row: the head of a group is its first row.
    by_key = np.lexsort([key[rows] for key in keys])
    new = np.ones(count, dtype=np.bool_)
    new[1:] = np.logical_or.reduce([np.diff(key[rows][by_key]) != 0 for key in keys])
    if new.all():
        return np.arange(count), np.arange(count)
    first = np.empty(count, dtype=np.int64)
    first[by_key] = by_key[np.flatnonzero(new)][np.cumsum(new) - 1]
    order = np.argsort(first, kind="stable")
    starts = np.diff(first[order], prepend=-1) != 0
    return order, np.cumsum(starts) - 1


def cut(group: Int64Array, batch_size: int) -> Iterator[tuple[int, int]]:
    """Ranges of at most `batch_size` positions that split no group. A larger group is a range of its own.

    A group larger than a request would be split; `fold_repeats` leaves none.
    """
    start, count = 0, len(group)
    while start < count:
        stop = min(start + batch_size, count)
        if stop < count and group[stop] == group[stop - 1]:
            head = int(np.searchsorted(group, group[stop]))
            tail = int(np.searchsorted(group, group[stop], side="right"))
            stop = head if head > start else min(tail, start + MAX_ROWS_PER_WRITE)
        yield start, stop
        start = stop


def fold_repeats(
    keys: Sequence[Int64Array], rows: Int64Array, columns: Sequence[TypedCells]
) -> tuple[Int64Array, Int64Array, BoolArray]:
    """Fold the equal rows of keys that repeat more often than a request has rows.

    Returns the rows to send, int64[k, 2] of (row, the equal row that is sent), and bool[len(rows)] of rows whose key
    has more different values than fit a request: they conflict.
    """
    none = np.empty((0, 2), dtype=np.int64)
    conflicting = np.zeros(len(rows), dtype=np.bool_)
    if len(rows) <= MAX_ROWS_PER_WRITE:
        return rows, none, conflicting
    order, group = grouped(keys, rows)
    sizes = np.bincount(group)
    large = np.flatnonzero(sizes > MAX_ROWS_PER_WRITE)
    if not large.size:
        return rows, none, conflicting
    dropped = np.zeros(len(rows), dtype=np.bool_)
    twins: list[tuple[int, int]] = []
    for number in large:
        kept: dict[tuple[object, ...], int] = {}
        repeated: list[tuple[int, int]] = []
        positions = order[group == number]
        for position in positions.tolist():
            row = int(rows[position])
            stands = kept.setdefault(tuple(column.value(row) for column in columns), row)
            if stands != row:
                repeated.append((row, stands))
                dropped[position] = True
        if len(kept) > MAX_ROWS_PER_WRITE:
            conflicting[positions] = True
        else:
            twins.extend(repeated)
    folded = np.array(twins, dtype=np.int64) if twins else none
    return rows[~dropped & ~conflicting], folded, conflicting
