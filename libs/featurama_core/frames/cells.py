"""Reads the columns of any frame as numpy arrays: pandas, polars, pyarrow, a mapping of arrays and lists, or a list
of mappings.

A frame is recognised by its type and read by its own methods, so that no library is imported that the caller does not
use. Frames are never modified: arrays may be views of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.mapped_rows import columns_of, is_rows
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import BoolArray

FrameKind = Literal["pandas", "polars", "arrow", "columns"]

NOT_A_TIME = int(np.iinfo(np.int64).min)
"""The int64 behind numpy's NaT."""

_UNNAMED_LEVEL = re.compile(r"__index_level_\d+__")

_KINDS: dict[tuple[str, str], FrameKind] = {
    ("pandas", "DataFrame"): "pandas",
    ("polars", "DataFrame"): "polars",
    ("pyarrow", "Table"): "arrow",
    ("pyarrow", "RecordBatch"): "arrow",
}


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One frame column of n rows.

    values: bool, int64, uint64 or float64 [n]; float32/float64 [n, length] for vectors; datetime64[n] (zoned: in UTC);
    object[n] for text, lists and mixed values. Dates are datetime64[D]. missing: bool[n], None if no cell is missing.
    unsupported: the type of the column if no feature type can hold it; then `values` is meaningless.
    """

    values: NDArray[Any]
    missing: BoolArray | None = None
    zoned: bool = False
    unsupported: str = ""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A caller's frame: its kind, its length, and its columns as the library's own objects, in order.

    positions: of the columns in the caller's frame, -1 for one that it has not. index: the named levels of a pandas
    index, which are no columns.
    """

    kind: FrameKind
    rows: int
    columns: dict[str, Any]
    positions: dict[str, int] = field(default_factory=dict)
    index: dict[str, Any] = field(default_factory=dict)


def frame_kind(value: object) -> FrameKind | None:
    """The kind of a frame, None for other objects."""
    for cls in type(value).__mro__:
        kind = _KINDS.get((cls.__module__.partition(".")[0], cls.__name__))
        if kind is not None:
            return kind
    return "columns" if isinstance(value, Mapping) or is_rows(value) else None


def open_frame(value: Any) -> Frame:
    """The columns of a frame, or a frame that was opened before. InvalidInput for other objects, unnamed or repeated
    columns, and unequal lengths.
    """
    if isinstance(value, Frame):
        return value
    kind = frame_kind(value)
    if kind is None:
        hint = "; collect() it first" if type(value).__name__ == "LazyFrame" else ""
        raise InvalidInput(
            "a frame must be a pandas or polars DataFrame, an Arrow table, a mapping of columns or a list of mappings,"
            f" not {type(value).__name__}{hint}",
            field="frame",
        )
    index: dict[str, Any] = {}
    if kind == "pandas":
        named = [(name, value.iloc[:, position]) for position, name in enumerate(value.columns)]
        levels = enumerate(value.index.names)
        index = {name: value.index.get_level_values(level) for level, name in levels if isinstance(name, str)}
    elif kind == "polars":
        named = [(series.name, series) for series in value.get_columns()]
    elif kind == "arrow":
        named = [(name, value.column(position)) for position, name in enumerate(value.schema.names)]
    else:
        mapped = columns_of(value) if is_rows(value) else value
        named = [(name, _column(name, column)) for name, column in mapped.items()]
    columns: dict[str, Any] = {}
    written = index_columns(getattr(value, "schema", None)) if kind == "arrow" else ()
    for name, column in named:
        if name in written or (isinstance(name, str) and _UNNAMED_LEVEL.fullmatch(name)):
            index[name] = column
            continue
        if not isinstance(name, str):
            raise InvalidInput(f"column {name!r} has no text as its name; rename it", field="frame")
        if name in columns:
            raise InvalidInput(f"column {name!r} appears twice; keep one", field=name)
        columns[name] = column
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name} {len(column)}" for name, column in list(columns.items())[:10])
        raise InvalidInput(f"columns differ in length: {shown}", field="frame")
    rows = lengths.pop() if lengths else 0
    return Frame(kind, rows, columns, {name: position for position, name in enumerate(columns)}, index)


def index_columns(schema: Any) -> tuple[str, ...]:
    """The columns of an Arrow schema that pandas wrote for the index of a frame. They are no columns of the frame."""
    described = (schema.metadata or {}).get(b"pandas", b"") if schema is not None else b""
    try:
        found = json.loads(described)["index_columns"] if described else []
        levels = [name for name in found if isinstance(name, str)]
    except (ValueError, TypeError, KeyError, RecursionError):
        levels = []
    names = schema.names if schema is not None else []
    return tuple(name for name in names if name in levels or _UNNAMED_LEVEL.fullmatch(name))


def read_cells(column: Any) -> Cells:
    """One column of any library, an array, a list, or cells that were read before."""
    if isinstance(column, Cells):
        return column
    if isinstance(column, np.ndarray):
        return _from_numpy(column)
    for cls in type(column).__mro__:
        root = cls.__module__.partition(".")[0]
        if root == "pandas":
            return _from_pandas(_as_series(column))
        if root == "polars":
            return _from_polars(column)
        if root == "pyarrow":
            return _from_arrow(column)
    return Cells(objects(column))


def objects(values: Sequence[object]) -> NDArray[np.object_]:
    """object[n]; nested lists stay single values."""
    return np.fromiter(values, dtype=np.object_, count=len(values))


def _column(name: object, column: Any) -> Any:
    if isinstance(column, Cells):
        return column
    if isinstance(column, (str, bytes)) or not hasattr(column, "__len__") or not hasattr(column, "__iter__"):
        raise InvalidInput(f"column {name!r} must be an array or a list", field=str(name))
    if isinstance(column, np.ndarray) and column.ndim not in (1, 2):
        raise InvalidInput(f"column {name!r} must have one dimension, or two for vectors", field=str(name))
    return _as_series(column)


def _as_series(column: Any) -> Any:
    """An array of pandas (`series.array`, `categorical`) as the series that it belongs to; other columns unchanged."""
    names = {cls.__name__ for cls in type(column).__mro__ if cls.__module__.partition(".")[0] == "pandas"}
    if "ExtensionArray" not in names:
        return column
    import pandas as pd

    return pd.Series(column)


def _from_numpy(array: NDArray[Any], missing: BoolArray | None = None) -> Cells:
    if isinstance(array, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(array)
        missing = np.any(mask, axis=1) if array.ndim == 2 else mask
        array = array.data
    kind, size = array.dtype.kind, array.dtype.itemsize
    if array.ndim == 2:
        if kind in "iu" or (kind == "f" and size <= 8):
            return Cells(array if size in (4, 8) and kind == "f" else array.astype(np.float64), missing)
        return Cells(array[:, 0] if array.shape[1] else array, missing, unsupported=f"{array.dtype} matrix")
    if kind == "f" and size <= 8:
        values = array.astype(np.float64, copy=False)
        nan = np.isnan(values)
        if nan.any():
            missing = nan if missing is None else missing | nan
        return Cells(values, missing)
    if kind == "i" or (kind == "u" and size < 8):
        return Cells(array.astype(np.int64, copy=False), missing)
    if kind in "bu":
        return Cells(array, missing)
    if kind == "M":
        absent = np.isnat(array)
        return Cells(array, absent if missing is None else missing | absent)
    if kind == "O":
        return Cells(array, missing)
    if kind in ("U", "T"):
        return Cells(array.astype(np.object_), missing)
    return Cells(array, missing, unsupported=str(array.dtype))


def _from_pandas(series: Any) -> Cells:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _from_numpy(series.to_numpy())
    name = type(dtype).__name__
    if name == "ArrowDtype":
        return _from_arrow(series.array.__arrow_array__())
    missing = np.asarray(series.isna(), dtype=np.bool_)
    absent = missing if missing.any() else None
    if name == "DatetimeTZDtype":
        utc = series.dt.tz_convert(None) if hasattr(series, "dt") else series.tz_convert(None)
        return Cells(utc.to_numpy(), absent, zoned=True)
    kind = getattr(dtype, "kind", "O")
    if name == "BooleanDtype":
        return Cells(series.to_numpy(dtype=np.bool_, na_value=False), absent)
    if kind in "iu" and hasattr(dtype, "numpy_dtype"):
        return _from_numpy(series.to_numpy(dtype=dtype.numpy_dtype, na_value=0), absent)
    if kind == "f" and hasattr(dtype, "numpy_dtype"):
        return _from_numpy(series.to_numpy(dtype=np.float64, na_value=np.nan), absent)
    return Cells(series.astype(object).to_numpy(dtype=object), absent)


def _from_polars(series: Any) -> Cells:
    import polars as pl

    dtype = series.dtype
    missing = series.is_null().to_numpy() if series.null_count() else None
    if dtype == pl.Boolean:
        return Cells(series.fill_null(value=False).to_numpy(), missing)
    if dtype.is_integer() and dtype.to_python() is int and "128" not in str(dtype):
        return _from_numpy(series.fill_null(0).to_numpy(), missing)
    if dtype.is_float():
        return _from_numpy(series.cast(pl.Float64).fill_null(np.nan).to_numpy(), missing)
    if dtype == pl.Datetime:
        ticks = series.to_physical().fill_null(NOT_A_TIME).to_numpy()
        return Cells(ticks.view(f"datetime64[{dtype.time_unit}]"), missing, zoned=dtype.time_zone is not None)
    if dtype == pl.Date:
        days = series.to_physical().cast(pl.Int64).fill_null(NOT_A_TIME).to_numpy()
        return Cells(days.view("datetime64[D]"), missing)
    if dtype in (pl.Categorical, pl.Enum):
        return Cells(objects(series.cast(pl.String).to_list()), missing)
    if dtype == pl.Array and dtype.inner.is_numeric() and len(dtype.shape) == 1 and dtype.shape[0]:
        present = series.drop_nulls()
        if not present.explode().null_count():
            flat = present.explode().cast(pl.Float64).to_numpy().reshape(-1, dtype.shape[0])
            return _vectors(flat, missing)
    if dtype in (pl.String, pl.Null, pl.List, pl.Array, pl.Object) or dtype.is_integer() or dtype.is_decimal():
        return Cells(objects(series.to_list()), missing)
    return Cells(np.zeros(len(series), dtype=np.bool_), missing, unsupported=str(dtype))


def _from_arrow(array: Any) -> Cells:
    import pyarrow as pa

    from featurama_core.frames.views import plain_column

    array = plain_column(array)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    dtype, is_a = array.type, pa.types
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    if is_a.is_boolean(dtype):
        return Cells(array.fill_null(fill_value=False).to_numpy(zero_copy_only=False), missing)
    if is_a.is_integer(dtype):
        return _from_numpy(array.fill_null(0).to_numpy(zero_copy_only=False), missing)
    if is_a.is_floating(dtype):
        return _from_numpy(array.to_numpy(zero_copy_only=False), missing)
    if is_a.is_timestamp(dtype):
        ticks = array.view(pa.int64()).fill_null(NOT_A_TIME).to_numpy()
        return Cells(ticks.view(f"datetime64[{dtype.unit}]"), missing, zoned=dtype.tz is not None)
    if is_a.is_date(dtype):
        days = array.cast(pa.date32(), safe=False).view(pa.int32()).cast(pa.int64()).fill_null(NOT_A_TIME)
        return Cells(days.to_numpy(zero_copy_only=False).view("datetime64[D]"), missing)
    if is_a.is_decimal(dtype):
        return Cells(objects(array.to_pylist()), missing)
    if is_a.is_string(dtype) or is_a.is_large_string(dtype) or is_a.is_null(dtype):
        return Cells(array.to_numpy(zero_copy_only=False).astype(np.object_), missing)
    if is_a.is_dictionary(dtype):
        return _from_arrow(array.dictionary_decode())
    if isinstance(array, pa.ExtensionArray):
        return _from_arrow(array.storage)
    if dtype.num_fields == 1 and hasattr(dtype, "value_type"):
        return _from_arrow_lists(array, missing)
    return Cells(np.zeros(len(array), dtype=np.bool_), missing, unsupported=str(dtype))


def _from_arrow_lists(array: Any, missing: BoolArray | None) -> Cells:
    length = getattr(array.type, "list_size", 0)
    if length and _is_number(array.type.value_type):
        flat = array.drop_null().flatten()
        if not flat.null_count:
            return _vectors(flat.to_numpy(zero_copy_only=False).reshape(-1, length), missing)
    return Cells(objects(array.to_pylist()), missing)


def _is_number(dtype: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(dtype) or pa.types.is_floating(dtype))


def _vectors(present: NDArray[Any], missing: BoolArray | None) -> Cells:
    if missing is None:
        return _from_numpy(present)
    values = np.zeros((len(missing), present.shape[1]), dtype=present.dtype)
    values[~missing] = present
    return _from_numpy(values, missing)
