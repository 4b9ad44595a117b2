"""Columns as columns of declared types. A value that the type cannot hold without loss is named, and never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.frames.casts import CASTS
from featurama_core.frames.texts import AS_WRITTEN, TextRules, declaration_for, read_text
from featurama_core.frames.values import is_empty
from featurama_core.types.values import EXACT_INT_LIMIT, Int64Array, ValueType

ARROW = {
    ValueType.DOUBLE: pa.float64(),
    ValueType.INT: pa.int64(),
    ValueType.BOOL: pa.bool_(),
    ValueType.TEXT: pa.string(),
    ValueType.VECTOR: pa.list_(pa.float64()),
}
# Texts that pyarrow reads like `read_text`, and faster, once a decimal comma is a point.
_PLAIN = {ValueType.DOUBLE: r"^-?\d{1,15}([.]\d{1,15})?$", ValueType.INT: r"^-?\d{1,18}$"}
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class ByName:
    """A long table: the column of feature names, that of values, and the types of the features."""

    names: str
    values: str
    types: Mapping[str, ValueType]


def typed_column(texts: Any, value_type: ValueType, rules: TextRules = AS_WRITTEN) -> tuple[Any, dict[int, object]]:
    """(an Arrow array of the type, what it cannot hold by row: texts, and integers beyond it). texts: Arrow strings."""
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if value_type is ValueType.TEXT:
        return texts, {}
    pattern = _PLAIN.get(value_type)
    if pattern is not None:
        pattern = pattern.replace("[.]", f"[{rules.decimal}]")
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
            value = read_text(text, value_type, rules)
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
    whole = texts if not len(odd) else pc.if_else(plain, texts, pa.scalar(None, pa.string()))
    if rules.decimal != ".":
        whole = pc.replace_substring(whole, rules.decimal, ".")
    column = whole.cast(ARROW[value_type])
    if read:
        mask = np.zeros(len(texts), dtype=np.bool_)
        mask[list(read)] = True
        column = pc.replace_with_mask(column, pa.array(mask), pa.array(list(read.values()), ARROW[value_type]))
    return column, left


def declared_column(column: Any, value_type: ValueType, rules: TextRules = AS_WRITTEN) -> tuple[Any, dict[int, object]]:
    """An Arrow column of any type as one of a declared type, and the values by row that would lose something."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if kind == ARROW[value_type]:
        return column, {}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return typed_column(column.cast(pa.string()), value_type, rules)
    left: dict[int, object] = {}
    values: list[object] = []
    for row, value in enumerate(column.to_pylist()):
        found = None if is_empty(value) else _lossless(value, value_type, rules)
        values.append(found)
        if found is None and not is_empty(value):
            left[row] = value
    return pa.array(values, ARROW[value_type]), left


def _lossless(value: Any, value_type: ValueType, rules: TextRules) -> object:
    """None for a value that the type does not hold. Booleans are no numbers, as in features."""
    if value_type is ValueType.VECTOR:
        is_vector = isinstance(value, list) and all(type(each) in (int, float) for each in value)
        return [float(each) for each in value] if is_vector else None
    if isinstance(value, float) and value_type is ValueType.DOUBLE:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value_type in (ValueType.INT, ValueType.DOUBLE):
        fits = -_INT64 <= value < _INT64 if value_type is ValueType.INT else abs(value) < EXACT_INT_LIMIT
        return (value if value_type is ValueType.INT else float(value)) if fits else None
    if isinstance(value, float) and value_type is ValueType.INT:
        return int(value) if value.is_integer() and abs(value) < EXACT_INT_LIMIT else None
    return CASTS[value_type.label](value, rules)


def no_value(value: object, value_type: ValueType, rules: TextRules = AS_WRITTEN) -> str:
    """What to say of a value that a declared type does not hold, with the declaration that would read a text."""
    shown = repr(value) if isinstance(value, str) else str(value)
    fix = declaration_for(value, value_type, rules) if isinstance(value, str) else ""
    return f"{shown:.60} is not {value_type.label}{fix and f'; declare {fix}'}"


def typed_frame(
    table: Any,
    types: Mapping[str, ValueType],
    by_name: ByName | None = None,
    rules: TextRules = AS_WRITTEN,
) -> Any:
    """A frame of a table with columns of text: the same rows with columns of these types. by_name: of a long table.

    What is no value of its type stays as it is, so that its row is rejected.
    """
    columns: dict[str, Any] = {name: table.column(name) for name in table.column_names}
    if by_name is not None and by_name.names in columns and by_name.values in columns:
        columns[by_name.values] = _by_name(columns[by_name.names], columns[by_name.values], by_name.types, rules)
    for name, value_type in types.items():
        found, left = typed_column(columns[name], value_type, rules)
        columns[name] = _mixed(found, left) if left else found
    return columns if any(isinstance(column, list) for column in columns.values()) else pa.table(columns)


def _mixed(found: Any, left: Mapping[int, object]) -> list[Any]:
    values: list[Any] = found.to_pylist()
    for row, value in left.items():
        values[row] = value
    return values


def _by_name(names: Any, texts: Any, types: Mapping[str, ValueType], rules: TextRules) -> list[Any]:
    values: list[Any] = texts.to_pylist()
    coded = names.combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    for code, name in enumerate(coded.dictionary.to_pylist()):
        if name in types and types[name] is not ValueType.TEXT:
            rows = np.flatnonzero(codes == code)
            found = _mixed(*typed_column(texts.take(pa.array(rows)), types[name], rules))
            for row, value in zip(rows.tolist(), found, strict=True):
                values[row] = value
    return values
