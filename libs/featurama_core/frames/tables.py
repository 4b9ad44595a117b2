"""Frames out: named fields become a pandas, polars or Arrow table, numpy arrays, lists, or a small HTML table.

All results are converted here, so a value type has one dtype per library. Integers with nulls keep all digits. pandas,
polars and pyarrow are imported on demand, and only here. Every table is a copy of the fields. An absent value is null.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import objects, read_cells
from featurama_core.frames.values import typed
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition
from featurama_core.types.times import MAX_EVENT_TIME, MIN_EVENT_TIME, to_datetime
from featurama_core.types.values import BoolArray, Int64Array, Status, ValueType

SHOWN_ROWS = 10

FieldKind = Literal["double", "int", "text", "bool", "vector", "us", "ns", "carried"]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One output column. values: the array of a `Column`, int64 times in microseconds ("us") or nanoseconds ("ns"), or
    a column object of the caller ("carried"). absent: bool[n], None if no value is absent.
    """

    name: str
    kind: FieldKind
    values: Any
    absent: BoolArray | None = None

    def head(self, rows: int) -> Field:
        """The first rows."""
        return Field(self.name, self.kind, self.values[:rows], None if self.absent is None else self.absent[:rows])


def value_field(name: str, column: Column) -> Field:
    """The values of a column."""
    absent = column.status != Status.PRESENT
    return Field(name, column.value_type.label, column.values, absent if absent.any() else None)


def status_field(name: str, column: Column) -> Field:
    """The statuses of a column, as their names."""
    names = np.full(256, "", dtype=np.object_)
    for status in Status:
        names[status] = status.name
    return Field(name, "text", names[column.status])


def time_field(name: str, column: Column) -> Field:
    """The event times of a column, null for NOT_FOUND and ERROR."""
    absent = (column.status == Status.NOT_FOUND) | (column.status == Status.ERROR)
    return Field(name, "us", column.event_time, absent if absent.any() else None)


def feature_fields(name: str, column: Column, *, statuses: bool, event_times: bool) -> list[Field]:
    """The values of a column with this name, and its statuses and event times if they are wanted."""
    fields = [value_field(name, column)]
    if statuses:
        fields.append(status_field(f"{name}__status", column))
    if event_times:
        fields.append(time_field(f"{name}__event_time", column))
    return fields


def arrow_fields(table: Any) -> list[Field]:
    """The columns of an Arrow table as fields."""
    return [Field(name, "carried", column) for name, column in zip(table.column_names, table.columns, strict=True)]


_PANDAS_DTYPE: dict[FieldKind, tuple[str, str]] = {
    "double": ("float64", "float64"),
    "int": ("int64", "Int64"),
    "bool": ("bool", "boolean"),
    "text": ("str", "str"),
    "vector": ("object", "object"),
    "us": ("datetime64[us, UTC]", "datetime64[us, UTC]"),
    "ns": ("datetime64[ns, UTC]", "datetime64[ns, UTC]"),
}
"""Dtypes without nulls and with nulls. `str` is the text dtype of pandas 3; earlier versions use object."""


def library(name: str) -> Any:
    """The module pandas, polars or pyarrow. FailedPrecondition if it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise FailedPrecondition(f"{name} is not installed; pip install {name}", library=name) from error


def pandas_frame(fields: Sequence[Field]) -> Any:
    """See `Result.to_pandas`. The index is plain."""
    pd = library("pandas")
    return pd.DataFrame({field.name: _pandas_series(pd, field) for field in fields}, copy=True)


def polars_frame(fields: Sequence[Field]) -> Any:
    """See `Result.to_polars`."""
    pl = library("polars")
    return pl.DataFrame([_polars_series(pl, field) for field in fields])


def arrow_table(fields: Sequence[Field]) -> Any:
    """See `Result.to_arrow`."""
    pa = library("pyarrow")
    return pa.table({field.name: _arrow_array(pa, field) for field in fields})


def numpy_arrays(fields: Sequence[Field]) -> dict[str, NDArray[Any]]:
    """See `Result.to_numpy`."""
    return {field.name: _numpy_array(field) for field in fields}


def lists(fields: Sequence[Field]) -> dict[str, list[Any]]:
    """See `Result.to_dict`."""
    return {field.name: _list(field) for field in fields}


def html_table(fields: Sequence[Field], rows: int, caption: str) -> str:
    """The first 10 rows, escaped."""
    shown = lists([field.head(SHOWN_ROWS) for field in fields])
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in shown)
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in values) + "</tr>"
        for values in zip(*shown.values(), strict=True)
    )
    more = f" (first {SHOWN_ROWS} shown)" if rows > SHOWN_ROWS else ""
    return (
        f"<table><caption>{html.escape(caption + more)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _ticks(field: Field) -> NDArray[Any]:
    times: NDArray[Any] = field.values.astype(f"datetime64[{field.kind}]")
    if field.absent is not None:
        times[field.absent] = np.array("NaT", dtype=times.dtype)
    return times


def _pandas_series(pd: Any, field: Field) -> Any:
    if field.kind == "carried":
        return _carried_in_pandas(pd, field)
    values, absent = field.values, field.absent
    dtype = _PANDAS_DTYPE[field.kind][absent is not None]
    if field.kind in ("us", "ns"):
        return pd.Series(_ticks(field)).dt.tz_localize("UTC").astype(dtype)
    if field.kind == "text":
        text = pd.Series(_with_none(values, absent), dtype=object)
        return text.astype(dtype) if int(pd.__version__.partition(".")[0]) >= 3 else text
    if field.kind == "vector":
        return pd.Series(_with_none(objects(values.copy()), absent), dtype=dtype)
    if absent is None:
        return pd.Series(values, dtype=dtype)
    if field.kind == "double":
        return pd.Series(np.where(absent, np.nan, values), dtype=dtype)
    extension = pd.arrays.IntegerArray if field.kind == "int" else pd.arrays.BooleanArray
    return pd.Series(extension(values.copy(), absent.copy()), dtype=dtype)


def _carried_in_pandas(pd: Any, field: Field) -> Any:
    values = field.values
    if hasattr(values, "reset_index"):
        return values.reset_index(drop=True)
    if _is_of(values, "polars"):
        values = values.to_arrow()
    if _is_of(values, "pyarrow"):
        known = _of_arrow(field.name, values)
        if known is not None:
            return _pandas_series(pd, known)
        return values.to_pandas(types_mapper=partial(_beside_nulls, pd) if values.null_count else None)
    if isinstance(values, np.ndarray) and values.ndim == 1 and not isinstance(values, np.ma.MaskedArray):
        return pd.Series(values)
    known = _of_values(field.name, values)
    return pd.Series(_listed(values)) if known is None else _pandas_series(pd, known)


def _of_arrow(name: str, column: Any) -> Field | None:
    """A field of an Arrow column (Array or ChunkedArray) of a type of features, statuses or times; None for others."""
    pa = library("pyarrow")
    dtype = column.type
    of_vectors = pa.types.is_fixed_size_list(dtype) and pa.types.is_floating(dtype.value_type)
    kind = "vector" if of_vectors else _KIND_OF_ARROW.get(str(dtype))
    if kind is None:
        return None
    cells = read_cells(column)
    if of_vectors and cells.values.ndim != 2:
        return None
    values = cells.values.view(np.int64) if kind in ("us", "ns") else cells.values
    return Field(name, kind, values, cells.missing)


_KIND_OF_ARROW: dict[str, FieldKind] = {
    "double": "double",
    "int64": "int",
    "bool": "bool",
    "string": "text",
    "large_string": "text",
    "string_view": "text",
    "timestamp[us, tz=UTC]": "us",
    "timestamp[ns, tz=UTC]": "ns",
}


def _beside_nulls(pd: Any, dtype: Any) -> Any:
    """The pandas dtype of an Arrow integer type with nulls; None for other types."""
    # `uint8` of Arrow is `UInt8` in pandas.
    whole = library("pyarrow").types.is_integer(dtype)
    return pd.api.types.pandas_dtype(str(dtype).replace("int", "Int").replace("u", "U")) if whole else None


def _of_values(name: str, values: Any) -> Field | None:
    """A field of a list or masked array with values of one type, with or without nulls; None for others and vectors."""
    if getattr(values, "ndim", 1) != 1:
        return None
    column = typed(read_cells(values))
    if column.problems or len(column.parts) != 1 or column.parts[0].value_type is ValueType.VECTOR:
        return None
    (part,) = column.parts
    return Field(name, part.value_type.label, part.values, column.null)


def _polars_series(pl: Any, field: Field) -> Any:
    name, values, absent = field.name, field.values, field.absent
    if field.kind == "carried":
        if _is_of(values, "polars"):
            return values.alias(name)
        if hasattr(values, "reset_index"):
            return pl.Series(name, pl.from_pandas(values.reset_index(drop=True)))
        if _is_of(values, "pyarrow"):
            return pl.Series(name, pl.from_arrow(values))
        plain = isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray)
        return pl.Series(name, values if plain else _listed(values))
    if field.kind in ("us", "ns"):
        series = pl.Series(name, field.values, dtype=pl.Int64).cast(pl.Datetime(field.kind, "UTC"))
    elif field.kind == "text":
        series = pl.Series(name, values.tolist(), dtype=pl.String)
    elif field.kind == "vector":
        series = pl.Series(name, values, dtype=pl.Array(pl.Float32, values.shape[1]))
    else:
        series = pl.Series(name, values.copy())
    if absent is None:
        return series
    return pl.select(pl.when(pl.Series(~absent)).then(series).alias(name)).to_series()


def _arrow_array(pa: Any, field: Field) -> Any:
    values, absent = field.values, field.absent
    if field.kind == "carried":
        if hasattr(values, "to_arrow"):
            return values.to_arrow()
        if _is_of(values, "pyarrow"):
            return values
        return pa.array(values if hasattr(values, "dtype") else _listed(values), from_pandas=True)
    if field.kind in ("us", "ns"):
        return pa.array(field.values, pa.int64(), mask=absent).cast(pa.timestamp(field.kind, "UTC"))
    if field.kind == "text":
        return pa.array(values, pa.string(), mask=absent)
    if field.kind == "vector":
        mask = None if absent is None else pa.array(absent)
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1], mask=mask)
    return pa.array(values, mask=absent)


def _numpy_array(field: Field) -> NDArray[Any]:
    values, absent = field.values, field.absent
    if field.kind == "carried":
        cells = read_cells(values)
        if cells.missing is not None and cells.values.dtype.kind in "biu" and not cells.unsupported:
            return np.ma.MaskedArray(cells.values.copy(), mask=cells.missing.copy())
        plain: NDArray[Any] = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
        return plain
    if field.kind in ("us", "ns"):
        return _ticks(field)
    if absent is None:
        copied: NDArray[Any] = values.copy()
        return copied
    if field.kind == "text":
        return _with_none(values, absent)
    if field.kind in ("double", "vector"):
        out: NDArray[Any] = values.copy()
        out[absent] = np.nan
        return out
    masked: NDArray[Any] = np.ma.MaskedArray(values.copy(), mask=absent.copy())
    return masked


def _list(field: Field) -> list[Any]:
    if field.kind == "carried":
        return _listed(field.values)
    if field.kind in ("us", "ns"):
        micros: Int64Array = field.values if field.kind == "us" else field.values // 1_000
        moments: list[Any] = [to_datetime(each) for each in np.clip(micros, MIN_EVENT_TIME, MAX_EVENT_TIME).tolist()]
    else:
        moments = field.values.tolist()
    if field.absent is None:
        return moments
    return [None if absent else value for value, absent in zip(moments, field.absent.tolist(), strict=True)]


def _is_of(values: object, library_name: str) -> bool:
    return type(values).__module__.partition(".")[0] == library_name


def _listed(values: Any) -> list[Any]:
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(values, method):
            listed: list[Any] = getattr(values, method)()
            return listed
    return list(values)


def _with_none(values: NDArray[Any], absent: BoolArray | None) -> NDArray[np.object_]:
    out: NDArray[np.object_] = values.astype(np.object_)
    if absent is not None:
        out[absent] = None
    return out
