"""Long frames -> requests of unit VALUE. Rows are pivoted to one request row per (entity, event time), with a verdict
per value. The k-th value of a feature for one key is in the k-th request row of the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from featurama_core.frames.cells import Frame, read_cells
from featurama_core.frames.keys import FrameKeys, coded_texts, cut, fold_repeats, grouped
from featurama_core.frames.report import FrameWrite, PreparedWrite
from featurama_core.frames.values import TypedCells, typed
from featurama_core.frames.wide import WriteOptions, reject_conflicts
from featurama_core.types.column import Column, Plain
from featurama_core.types.values import Int64Array, Status, empty_values
from featurama_core.types.writes import MAX_ROWS_PER_WRITE, WriteUnit


@dataclass(frozen=True, slots=True, eq=False)
class _Pivot:
    """m values in the order of their request rows. rows: int64[m], frame row of each value. at: int64[m], its request
    row, counted over all requests. group: int64, the key of each request row. heads: one frame row of each request row.
    """

    rows: Int64Array
    at: Int64Array
    group: Int64Array
    heads: Int64Array


def long_write(frame: Frame, keys: FrameKeys, options: WriteOptions) -> FrameWrite:
    """Requests of a frame with one row per value."""
    positions = frame.positions
    coded = coded_texts(read_cells(frame.columns["feature_name"]), "feature_name")
    names, feature = coded.rows(), coded.codes
    keys.reject(coded.problems("feature_name"), "feature_name", positions["feature_name"])
    values = typed(read_cells(frame.columns["value"]))
    keys.reject(values.problems, "value", positions["value"])
    rows = keys.sendable()
    idle = np.empty(0, dtype=np.int64)
    if options.null_status is Status.NOT_FOUND and values.null is not None:
        idle, rows = rows[values.null[rows]], rows[~values.null[rows]]
    by = keys.identity
    rows, twins, conflicting = fold_repeats([*by, feature], rows, [values])
    if conflicting.any():
        reject_conflicts(keys, rows, twins, idle)
    pivot = _pivot(by, feature, rows)

    def requests() -> Iterator[PreparedWrite]:
        shared = Plain.of(MAX_ROWS_PER_WRITE)
        for start, stop in cut(pivot.group, options.rows_of(len(coded.texts))):
            low, high = np.searchsorted(pivot.at, (start, stop))
            heads = pivot.heads[start:stop]
            columns, origins = _columns(
                pivot.rows[low:high], pivot.at[low:high] - start, len(heads), names, feature, values, shared, options
            )
            request = options.request(keys, heads, columns, WriteUnit.VALUE)
            yield PreparedWrite(request, origins, np.full(len(columns), positions["value"], dtype=np.int64))

    return FrameWrite(frame.rows, keys.verdicts(), idle, twins, requests, keys.scope(rows, set(names[rows].tolist())))


def _pivot(by: list[Int64Array], feature: Int64Array, rows: Int64Array) -> _Pivot:
    order, group = grouped(by, rows)
    rows = rows[order]
    if not len(rows):
        return _Pivot(rows, rows, rows, rows)
    # Within a key, the values of a feature are adjacent and in frame order; `k` counts them from the first.
    by_feature = np.lexsort((feature[rows], group))
    rows = rows[by_feature]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (np.diff(group) != 0) | (np.diff(feature[rows]) != 0)
    k = np.arange(len(rows)) - np.flatnonzero(new)[np.cumsum(new) - 1]
    depth = np.zeros(int(group[-1]) + 1, dtype=np.int64)
    np.maximum.at(depth, group, k + 1)
    at = (np.cumsum(depth) - depth)[group] + k
    by_row = np.argsort(at, kind="stable")
    rows, at, group = rows[by_row], at[by_row], group[by_row]
    heads = np.searchsorted(at, np.arange(int(depth.sum())))
    return _Pivot(rows, at, group[heads], rows[heads])


def _columns(
    rows: Int64Array,
    at: Int64Array,
    count: int,
    names: np.ndarray[tuple[int], np.dtype[np.object_]],
    feature: Int64Array,
    values: TypedCells,
    shared: Plain,
    options: WriteOptions,
) -> tuple[list[Column], Int64Array]:
    codes = feature[rows]
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    columns: list[Column] = []
    origins: list[Int64Array] = []
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        chosen = order[low:high]
        taken, there = rows[chosen], at[chosen]
        for column in values.columns(
            str(names[taken[0]]),
            taken,
            len(taken),
            version=options.version,
            null_status=options.null_status,
            shared=shared,
        ):
            written = column.status != Status.NOT_FOUND
            columns.append(_spread(column, there, count, shared))
            origin = np.full(count, -1, dtype=np.int64)
            origin[there[written]] = taken[written]
            origins.append(origin)
    return columns, np.stack(origins) if origins else np.empty((0, count), dtype=np.int64)


def _spread(column: Column, at: Int64Array, count: int, shared: Plain) -> Column:
    """The column with its values at the request rows `at`, and NOT_FOUND at the others."""
    if len(at) == count:
        return column  # `at` ascends, so it is every row in order
    values = empty_values(column.value_type, count, column.vector_length)
    status = np.full(count, Status.NOT_FOUND, dtype=np.uint8)
    values[at], status[at] = column.values, column.status
    return replace(column, values=values, status=status, event_time=shared.zeros[:count])
