"""Values that a write gives more than once for one entity and event time: equal ones are one, others are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurama_core.ingest.convert import RowError, RowErrors, Target
from featurama_core.types.column import Column
from featurama_core.types.errors import Reason
from featurama_core.types.values import BoolArray, Int64Array, Status, ValueType
from featurama_core.types.writes import WriteRequest


def same_key(request: WriteRequest) -> tuple[Int64Array, int]:
    """Number the distinct (entity, event time) in order of appearance. -> (int64[n], their number).

    In an import, ingest times distinguish the corrections of one event time.
    """
    numbers: dict[tuple[str, int, int], int] = {}
    ingested = request.event_time if request.ingested_at is None else request.ingested_at
    keys = zip(request.entity_ids, request.event_time.tolist(), ingested.tolist(), strict=True)
    group_of_row = np.fromiter(
        (numbers.setdefault(key, len(numbers)) for key in keys), dtype=np.int64, count=len(request)
    )
    return group_of_row, len(numbers)


def refuse_conflicts(
    converted: list[Column | None],
    resolved: list[Target | RowError],
    valid: list[BoolArray],
    refused: list[RowErrors],
    group_of_row: Int64Array,
    groups: int,
) -> None:
    """Refuse the values of a feature that differ for one key of `same_key`. valid: of each column, changed by none."""
    by_feature: dict[tuple[str, int], list[int]] = {}
    for position, target in enumerate(resolved):
        if not isinstance(target, RowError):
            by_feature.setdefault(target[0].key, []).append(position)
    for (name, _), positions in by_feature.items():
        # The columns of one feature have disjoint rows here, so they can be merged.
        whole = overlay(converted, valid, positions)
        rows = np.flatnonzero(np.any([valid[position] for position in positions], axis=0))
        first = np.full(groups, -1, dtype=np.int64)
        first[group_of_row[rows[::-1]]] = rows[::-1]
        leader = first[group_of_row[rows]]
        different = ~_same_value(whole, rows, leader)
        torn = np.zeros(groups, dtype=np.bool_)
        torn[group_of_row[rows[different]]] = True
        message = f"{name} has different values for one entity and timestamp; keep one"
        problem = RowError(Reason.CONFLICTING_DUPLICATE, name, message)
        for row in rows[torn[group_of_row[rows]]].tolist():
            for position in positions:
                if valid[position][row]:
                    refused[position][row] = problem


def overlay(converted: list[Column | None], valid: list[BoolArray], positions: list[int]) -> Column:
    """The columns at these positions, of one feature, as one: each has the values of its valid rows."""
    base = converted[positions[0]]
    assert base is not None  # only resolved columns are grouped by feature
    if len(positions) == 1:
        return base
    values, status = base.values.copy(), base.status.copy()
    for position in positions[1:]:
        other = converted[position]
        assert other is not None
        rows = valid[position]
        values[rows] = other.values[rows]
        status[rows] = other.status[rows]
    return replace(base, values=values, status=status)


def _same_value(column: Column, left: Int64Array, right: Int64Array) -> BoolArray:
    same = column.values[left] == column.values[right]
    # Compared by bits: NaNs are equal here, and 0.0 differs from -0.0, so the order of rows never decides.
    if column.value_type is ValueType.DOUBLE:
        bits = np.ascontiguousarray(column.values).view(np.int64)
        same = bits[left] == bits[right]
    elif column.value_type is ValueType.VECTOR:
        words = np.ascontiguousarray(column.values).view(np.int32)
        same = (words[left] == words[right]).all(axis=1)
    status = column.status
    null = status == Status.NULL_VALUE
    equal: BoolArray = (status[left] == status[right]) & (null[left] | same.astype(np.bool_))
    return equal
