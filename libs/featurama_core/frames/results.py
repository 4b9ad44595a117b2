"""What reads answer with: columns, and every shape users ask for them in.

`statuses=True` adds `<name>__status` (text), `event_times=True` `<name>__event_time`. A value that is not PRESENT is
null; its status tells why. Columns that share a name (two versions of one feature) are named by their references.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import objects
from featurama_core.frames.tables import (
    Field,
    arrow_table,
    html_table,
    lists,
    numpy_arrays,
    pandas_frame,
    polars_frame,
    status_field,
    time_field,
    value_field,
)
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Result:
    """A table of n rows in whatever shape is asked for. Every shape is a copy."""

    __slots__ = ()

    def to_pandas(self, *, statuses: bool = False, event_times: bool = False) -> pd.DataFrame:
        """float64, int64 (Int64 if some are null), bool (boolean), text, float32 arrays; datetime64[us, UTC]."""
        frame: pd.DataFrame = pandas_frame(self._fields(statuses=statuses, event_times=event_times))
        return frame

    def to_polars(self, *, statuses: bool = False, event_times: bool = False) -> pl.DataFrame:
        """Float64, Int64, Boolean, String, Array(Float32, length), Datetime("us", "UTC")."""
        frame: pl.DataFrame = polars_frame(self._fields(statuses=statuses, event_times=event_times))
        return frame

    def to_arrow(self, *, statuses: bool = False, event_times: bool = False) -> pa.Table:
        """double, int64, bool, string, fixed_size_list<float>[length], timestamp[us, UTC]."""
        return arrow_table(self._fields(statuses=statuses, event_times=event_times))

    def to_numpy(self, *, statuses: bool = False, event_times: bool = False) -> dict[str, NDArray[Any]]:
        """Name -> array. Nulls are NaN in doubles and vectors, None in text, NaT in times; an int or bool column with
        nulls is a numpy masked array. Times are datetime64[us] in UTC.
        """
        return numpy_arrays(self._fields(statuses=statuses, event_times=event_times))

    def to_dict(self, *, statuses: bool = False, event_times: bool = False) -> dict[str, list[Any]]:
        """Name -> Python values, None for null; times are datetimes in UTC, vectors lists of float."""
        return lists(self._fields(statuses=statuses, event_times=event_times))

    def _repr_html_(self) -> str:
        return html_table(self._fields(statuses=False, event_times=False), len(self), repr(self))

    def __len__(self) -> int:
        raise NotImplementedError

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OnlineFeatures(Result):
    """The newest values: a row an entity, in the order asked. as_of_time: microseconds, the moment of the read."""

    entity_ids: Sequence[str]
    columns: Sequence[Column]
    as_of_time: int

    def __len__(self) -> int:
        return len(self.entity_ids)

    def __repr__(self) -> str:
        return _told("OnlineFeatures", len(self), self.columns, self.as_of_time)

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        labels = [Field("entity_id", "text", objects(self.entity_ids))]
        return _beside(labels, self.columns, statuses=statuses, event_times=event_times)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HistoricalFeatures(Result):
    """Values as they were: the caller's label rows, all their columns kept, and a column a feature beside them.

    labels: array-likes of n rows in order, of any frame library; a list, or int64 numpy array of microseconds named
    `timestamp`, is made into text or times. as_of_time: microseconds, the moment of the read.
    """

    labels: Mapping[str, Any]
    columns: Sequence[Column]
    as_of_time: int

    def __len__(self) -> int:
        return next((len(column) for column in (*self.labels.values(), *self.columns)), 0)

    def __repr__(self) -> str:
        return _told("HistoricalFeatures", len(self), self.columns, self.as_of_time)

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        labels = [_label_field(name, values) for name, values in self.labels.items()]
        return _beside(labels, self.columns, statuses=statuses, event_times=event_times)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FeatureHistory(Result):
    """One feature of one entity, newest first: a long frame (entity_id, feature_name, timestamp, value, ingested_at).

    column: n values with their event times; ingested_at: int64[n], nanosecond-like; next_page: "" at the end.
    """

    entity_id: str
    column: Column
    ingested_at: Int64Array
    as_of_time: int
    next_page: str = ""

    def __len__(self) -> int:
        return len(self.column)

    def __repr__(self) -> str:
        return _told("FeatureHistory", len(self), [self.column], self.as_of_time)

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        """`event_times` adds nothing: the timestamp is one."""
        del event_times
        fields = [
            Field("entity_id", "text", objects([self.entity_id] * len(self))),
            Field("feature_name", "text", objects([self.column.name] * len(self))),
            Field("timestamp", "us", self.column.event_time),
            value_field("value", self.column),
            Field("ingested_at", "ns", self.ingested_at),
        ]
        return [*fields, status_field("value__status", self.column)] if statuses else fields


class Named(Protocol):
    """What has a column in a table: a name, and a pinned reference or ""."""

    @property
    def name(self) -> str:
        """Its own."""

    @property
    def reference(self) -> str:
        """Pinned."""


NamedT = TypeVar("NamedT", bound=Named)


def distinct(columns: Iterable[NamedT]) -> list[NamedT]:
    """Each once: `distance` and `distance@1` may be one column that is asked for twice."""
    return list({(column.name, column.reference): column for column in columns}.values())


def output_names(columns: Sequence[Named]) -> list[str]:
    """The name of each column in a table: its own, or its pinned reference if another column has that name too."""
    names = Counter(column.name for column in columns)
    return [column.reference or column.name if names[column.name] > 1 else column.name for column in columns]


def feature_columns(names: Iterable[str], *, statuses: bool, event_times: bool) -> list[str]:
    """The columns of features that have these names in a table."""
    suffixes = ["", *["__status"] * statuses, *["__event_time"] * event_times]
    return [f"{name}{suffix}" for name in names for suffix in suffixes]


def refuse_repeats(names: Iterable[str]) -> None:
    """Raise InvalidInput if two columns of a table would have one name."""
    for name, times in Counter(names).items():
        if times > 1:
            raise InvalidInput(f"two columns would be named {name!r}; rename the label column", field=name)


def _beside(labels: list[Field], columns: Sequence[Column], *, statuses: bool, event_times: bool) -> list[Field]:
    """Label columns, and those of features."""
    fields = list(labels)
    shown = distinct(columns)
    for name, column in zip(output_names(shown), shown, strict=True):
        fields.append(value_field(name, column))
        if statuses:
            fields.append(status_field(f"{name}__status", column))
        if event_times:
            fields.append(time_field(f"{name}__event_time", column))
    refuse_repeats(field.name for field in fields)
    return fields


def _label_field(name: str, values: Any) -> Field:
    if name == "timestamp" and isinstance(values, np.ndarray) and values.dtype == np.int64:
        return Field(name, "us", values)
    if isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values):
        return Field(name, "text", objects(values))
    return Field(name, "carried", values)


def _told(name: str, rows: int, columns: Sequence[Column], as_of_time: int) -> str:
    shown = ", ".join(column.name for column in columns[:8]) + (", ..." if len(columns) > 8 else "")
    return f"{name}({rows} rows: {shown}; as of {to_rfc3339(as_of_time)})"
