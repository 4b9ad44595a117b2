"""Columns of stored rows -> a History. Pure. A null is a row without a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featurama_core.storage.records import History
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import BoolArray, Int64Array, Status, ValueArray, ValueType, empty_values


def history_of(
    feature: FeatureDefinition,
    entity: Int64Array,
    event_time: Int64Array,
    ingested_at: Int64Array,
    values: Sequence[Any],
) -> History:
    """Rows in any order -> a History sorted by (entity, event time, ingested_at). values: as returned by the driver."""
    null = _nulls(values)
    array, broken = _values(feature, values, null)
    status = np.full(len(values), Status.PRESENT, dtype=np.uint8)
    status[null] = Status.NULL_VALUE
    status[broken] = Status.ERROR
    order = np.lexsort((ingested_at, event_time, entity))
    return History.of(feature, entity[order], event_time[order], ingested_at[order], array[order], status[order])


def int64s(values: Sequence[int]) -> Int64Array:
    """A column of times or versions."""
    return np.array(values, dtype=np.int64)


def _nulls(values: Sequence[Any]) -> BoolArray:
    if None not in values:
        return np.zeros(len(values), dtype=np.bool_)
    return np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))


def _values(feature: FeatureDefinition, values: Sequence[Any], null: BoolArray) -> tuple[ValueArray, BoolArray]:
    """The values, and bool[n] of stored bytes that are not a value of the feature."""
    array = empty_values(feature.value_type, len(values), feature.vector_length)
    broken = np.zeros(len(values), dtype=np.bool_)
    there = np.flatnonzero(~null)
    present = values if len(there) == len(values) else [values[row] for row in there.tolist()]
    if feature.value_type is ValueType.VECTOR:
        width = feature.vector_length * 4
        fits = np.fromiter((len(value) == width for value in present), dtype=np.bool_, count=len(present))
        broken[there[~fits]] = True
        joined = b"".join(value for value in present if len(value) == width)
        array[there[fits]] = np.frombuffer(joined, dtype="<f4").reshape(-1, feature.vector_length)
    else:
        array[there] = np.array(present, dtype=array.dtype)
    return array, broken
