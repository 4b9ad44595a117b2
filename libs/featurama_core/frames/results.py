"""Results of reads: columns, and their conversions to frames, arrays and lists.

`statuses=True` adds columns `<name>__status` (text), `event_times=True` adds `<name>__event_time`. A value that is not
PRESENT is null; its status is the reason. `naming` says how columns are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import objects
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.tables import (
    Field,
    arrow_table,
    html_table,
    lists,
    numpy_arrays,
    pandas_frame,
    polars_frame,
    status_field,
    value_field,
)
from featurama_core.types.column import Column
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Result:
    """A table of n rows. Every conversion returns a copy, with one dtype per value type, with and without nulls.

    All conversions take `statuses` and `event_times`, which add a status and an event time column per feature. Label
    columns keep the dtype that they came with. A result is also an Arrow stream (`__arrow_c_stream__`), which polars,
    DuckDB and pyarrow take as a table.
    """

    __slots__ = ()

    def to_pandas(self, *, statuses: bool = False, event_times: bool = False) -> pd.DataFrame:
        """A pandas DataFrame. Label rows of a pandas frame keep the index of that frame; other rows have a plain one.

        Returns:
            float64, Int64, boolean, string, arrays of float32; datetime64[us, UTC].
        """
        fields = self._fields(statuses=statuses, event_times=event_times)
        frame: pd.DataFrame = pandas_frame(fields, index=self._index())
        return frame

    def to_polars(self, *, statuses: bool = False, event_times: bool = False) -> pl.DataFrame:
        """A polars DataFrame.

        Returns:
            Float64, Int64, Boolean, String, Array(Float32, length); Datetime("us", "UTC").
        """
        frame: pl.DataFrame = polars_frame(self._fields(statuses=statuses, event_times=event_times))
        return frame

    def to_arrow(self, *, statuses: bool = False, event_times: bool = False) -> pa.Table:
        """A pyarrow Table.

        Returns:
            double, int64, bool, string, fixed_size_list<float>[length]; timestamp[us, UTC]. The metadata of its schema
            names the features (`featurama`) and the dtypes of `to_pandas` (`pandas`).
        """
        return arrow_table(self._fields(statuses=statuses, event_times=event_times))

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The table of `to_arrow` for any library of Arrow's PyCapsule interface."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_numpy(self, *, statuses: bool = False, event_times: bool = False) -> dict[str, NDArray[Any]]:
        """Numpy arrays by column name.

        Returns:
            Name -> array. Nulls are NaN in doubles and vectors, None in text, NaT in times. An int or bool column with
            nulls is a masked array. Times are datetime64[us] in UTC.
        """
        return numpy_arrays(self._fields(statuses=statuses, event_times=event_times))

    def to_dict(self, *, statuses: bool = False, event_times: bool = False) -> dict[str, list[Any]]:
        """Lists of Python values by column name.

        Returns:
            Name -> values. Nulls are None, times are datetimes in UTC, vectors are lists of float.
        """
        return lists(self._fields(statuses=statuses, event_times=event_times))

    def _repr_html_(self) -> str:
        return html_table(self._fields(statuses=False, event_times=False), len(self), repr(self))

    def __len__(self) -> int:
        raise NotImplementedError

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        raise NotImplementedError

    def _index(self) -> Any:
        """The pandas index of the rows, None for a plain one."""
        return None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OnlineFeatures(Result):
    """The newest values: one row per requested entity, in order.

    Attributes:
        entity_ids: The ids of the n rows, "" for a row that names no entity; () for rows that name several.
        columns: One column of n values per feature.
        as_of_time: Microseconds since 1970 UTC, the time of the read.
        labels: Name -> n values, the caller's key columns or columns of roles; empty for rows of ids.
        unnamed: Number of rows whose keys, in a role, are null or no keys: their features are NOT_FOUND.
    """

    entity_ids: Sequence[str]
    columns: Sequence[Column]
    as_of_time: int
    labels: Mapping[str, Any] = field(default_factory=dict)
    unnamed: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.labels.values()), self.entity_ids))

    def __repr__(self) -> str:
        return _summary("OnlineFeatures", len(self), self.columns, self.as_of_time, self.unnamed)

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        labels = [label_field(name, values) for name, values in self.labels.items()]
        labels = labels or [Field("entity_id", "text", objects(self.entity_ids))]
        return FeatureColumns(statuses, event_times).beside(labels, self.columns)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HistoricalFeatures(Result):
    """Point-in-time features: the label rows with all their columns, and one column per feature.

    Attributes:
        labels: Name -> n values, as objects of any frame library. A list becomes text, and an int64 numpy array of
            microseconds named `timestamp` becomes times.
        columns: One column of n values per feature.
        as_of_time: Microseconds since 1970 UTC, the time of the read.
        unnamed: Number of rows whose keys, in a role, are null or no keys: their features are NOT_FOUND.
        index: The index of a pandas frame of label rows, None for other rows.
    """

    labels: Mapping[str, Any]
    columns: Sequence[Column]
    as_of_time: int
    unnamed: int = 0
    index: Any = None

    def __len__(self) -> int:
        return next((len(column) for column in (*self.labels.values(), *self.columns)), 0)

    def __repr__(self) -> str:
        return _summary("HistoricalFeatures", len(self), self.columns, self.as_of_time, self.unnamed)

    def _index(self) -> Any:
        return self.index

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        labels = [label_field(name, values) for name, values in self.labels.items()]
        return FeatureColumns(statuses, event_times).beside(labels, self.columns)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FeatureHistory(Result):
    """One feature of one entity, newest first: a long frame (entity_id, feature_name, timestamp, value, ingested_at).

    Attributes:
        entity_id: Id of the entity.
        column: n values with their event times.
        ingested_at: int64[n], ingest times as nanoseconds since 1970 UTC.
        as_of_time: Microseconds since 1970 UTC, the time of the read.
        next_page: Token of the next page, "" after the last page.
        keys: The keys that were given instead of the id.
    """

    entity_id: str
    column: Column
    ingested_at: Int64Array
    as_of_time: int
    next_page: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.column)

    def __repr__(self) -> str:
        return _summary("FeatureHistory", len(self), [self.column], self.as_of_time)

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        """`event_times` has no effect: the timestamp is the event time."""
        del event_times
        named = self.keys or {"entity_id": self.entity_id}
        fields = [
            *(label_field(name, objects([value] * len(self))) for name, value in named.items()),
            Field("feature_name", "text", objects([self.column.name] * len(self))),
            Field("timestamp", "us", self.column.event_time),
            value_field("value", self.column),
            Field("ingested_at", "ns", self.ingested_at),
        ]
        return [*fields, status_field("value__status", self.column)] if statuses else fields


def label_field(name: str, values: Any) -> Field:
    """A column of the caller."""
    if name == "timestamp" and isinstance(values, np.ndarray) and values.dtype == np.int64:
        return Field(name, "us", values)
    if isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values):
        return Field(name, "text", objects(values))
    return Field(name, "carried", values)


def _summary(name: str, rows: int, columns: Sequence[Column], as_of_time: int, unnamed: int = 0) -> str:
    shown = ", ".join(column.name for column in columns[:8]) + (", ..." if len(columns) > 8 else "")
    without = f"; {unnamed} rows name no entity" if unnamed else ""
    return f"{name}({rows} rows: {shown}; as of {to_rfc3339(as_of_time)}{without})"
