"""Label rows in memory as an Arrow table, with the names and types that are declared for their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from featurama_core.datasets.one_type import check_one_type
from featurama_core.files.layout import FileLayout
from featurama_core.files.typed import declared_column, no_value
from featurama_core.frames.cells import frame_kind, index_columns
from featurama_core.frames.mapped_rows import columns_of, is_rows
from featurama_core.frames.renaming import renamed
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.values import is_empty
from featurama_core.frames.views import plain_table
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.schema import EntityType

ROWS_ON_THE_LOOP = 1_000
"""Up to this number, converting and checking label rows takes less time than waking a thread."""

_UNCONVERTED = (pa.ArrowException, TypeError, ValueError, AttributeError, ArithmeticError)


def label_table(
    labels: Any, columns: SpineColumns, kinds: Sequence[EntityType], layout: FileLayout
) -> tuple[Any, dict[str, Any], Any]:
    """(an Arrow table of a frame, or of a list of ids, with the names and types of its layout; of a pandas frame the
    dtypes of its columns; and its index). kinds: see `SpineColumns.with_keys`.

    InvalidInput names the row of a value that a type does not hold, or of another type than those before it.

    A named level of an index is a column where a key or the time is missing, and no column otherwise.
    """
    table, levels = _table(labels)
    names = {name: dict(layout.rename).get(name, name) for name in (*table.column_names, *levels)}
    keys = columns.with_keys(kinds, list(names.values())).keys
    for name, level in reversed(levels.items()):
        if names[name] in keys and name not in table.column_names:
            table = table.add_column(0, name, level if isinstance(level, pa.ChunkedArray) else _level(name, level))
    dtypes = {name: dtype for name, dtype in _dtypes(labels).items() if name in table.column_names}
    if layout.rename:
        new = renamed(layout.rename, table.column_names)
        dtypes = {name: dtypes[old] for name, old in zip(new, table.column_names, strict=True) if old in dtypes}
        table = table.rename_columns(new)
    layout.check_columns(table.column_names)
    for name, value_type in layout.value_types.items():
        at = table.column_names.index(name)
        column, left = declared_column(table.column(at), value_type, layout.texts)
        for row, value in left.items():
            problem = no_value(value, value_type, layout.texts)
            raise InvalidInput(
                f"label row {row}, column {name}: {problem}", reason=Reason.INVALID_VALUE, field=name, row=row
            )
        if column.type != table.column(at).type:
            table, _ = table.set_column(at, name, column), dtypes.pop(name, None)
    return table, dtypes, labels.index if frame_kind(labels) == "pandas" else None


def _level(name: str, level: Any) -> Any:
    values = [None if is_empty(each) else each for each in level.tolist()] if level.dtype == object else level
    try:
        return pa.array(values)
    except _UNCONVERTED as error:
        check_one_type(name, values)
        raise InvalidInput(f"the index {name} cannot be made a column; reset_index() first", field=name) from error


def _table(labels: Any) -> tuple[Any, dict[str, Any]]:
    """An Arrow table, and the named levels of the index of pandas, of pandas or Arrow."""
    if isinstance(labels, pa.RecordBatchReader):
        labels = labels.read_all()
    elif type(labels).__name__ == "LazyFrame":
        labels = labels.collect()
    labels = columns_of(labels) if is_rows(labels) else labels
    kind = frame_kind(labels)
    if kind is None and (isinstance(labels, bytes) or not hasattr(labels, "__iter__")):
        raise InvalidInput(
            "labels must be a pandas, polars or Arrow frame, or a path of Parquet, CSV or Arrow files", field="labels"
        )
    _check_cells(labels)
    try:
        if kind == "pandas":
            threads = 1 if len(labels) <= ROWS_ON_THE_LOOP else None
            table = pa.Table.from_pandas(labels, preserve_index=False, nthreads=threads)
        elif kind == "polars":
            import polars as pl

            # The newest level has views of strings, which fewer readers of files know.
            table = labels.to_arrow(compat_level=pl.CompatLevel.oldest())
        elif kind == "arrow":
            table = labels if isinstance(labels, pa.Table) else pa.Table.from_batches([labels])
        else:
            # A list of ids. What is no text is missing, and named by its row where the ids are read.
            ids = labels if kind else {"entity_id": [each if isinstance(each, str) else None for each in labels]}
            table = pa.table(dict(ids))
        table = plain_table(table)
    except _UNCONVERTED as error:
        for name, column in _object_columns(labels):
            check_one_type(name, column)
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InvalidInput(f"the label rows cannot be made an Arrow table: {first}", field="labels") from error
    hidden = index_columns(table.schema)
    levels = {name: table.column(name) for name in hidden}
    if kind == "pandas":
        named = {name: at for at, name in enumerate(labels.index.names) if isinstance(name, str)}
        levels = {name: labels.index.get_level_values(at) for name, at in named.items()}
    return table.drop_columns(list(hidden)).replace_schema_metadata(None), levels


def _object_columns(labels: Any) -> Iterator[tuple[str, Any]]:
    """The columns of Python objects of a pandas frame or a mapping."""
    for name, column in labels.items() if frame_kind(labels) in ("pandas", "columns") else ():
        if isinstance(column, (list, tuple)) or getattr(column, "dtype", None) == np.dtype(object):
            yield name, column


def _check_cells(labels: Any) -> None:
    """Pyarrow crashes for some numbers beside times of numpy, and takes numpy's bools as numbers."""
    for name, column in _object_columns(labels):
        if any(isinstance(each, (np.longdouble, np.complexfloating, np.void)) for each in column):
            raise InvalidInput(f"column {name} holds numpy's longdouble, complex or void; convert it", field="labels")
        if any(isinstance(each, np.bool_) for each in column):
            check_one_type(name, column)


def _dtypes(labels: Any) -> dict[str, Any]:
    if frame_kind(labels) != "pandas":
        return {}
    levels = {name: labels.index.get_level_values(at).dtype for at, name in enumerate(labels.index.names)}
    return levels | dict(labels.dtypes.items())
