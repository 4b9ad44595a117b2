"""Label rows: the entities and times of a point-in-time read. No row is dropped, moved or changed.

These rules apply to label rows in memory and in files: `SpineColumns` names the columns of entity and time, `judged`
checks ids and times, and an error names the first invalid row. `label_rows` reads rows in memory, `datasets.labels`
reads batches and files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurama_core.frames.cells import Frame, FrameKind, frame_kind, objects, open_frame, read_cells
from featurama_core.frames.keys import CodedTexts, coded_texts
from featurama_core.frames.times import event_times
from featurama_core.frames.values import CellError
from featurama_core.frames.zones import AS_IT_IS, TimeRules
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_list
from featurama_core.types.times import Time, to_micros
from featurama_core.types.values import Int64Array


@dataclass(frozen=True, slots=True)
class SpineColumns:
    """The label columns with entity and time. moment: microseconds, for all rows, if there is no time column.

    times: how the cells of the time column are read. of_types: (entity type, column) if there are several entity
    columns; `entity` then serves all other types, "" if there are none. optional: whether `entity` may be null, as the
    columns of `of_types` may.
    """

    entity: str = "entity_id"
    time: str = "timestamp"
    moment: int | None = None
    times: TimeRules = AS_IT_IS
    of_types: tuple[tuple[str, str], ...] = ()
    optional: bool = False

    @classmethod
    def of(
        cls,
        entity_column: str = "entity_id",
        time_column: str = "timestamp",
        timestamp: Time | None = None,
        entity_columns: Mapping[str, str] | None = None,
        times: TimeRules = AS_IT_IS,
    ) -> SpineColumns:
        """From the arguments of `FeatureStore.training_set`. Raises InvalidInput."""
        moment = None if timestamp is None else to_micros(timestamp, "timestamp")
        return cls(entity_column, time_column, moment, times, _of_types(entity_columns))

    @property
    def entities(self) -> list[str]:
        """The entity columns, without repetition."""
        return list(dict.fromkeys([*([self.entity] if self.entity else []), *(name for _, name in self.of_types)]))

    @property
    def keys(self) -> list[str]:
        """The columns with entity or time."""
        return self.entities if self.moment is not None else [*self.entities, self.time]

    @property
    def certain(self) -> SpineColumns:
        """The columns that are read for all features. With `of_types`, `entity` may turn out to be unused."""
        return replace(self, entity="") if self.of_types else self

    def may_lack(self, column: str) -> bool:
        """Whether this entity column may be null."""
        return self.optional or column != self.entity

    def of_type(self, entity_type: str) -> str:
        """The column with the entities of a type."""
        return dict(self.of_types).get(entity_type, self.entity)

    def alone(self, column: str) -> SpineColumns:
        """One of the entity columns, with the time."""
        return replace(self, entity=column, of_types=(), optional=self.may_lack(column))

    def needed(self, entity_types: Sequence[str], names: Sequence[str]) -> SpineColumns:
        """The columns that features of these entity types need: without `entity` if each type has its own column.

        names: the label columns. InvalidInput for a type without a feature, and for a missing column.
        """
        named = dict(self.of_types)
        unused = [entity_type for entity_type in named if entity_type not in entity_types]
        if unused:
            there = ", ".join(sorted(set(entity_types)))
            raise InvalidInput(
                f"no requested feature has the entity type {unused[0]} (they have {there}); request one of its "
                "features, or leave the type out",
                field="entity_columns",
            )
        needed = self.certain if all(entity_type in named for entity_type in entity_types) else self
        needed.check(names)
        return needed

    def check(self, names: Sequence[str]) -> None:
        """Raise InvalidInput unless these columns are among the label columns `names`, with one source of times."""
        if self.moment is None and self.time in dict(self.of_types).values():
            raise InvalidInput(
                f"the column {self.time} says the time; name another for its entity type, or another time_column",
                field="entity_columns",
            )
        for name in self.keys:
            if name not in names:
                hint = "; add it, or give timestamp=" if name == self.time else ""
                there = ", ".join(each if each.isprintable() else repr(each) for each in names[:10])
                raise InvalidInput(f"the label rows lack the column {name}, they have {there}{hint}", field=name)
        if self.moment is not None and self.time in names:
            raise InvalidInput(
                f"the label rows have a {self.time} column; leave timestamp= out, or drop the column", field="timestamp"
            )


def judged(
    ids: Mapping[str, CodedTexts],
    times: Any,
    columns: SpineColumns,
    rows: int,
    first: int = 0,
    where: str = "label row",
) -> Int64Array:
    """The times of a run of label rows: int64[rows] microseconds.

    ids: of each entity column. times: the time column, of any frame library, unused if `columns` has a moment. first:
    number of the first row among all rows of `where`. InvalidInput names the first row with an invalid id or time.
    """
    if not rows:
        # Of an empty column no library knows the type.
        return np.empty(0, dtype=np.int64)
    problems: dict[int, CellError] = {}
    for name, texts in ids.items():
        column = "" if name == "entity_id" else f"column {name}: "
        for row, (reason, problem) in texts.problems("entity_id", may_lack=columns.may_lack(name)).items():
            problems[row] = reason, f"{column}{problem}"
    if columns.moment is not None:
        moments = np.full(rows, columns.moment, dtype=np.int64)
    else:
        moments, bad_times = event_times(read_cells(times), columns.time, columns.times)
        problems = bad_times | problems
    if problems:
        row = min(problems)
        reason, problem = problems[row]
        raise InvalidInput(
            f"{where} {first + row}: {problem}",
            reason=reason or Reason.INVALID_ARGUMENT,
            field="labels",
            row=first + row,
        )
    return moments


@dataclass(frozen=True, slots=True, eq=False)
class Spine:
    """n label rows in memory. event_time: int64[n] microseconds.

    carried: all columns of the caller, in order, as objects of the caller's frame library; a `timestamp` from a
    separate argument is int64[n] microseconds. kind: the kind of frame.
    """

    entity_ids: list[str]
    event_time: Int64Array
    carried: dict[str, Any]
    kind: FrameKind = "columns"
    at_now: bool = False
    """Whether the rows have no times and stand for the time of the read."""

    def __len__(self) -> int:
        return len(self.entity_ids)


def label_rows(
    labels: object, timestamp: Time | None = None, *, now: int | None = None, times: TimeRules = AS_IT_IS
) -> Spine:
    """Label rows from a list of entity ids and one `timestamp` (default `now`, microseconds), or from a frame with the
    columns entity_id and timestamp and any others, which are copied to the output.

    `timestamp` applies to all rows of a frame without a timestamp column. Raises InvalidInput: see `judged`.
    """
    columns = SpineColumns.of(timestamp=timestamp, times=times)
    if frame_kind(labels) is None and type(labels).__name__ != "LazyFrame":
        return _of_ids(labels, columns, now)
    frame = open_frame(labels)
    columns.check(list(frame.columns))
    ids = _ids(frame.columns[columns.entity])
    event_time = judged({columns.entity: ids}, frame.columns.get(columns.time), columns, frame.rows)
    carried = dict(frame.columns) if columns.moment is None else _with_times(frame, columns, event_time)
    return Spine(ids.rows().tolist(), event_time, carried, frame.kind)


def _of_ids(labels: Any, columns: SpineColumns, now: int | None) -> Spine:
    if not hasattr(labels, "__iter__"):
        raise InvalidInput(
            "entity_ids must be a list of entity ids, or a frame with entity_id and timestamp", field="entity_ids"
        )
    if isinstance(labels, (str, bytes)):
        check_list(labels, "entity_ids")
    at_now = columns.moment is None
    if at_now and now is None:
        raise InvalidInput("timestamp is missing; give the moment to read at", field="timestamp")
    ids = _ids(labels if hasattr(labels, "dtype") else list(labels))
    columns = replace(columns, moment=now) if at_now else columns
    event_time = judged({columns.entity: ids}, None, columns, len(ids.codes))
    entity_ids = ids.rows().tolist()
    return Spine(entity_ids, event_time, {columns.entity: entity_ids, columns.time: event_time}, at_now=at_now)


def _ids(column: Any) -> CodedTexts:
    return coded_texts(read_cells(objects(column) if isinstance(column, list) else column), "entity_id")


def _with_times(frame: Frame, columns: SpineColumns, event_time: Int64Array) -> dict[str, Any]:
    """The columns of the caller with the times after the ids."""
    carried: dict[str, Any] = {}
    for name, column in frame.columns.items():
        carried[name] = column
        if name == columns.entity:
            carried[columns.time] = event_time
    return carried


def _of_types(given: Any) -> tuple[tuple[str, str], ...]:
    """(entity type, column) pairs, sorted. InvalidInput unless `given` is a mapping of texts to texts."""
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
