"""Label rows: the entities and moments that a point-in-time read answers for. No row is lost, moved or changed.

The rules of label rows, wherever they lie: `LabelColumns` says which columns hold entity and moment, `judged` what is
an id and a time, and which row an error names. `label_rows` reads rows in memory, `datasets.labels` batches and files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurama_core.frames.cells import Frame, FrameKind, frame_kind, objects, open_frame, read_cells
from featurama_core.frames.keys import CodedTexts, coded_texts
from featurama_core.frames.times import event_times
from featurama_core.frames.values import CellError
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import Time, to_micros
from featurama_core.types.values import Int64Array


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Which columns say entity and moment. `moment`: microseconds for all rows where there is no time column.

    timezone: of times that name none. of_types: (entity type, column) where there are several columns; `entity` serves
    the types that are not named, "" if there are none. optional: whether a row may name no entity in `entity`, as it
    may in the columns of types.
    """

    entity: str = "entity_id"
    time: str = "timestamp"
    moment: int | None = None
    timezone: str | None = None
    of_types: tuple[tuple[str, str], ...] = ()
    optional: bool = False

    @classmethod
    def of(
        cls,
        entity_column: str = "entity_id",
        time_column: str = "timestamp",
        timestamp: Time | None = None,
        timezone: str | None = None,
        entity_columns: Mapping[str, str] | None = None,
    ) -> LabelColumns:
        """The arguments of `FeatureStore.training_set` of these names. Raises InvalidInput."""
        moment = None if timestamp is None else to_micros(timestamp, "timestamp")
        return cls(entity_column, time_column, moment, timezone, _of_types(entity_columns))

    @property
    def entities(self) -> list[str]:
        """The entity columns, each once."""
        return list(dict.fromkeys([*([self.entity] if self.entity else []), *(name for _, name in self.of_types)]))

    @property
    def keys(self) -> list[str]:
        """All columns that say entity or moment."""
        return self.entities if self.moment is not None else [*self.entities, self.time]

    @property
    def certain(self) -> LabelColumns:
        """Those that are read whatever the features: beside columns of types, `entity` may turn out not to be."""
        return replace(self, entity="") if self.of_types else self

    def may_lack(self, column: str) -> bool:
        """Whether a row may name no entity in this column."""
        return self.optional or column != self.entity

    def of_type(self, entity_type: str) -> str:
        """The column of a type's entities."""
        return dict(self.of_types).get(entity_type, self.entity)

    def alone(self, column: str) -> LabelColumns:
        """This one of the entity columns, with the time."""
        return replace(self, entity=column, of_types=(), optional=self.may_lack(column))

    def needed(self, entity_types: Sequence[str], names: Sequence[str]) -> LabelColumns:
        """The columns that features of these entity types need of the label columns `names`: without `entity` if each
        type has its own.

        InvalidInput for a type that no feature has, and for a column that the label rows lack.
        """
        named = dict(self.of_types)
        unused = [entity_type for entity_type in named if entity_type not in entity_types]
        if unused:
            there = ", ".join(sorted(set(entity_types)))
            raise InvalidInput(
                f"no feature that is asked for is of the entity type {unused[0]} (they are of {there}); ask for one of "
                "its features, or leave the type out",
                field="entity_columns",
            )
        needed = self.certain if all(entity_type in named for entity_type in entity_types) else self
        needed.check(names)
        return needed

    def check(self, names: Sequence[str]) -> None:
        """InvalidInput unless label rows with the columns `names` have these, and one way to tell the moment."""
        if self.moment is None and self.time in dict(self.of_types).values():
            raise InvalidInput(
                f"the column {self.time} says the time; name another for its entity type, or another time_column",
                field="entity_columns",
            )
        for name in self.keys:
            if name not in names:
                hint = "; add it, or give timestamp=" if name == self.time else ""
                there = ", ".join(names[:10])
                raise InvalidInput(f"the label rows lack the column {name}, they have {there}{hint}", field=name)
        if self.moment is not None and self.time in names:
            raise InvalidInput(
                f"the label rows have a {self.time} column; leave timestamp= out, or drop the column", field="timestamp"
            )


def judged(ids: Mapping[str, CodedTexts], times: Any, columns: LabelColumns, rows: int, first: int = 0) -> Int64Array:
    """The moments of a run of label rows whose first is row `first` of all: int64[rows] microseconds.

    ids: of each entity column; times: the time column of any library, unused where `columns` has a moment. InvalidInput
    names the first row whose id or time is no good: a label row is never dropped.
    """
    problems: dict[int, CellError] = {}
    for name, texts in ids.items():
        where = "" if name == "entity_id" else f"column {name}: "
        for row, (reason, problem) in texts.problems("entity_id", may_lack=columns.may_lack(name)).items():
            problems[row] = reason, f"{where}{problem}"
    if columns.moment is not None:
        moments = np.full(rows, columns.moment, dtype=np.int64)
    else:
        moments, bad_times = event_times(read_cells(times), columns.time, columns.timezone)
        problems = bad_times | problems
    if problems:
        row = min(problems)
        reason, problem = problems[row]
        raise InvalidInput(
            f"label row {first + row}: {problem}",
            reason=reason or Reason.INVALID_ARGUMENT,
            field="labels",
            row=first + row,
        )
    return moments


@dataclass(frozen=True, slots=True, eq=False)
class Spine:
    """n label rows in memory. event_time: int64[n] microseconds.

    carried: all columns of the caller, in order, as the caller's own column objects; a `timestamp` that was given
    apart is int64[n] microseconds. kind: the kind of frame they came in.
    """

    entity_ids: list[str]
    event_time: Int64Array
    carried: dict[str, Any]
    kind: FrameKind = "columns"
    at_now: bool = False
    """No time was given: the rows stand for the moment of the read itself."""

    def __len__(self) -> int:
        return len(self.entity_ids)

    def refuse_names(self, names: Iterable[str]) -> None:
        """Raise InvalidInput if a carried column has the name of an output column."""
        for name in names:
            if name in self.carried:
                raise InvalidInput(
                    f"the label column {name!r} has the name of a feature that is asked for; rename it", field=name
                )


def label_rows(
    labels: object, timestamp: Time | None = None, *, now: int | None = None, timezone: str | None = None
) -> Spine:
    """Label rows from a list of entity ids and one `timestamp` (else `now`, microseconds), or from a frame with
    entity_id and timestamp columns and any others, which are carried along.

    A frame without a timestamp column takes `timestamp` for every row. Raises InvalidInput: see `judged`.
    """
    columns = LabelColumns.of(timestamp=timestamp, timezone=timezone)
    if frame_kind(labels) is None and type(labels).__name__ != "LazyFrame":
        return _of_ids(labels, columns, now)
    frame = open_frame(labels)
    columns.check(list(frame.columns))
    ids = _ids(frame.columns[columns.entity])
    event_time = judged({columns.entity: ids}, frame.columns.get(columns.time), columns, frame.rows)
    carried = dict(frame.columns) if columns.moment is None else _with_times(frame, columns, event_time)
    return Spine(ids.rows().tolist(), event_time, carried, frame.kind)


def _of_ids(labels: Any, columns: LabelColumns, now: int | None) -> Spine:
    if isinstance(labels, (str, bytes)) or not hasattr(labels, "__iter__"):
        raise InvalidInput(
            "entity_ids must be a list of entity ids, or a frame with entity_id and timestamp", field="entity_ids"
        )
    at_now = columns.moment is None
    if at_now and now is None:
        raise InvalidInput("timestamp is missing; give the moment to read at", field="timestamp")
    ids = _ids(labels if hasattr(labels, "dtype") else list(labels))
    columns = replace(columns, moment=now) if at_now else columns
    event_time = judged({columns.entity: ids}, None, columns, len(ids.codes))
    entity_ids = ids.rows().tolist()
    return Spine(entity_ids, event_time, {columns.entity: entity_ids, columns.time: event_time}, at_now=at_now)


def _ids(column: Any) -> CodedTexts:
    cells = read_cells(objects(column) if isinstance(column, list) else column)
    if not len(cells) and cells.values.dtype.kind != "O":
        return CodedTexts([], np.empty(0, dtype=np.int64))
    return coded_texts(cells, "entity_id")


def _with_times(frame: Frame, columns: LabelColumns, event_time: Int64Array) -> dict[str, Any]:
    """The caller's columns with the moments beside the ids."""
    carried: dict[str, Any] = {}
    for name, column in frame.columns.items():
        carried[name] = column
        if name == columns.entity:
            carried[columns.time] = event_time
    return carried


def _of_types(given: Any) -> tuple[tuple[str, str], ...]:
    """Entity type -> column, in the order of the types' names. InvalidInput for what is no such mapping."""
    if given is None:
        return ()
    named = isinstance(given, Mapping) and all(
        isinstance(each, str) and each for pair in given.items() for each in pair
    )
    if not named:
        raise InvalidInput(
            'entity_columns must map entity types to label columns; write {"driver": "driver_id"}',
            field="entity_columns",
        )
    return tuple(sorted(given.items()))
