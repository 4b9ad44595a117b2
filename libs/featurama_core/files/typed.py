"""Columns of text as columns of declared types. A text that is no value of the type is named, and never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.frames.texts import read_text
from featurama_core.types.values import Int64Array, ValueType

ARROW = {
    ValueType.DOUBLE: pa.float64(),
    ValueType.INT: pa.int64(),
    ValueType.BOOL: pa.bool_(),
    ValueType.TEXT: pa.string(),
    ValueType.VECTOR: pa.list_(pa.float64()),
}
# Texts that pyarrow reads like `read_text`, and faster.
_PLAIN = {ValueType.DOUBLE: r"^-?\d{1,15}(\.\d{1,15})?$", ValueType.INT: r"^-?\d{1,18}$"}
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class ByName:
    """A long table: the column of feature names, that of values, and the types of the features."""

    names: str
    values: str
    types: Mapping[str, ValueType]


def typed_column(texts: Any, value_type: ValueType) -> tuple[Any, dict[int, object]]:
    """(an Arrow array of the type, what it cannot hold by row: texts, and integers beyond it). texts: Arrow strings."""
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if value_type is ValueType.TEXT:
        return texts, {}
    pattern = _PLAIN.get(value_type)
    plain = pc.match_substring_regex(texts, pattern) if pattern else None
    odd: Int64Array = np.flatnonzero(
        pc.is_valid(texts)
        if plain is None
        else pc.and_not(pc.is_valid(texts), pc.fill_null(plain, pa.scalar(value=False)))
    )
    read: dict[int, object] = {}
    left: dict[int, object] = {}
    for row, text in zip(odd.tolist(), texts.take(pa.array(odd)).to_pylist(), strict=True):
        try:
            value = read_text(text, value_type)
        except ValueError:
            left[row] = text
            continue
        fits = isinstance(value, int) and not isinstance(value, bool)
        if fits and (value_type is ValueType.DOUBLE or not -_INT64 <= value < _INT64):  # type: ignore[operator]
            left[row] = value
        else:
            read[row] = value
    if plain is None:
        return pa.array([read.get(row) for row in range(len(texts))], ARROW[value_type]), left
    if not len(odd):
        return texts.cast(ARROW[value_type]), left
    column = pc.if_else(plain, texts, pa.scalar(None, pa.string())).cast(ARROW[value_type])
    if read:
        mask = np.zeros(len(texts), dtype=np.bool_)
        mask[list(read)] = True
        column = pc.replace_with_mask(column, pa.array(mask), pa.array(list(read.values()), ARROW[value_type]))
    return column, left


def typed_frame(table: Any, types: Mapping[str, ValueType], by_name: ByName | None = None) -> Any:
    """A frame of a table with columns of text: the same rows with columns of these types. by_name: of a long table.

    What is no value of its type stays as it is, so that its row is rejected.
    """
    columns: dict[str, Any] = {name: table.column(name) for name in table.column_names}
    if by_name is not None and by_name.names in columns and by_name.values in columns:
        columns[by_name.values] = _by_name(columns[by_name.names], columns[by_name.values], by_name.types)
    for name, value_type in types.items():
        found, left = typed_column(columns[name], value_type)
        columns[name] = _mixed(found, left) if left else found
    return columns if any(isinstance(column, list) for column in columns.values()) else pa.table(columns)


def _mixed(found: Any, left: Mapping[int, object]) -> list[Any]:
    values: list[Any] = found.to_pylist()
    for row, value in left.items():
        values[row] = value
    return values


def _by_name(names: Any, texts: Any, types: Mapping[str, ValueType]) -> list[Any]:
    values: list[Any] = texts.to_pylist()
    coded = names.combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    for code, name in enumerate(coded.dictionary.to_pylist()):
        if name in types and types[name] is not ValueType.TEXT:
            rows = np.flatnonzero(codes == code)
            for row, value in zip(
                rows.tolist(), _mixed(*typed_column(texts.take(pa.array(rows)), types[name])), strict=True
            ):
                values[row] = value
    return values
