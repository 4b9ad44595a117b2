"""Frames out: named fields become a pandas, polars or Arrow table, numpy arrays, lists, or a small HTML table.

All results are converted here, so a value type has one dtype per library, with and without nulls. Integers keep all
digits. Columns of the caller keep their dtype. pandas, polars and pyarrow are imported on demand. Every table is a copy
of the fields. An absent value is null.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import objects, read_cells
from featurama_core.frames.schemas import (
    PANDAS_DTYPES,
    FieldKind,
    kind_of_arrow,
    pandas_dtype,
    with_facts,
    with_pandas_dtypes,
)
from featurama_core.frames.values import typed
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, FeaturamaError, InvalidInput
from featurama_core.types.times import MAX_EVENT_TIME, MIN_EVENT_TIME, to_datetime
from featurama_core.types.values import BoolArray, Int64Array, Status, ValueType, type_text

SHOWN_ROWS = 10
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One output column. values: the array of a `Column`, int64 times in microseconds ("us") or nanoseconds ("ns"), or
    a column object of the caller ("carried"). absent: bool[n], None if no value is absent. feature: for the values of a
    feature, its reference and type.
    """

    name: str
    kind: FieldKind
    values: Any
    absent: BoolArray | None = None
    feature: tuple[str, str] | None = None

    def head(self, rows: int) -> Field:
        """The first rows."""
        return Field(self.name, self.kind, self.values[:rows], None if self.absent is None else self.absent[:rows])


def value_field(name: str, column: Column) -> Field:
    """The values of a column."""
    absent = column.status != Status.PRESENT
    feature = column.reference, type_text(column.value_type, column.vector_length)
    return Field(name, column.value_type.label, column.values, absent if absent.any() else None, feature)


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


def arrow_fields(table: Any) -> list[Field]:
    """The columns of an Arrow table as fields."""
    return [Field(name, "carried", column) for name, column in zip(table.column_names, table.columns, strict=True)]


def library(name: str) -> Any:
    """The module pandas, polars or pyarrow. FailedPrecondition if it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise FailedPrecondition(f"{name} is not installed; pip install {name}", library=name) from error


def pandas_frame(fields: Sequence[Field], dtypes: Mapping[str, Any] | None = None, index: Any = None) -> Any:
    """See `Result.to_pandas`.

    dtypes: name -> dtype of columns that were a pandas frame's before they became Arrow columns. index: of the frame;
    None for a plain one.
    """
    pd, wanted = library("pandas"), dtypes or {}

    def series(field: Field) -> tuple[str, Any]:
        made, dtype = _pandas_series(pd, field), wanted.get(field.name)
        if dtype is None or made.dtype == dtype:
            return field.name, made
        as_python = dtype == np.object_ and _is_of(field.values, "pyarrow")
        return field.name, (pd.Series(_listed(field.values), dtype=object) if as_python else made).astype(dtype)

    made = dict(_made(fields, "pandas", series))
    frame = pd.DataFrame(made, copy=True)
    return frame if index is None else frame.set_axis(index, axis=0)


def polars_frame(fields: Sequence[Field]) -> Any:
    """See `Result.to_polars`."""
    pl = library("polars")
    return pl.DataFrame(list(_made(fields, "polars", lambda field: _polars_series(pl, field))))


def arrow_table(fields: Sequence[Field]) -> Any:
    """See `Result.to_arrow`."""
    pa = library("pyarrow")
    table = pa.table(dict(_made(fields, "Arrow", lambda field: (field.name, _arrow_array(pa, field)))))
    features = [
        {"column": field.name, "reference": field.feature[0], "type": field.feature[1]}
        for field in fields
        if field.feature is not None
    ]
    dtypes = {field.name: str(field.values.dtype) for field in fields if _is_of(field.values, "pandas")}
    return with_facts(with_pandas_dtypes(table, dtypes), {"features": features})


def numpy_arrays(fields: Sequence[Field]) -> dict[str, NDArray[Any]]:
    """See `Result.to_numpy`."""
    return dict(_made(fields, "numpy", lambda field: (field.name, _numpy_array(field))))


def lists(fields: Sequence[Field]) -> dict[str, list[Any]]:
    """See `Result.to_dict`."""
    return dict(_made(fields, "Python", lambda field: (field.name, _list(field))))


def _made(fields: Sequence[Field], target: str, convert: Callable[[Field], _T]) -> Iterator[_T]:
    """Each field converted. InvalidInput for a column of the caller that the target library cannot hold."""
    for field in fields:
        try:
            yield convert(field)
        except FeaturamaError:
            raise
        except Exception as error:
            if field.kind != "carried":
                raise
            problem = (str(error).splitlines() or [type(error).__name__])[0][:100]
            kind = getattr(field.values, "type", None) or getattr(field.values, "dtype", None) or "list"
            raise InvalidInput(
                f"{target} cannot hold the column {field.name}, which is {kind}: {problem}; convert it, or leave it "
                "out",
                field=field.name,
            ) from error


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
    values, absent, dtype = field.values, field.absent, PANDAS_DTYPES[field.kind]
    if field.kind in ("us", "ns"):
        return pd.Series(_ticks(field)).dt.tz_localize("UTC").astype(dtype)
    if field.kind == "text":
        return pd.Series(pd.array(_with_none(values, absent), dtype=dtype))
    if field.kind == "vector":
        return pd.Series(_with_none(objects(values.copy()), absent), dtype=dtype)
    if field.kind == "double":
        return pd.Series(values if absent is None else np.where(absent, np.nan, values), dtype=dtype)
    extension = pd.arrays.IntegerArray if field.kind == "int" else pd.arrays.BooleanArray
    mask = np.zeros(len(values), dtype=np.bool_) if absent is None else absent.copy()
    return pd.Series(extension(values.copy(), mask))


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
        # With a mapper, pandas' own types in Arrow (periods, intervals) would become what they are stored as.
        is_own = isinstance(values.type, library("pyarrow").BaseExtensionType)
        return values.to_pandas() if is_own else values.to_pandas(types_mapper=_nullable_integer)
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind not in "OU" and not _is_masked(values):
        return pd.Series(values)
    known = _of_values(field.name, values)
    return pd.Series(_listed(values)) if known is None else _pandas_series(pd, known)


def _of_arrow(name: str, column: Any) -> Field | None:
    """A field of an Arrow column (Array or ChunkedArray) of a type of features, statuses or times; None for others."""
    kind = kind_of_arrow(column.type)
    if kind is None:
        return None
    cells = read_cells(column)
    if kind == "vector" and cells.values.ndim != 2:
        return None
    values = cells.values.view(np.int64) if kind in ("us", "ns") else cells.values
    return Field(name, kind, values, cells.missing)


def _nullable_integer(dtype: Any) -> Any:
    """The pandas dtype of an Arrow integer type; None for other types."""
    is_integer = library("pyarrow").types.is_integer(dtype)
    return library("pandas").api.types.pandas_dtype(pandas_dtype(dtype)) if is_integer else None


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
        plain = isinstance(values, np.ndarray) and not _is_masked(values)
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
            # The newest level has views of strings, which fewer readers of files know.
            return values.to_arrow(compat_level=library("polars").CompatLevel.oldest())
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
        return _carried_in_numpy(values)
    if field.kind in ("us", "ns"):
        return _ticks(field)
    if absent is None:
        copied: NDArray[Any] = values.copy()
        return copied
    if field.kind == "text":
        return _with_none(values, absent)
    if field.kind in ("double", "vector"):
        return _with_nan(values, absent)
    masked: NDArray[Any] = np.ma.MaskedArray(values.copy(), mask=absent.copy())
    return masked


def _carried_in_numpy(values: Any) -> NDArray[Any]:
    """An array of the column's own dtype, masked or with NaT, NaN or None where it has no value."""
    cells = read_cells(values)
    kind = "" if cells.unsupported else cells.values.dtype.kind
    if kind == "M":
        return cells.values.copy()
    if kind == "O" or cells.values.ndim == 2:
        return _with_none(cells.values, cells.missing) if kind == "O" else _with_nan(cells.values, cells.missing)
    if kind in ("b", "i", "u") and cells.missing is not None:
        dtype = _plain(values[:0]).dtype
        data = cells.values.astype(dtype if dtype.kind == kind else cells.values.dtype)
        return np.ma.MaskedArray(data, mask=cells.missing.copy())
    return _plain(values)


def _plain(values: Any) -> NDArray[Any]:
    plain: NDArray[Any] = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    return plain.copy()


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


def _is_masked(values: object) -> bool:
    return isinstance(values, np.ma.MaskedArray)


def _is_of(values: object, library_name: str) -> bool:
    return type(values).__module__.partition(".")[0] == library_name


def _listed(values: Any) -> list[Any]:
    """Python values of a column of the caller, None where it has none."""
    if hasattr(values, "to_pylist"):
        return list(values.to_pylist())
    listed = list(values.tolist() if hasattr(values, "tolist") else values)
    if not hasattr(values, "dtype"):
        return listed
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        # numpy would list nanoseconds as numbers.
        return list(values.astype("datetime64[us]").tolist())
    missing = None if _is_of(values, "polars") else read_cells(values).missing
    if missing is None:
        return listed
    return [None if absent else value for value, absent in zip(listed, missing.tolist(), strict=True)]


def _with_none(values: NDArray[Any], absent: BoolArray | None) -> NDArray[np.object_]:
    out: NDArray[np.object_] = values.astype(np.object_)
    if absent is not None:
        out[absent] = None
    return out


def _with_nan(values: NDArray[Any], absent: BoolArray | None) -> NDArray[Any]:
    out = values.copy()
    if absent is not None:
        out[absent] = np.nan
    return out
