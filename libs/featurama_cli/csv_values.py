"""Conversion of CSV texts to the types of the features.

A text that is not a value of its feature's type stays text, so that its row is rejected with this reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from featurama_core.types.values import ValueType

Types = Mapping[str, ValueType]
"""Column -> type, of features and of other columns that are not text. Unknown columns stay text."""


def typed(table: pa.Table, types: Types) -> Any:
    """A frame of `table`, whose columns are text: the same rows, with values of the types of their features."""
    columns: dict[str, Any] = {name: table.column(name) for name in table.column_names}
    if "feature_name" in columns and "value" in columns:
        names, texts = columns["feature_name"].to_pylist(), columns["value"].to_pylist()
        columns["value"] = [_read(text, types.get(name)) for name, text in zip(names, texts, strict=True)]
    for name, value_type in types.items():
        if name in columns:
            columns[name] = _column(columns[name], value_type)
    if all(isinstance(column, pa.ChunkedArray) for column in columns.values()):
        return pa.table(columns)
    return {name: _listed(column) for name, column in columns.items()}


def _column(texts: Any, value_type: ValueType) -> Any:
    if value_type in _ARROW:
        try:
            return texts.cast(_ARROW[value_type])
        except pa.ArrowInvalid:
            pass
    if value_type is ValueType.TEXT:
        return texts
    return [_read(text, value_type) for text in texts.to_pylist()]


def _read(text: str | None, value_type: ValueType | None) -> object:
    if text is None or value_type not in _READERS:
        return text
    try:
        return _READERS[value_type](text)
    except ValueError:
        return text


def _bool(text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.strip().lower() not in known:
        raise ValueError(text)
    return known[text.strip().lower()]


def _vector(text: str) -> list[float]:
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError(text)  # noqa: TRY004 - a value that cannot be read, like any other
    return [float(each) for each in found]


def _listed(column: Any) -> list[Any]:
    return column if isinstance(column, list) else list(column.to_pylist())


_ARROW = {ValueType.DOUBLE: pa.float64(), ValueType.INT: pa.int64(), ValueType.BOOL: pa.bool_()}
_READERS: dict[ValueType | None, Callable[[str], object]] = {
    ValueType.DOUBLE: float,
    ValueType.INT: int,
    ValueType.BOOL: _bool,
    ValueType.VECTOR: _vector,
}
