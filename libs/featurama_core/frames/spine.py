"""Label rows: the entities and times of a point-in-time read. No row is dropped, moved or changed.

These rules apply to label rows in memory and in files: `SpineColumns` names the columns of entities and time, `judged`
checks ids and times, and an error names the first invalid row. `label_rows` reads rows in memory, `datasets.labels`
reads batches and files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurama_core.frames.casts import Casts, cast_cells
from featurama_core.frames.cells import Cells, Frame, FrameKind, frame_kind, open_frame, read_cells
from featurama_core.frames.clocks import checked_clock, with_clock
from featurama_core.frames.entities import EntityColumns, coded_entities
from featurama_core.frames.keys import CodedTexts, coded_texts
from featurama_core.frames.role_columns import RoleColumns
from featurama_core.frames.times import event_times
from featurama_core.frames.values import CellError, is_empty
from featurama_core.frames.zones import AS_IT_IS, TimeRules
from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_list
from featurama_core.types.roles import NO_ROLE, Ids, RowEntities
from featurama_core.types.schema import EntityType
from featurama_core.types.times import Time, to_micros
from featurama_core.types.values import Int64Array


@dataclass(frozen=True, slots=True)
class SpineColumns:
    """The label columns with entities and time. moment: microseconds, for all rows, if there is no time column.

    entity: the column of ids of rows without roles. times: how the cells of the time column are read. roles: of rows
    that name several entities, each of which may be null. single: the key columns of rows without roles, None for ids.
    casts: of these columns. clock: the column with the times of day, if that of the times has dates alone; "" without.
    """

    entity: str = "entity_id"
    time: str = "timestamp"
    moment: int | None = None
    times: TimeRules = AS_IT_IS
    roles: tuple[RoleColumns, ...] = ()
    single: EntityColumns | None = None
    casts: Casts = ()
    clock: str = ""

    @classmethod
    def of(
        cls,
        entity_column: str = "entity_id",
        time_column: str = "timestamp",
        timestamp: Time | None = None,
        times: TimeRules = AS_IT_IS,
        roles: tuple[RoleColumns, ...] = (),
        casts: Casts = (),
        clock_column: str | None = None,
    ) -> SpineColumns:
        """From the arguments of `FeatureStore.training_set`. Raises InvalidInput."""
        moment = None if timestamp is None else to_micros(timestamp, "timestamp")
        clock = checked_clock(clock_column, timestamp)
        return cls(entity_column, time_column, moment, times, casts=casts, clock=clock).in_roles(roles)

    def in_roles(self, roles: tuple[RoleColumns, ...]) -> SpineColumns:
        """The same times, and entities in these roles. InvalidInput for roles beside an entity column."""
        if roles and self.entity != "entity_id":
            raise InvalidInput(
                f"entity_column names the column {self.entity} of rows without roles; the roles are"
                f" {', '.join(each.role.name for each in roles)}",
                field="entity_column",
            )
        return replace(self, roles=roles)

    def with_keys(self, kinds: Sequence[EntityType], names: Sequence[str]) -> SpineColumns:
        """The columns of rows without roles, given the types that the features describe, `entity` not among them.

        names: the label columns. A column named like a key of the type holds keys. InvalidInput for a missing one.
        """
        keys = kinds[0].id_keys if len(kinds) == 1 else None
        has_ids = self.entity in names or self.entity != "entity_id"
        if self.roles or keys is None or (has_ids and not set(names) & set(keys.names)):
            return self
        if self.entity in keys.names:
            return self  # declared as a column of ids
        for name in keys.names:
            if name not in names:
                there = ", ".join(each if each.isprintable() else repr(each) for each in names[:10])
                has = "have no" if has_ids else "have neither entity_id nor a"
                raise InvalidInput(
                    f"the rows {has} column {name}, a key of {keys.entity_type}; they have {there}; a key column of"
                    " another name is renamed to it",
                    field=name,
                )
        return replace(self, single=EntityColumns(keys.names, keys, self.entity if has_ids else ""))

    @property
    def entities(self) -> dict[str, EntityColumns]:
        """The columns of the entity of each role; of `NO_ROLE` without roles."""
        if not self.roles:
            return {NO_ROLE: self.single or EntityColumns((self.entity,))}
        return {each.role.name: each.entity for each in self.roles}

    @property
    def entity_names(self) -> list[str]:
        """The columns with entities, without repetition."""
        return list(dict.fromkeys(name for each in self.entities.values() for name in each.names))

    @property
    def keys(self) -> list[str]:
        """The columns with entities or time, without repetition."""
        if self.moment is not None:
            return self.entity_names
        return [*self.entity_names, self.time, *([self.clock] if self.clock else [])]

    def cells(self, name: str, column: Any) -> Cells:
        """The cells of one of these columns, of any frame library, with its cast."""
        cells, cast = read_cells(column), dict(self.casts).get(name)
        return cells if cast is None else cast_cells(cells, cast)[0]

    def time_cells(self, column: Callable[[str], Any]) -> Any:
        """The cells of the times. column: of any frame library, by name."""
        if not self.clock:
            return column(self.time)
        days = column(self.time)
        return with_clock(self.cells(self.time, days) if self.time in dict(self.casts) else days, column(self.clock))

    def check(self, names: Sequence[str]) -> None:
        """Raise InvalidInput unless these columns are among the label columns `names`, with one source of times."""
        of_entities = {name: role for role, each in self.entities.items() for name in each.columns}
        if self.roles and self.moment is None and self.time in of_entities:
            raise InvalidInput(
                f"the column {self.time} says the time; name another for the role {of_entities[self.time]}, or another"
                " time_column",
                field="roles",
            )
        for name in self.keys:
            if name not in names:
                of_role = f" of the role {of_entities[name]}" if of_entities.get(name) else ""
                hint = "; add it, or give timestamp=" if name == self.time else ""
                there = ", ".join(each if each.isprintable() else repr(each) for each in names[:10])
                raise InvalidInput(
                    f"the label rows lack the column {name}{of_role}, they have {there}{hint}", field=name
                )
        for name, _ in self.casts:
            if name not in self.keys:
                raise InvalidInput(
                    f"casts names the column {name}, which holds no entities and no times of the rows; these columns"
                    f" are {', '.join(self.keys)}",
                    field="casts",
                )
        if self.roles and "entity_id" in names and "entity_id" not in of_entities:
            raise InvalidInput(
                "the label rows have a column entity_id, which no role names; drop it, or name it, such as"
                f" roles={{{self.roles[0].role.name!r}: {{'type': {self.roles[0].role.entity_type!r}, 'columns':"
                " 'entity_id'}}",
                field="entity_id",
            )
        if self.moment is not None and self.time in names:
            raise InvalidInput(
                f"the label rows have a {self.time} column; leave timestamp= out, or drop the column", field="timestamp"
            )


def judged(
    problems: Mapping[int, CellError],
    times: Any,
    columns: SpineColumns,
    rows: int,
    first: int = 0,
    where: str = "label row",
) -> Int64Array:
    """The times of a run of label rows: int64[rows] microseconds.

    problems: of the entities, by row: see `id_problems`. times: the time column, of any frame library, unused if
    `columns` has a moment. first: number of the first row among all rows of `where`. InvalidInput names the first row
    with an invalid id or time.
    """
    if not rows:
        # Of an empty column no library knows the type.
        return np.empty(0, dtype=np.int64)
    if columns.moment is not None:
        moments = np.full(rows, columns.moment, dtype=np.int64)
    else:
        moments, bad_times = event_times(columns.cells(columns.time, times), columns.time, columns.times)
        problems = {**bad_times, **problems}
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


def id_problems(column: str, ids: CodedTexts, *, in_role: bool) -> dict[int, CellError]:
    """Problems of a column of entity ids, by row. in_role: whether an id may be missing."""
    named = "" if column == "entity_id" else f"column {column}: "
    found = ids.problems("entity_id", may_lack=in_role)
    empty = ids.texts.index("") if in_role and "" in ids.texts else None
    return {row: (reason, f"{named}{problem}") for row, (reason, problem) in found.items() if ids.codes[row] != empty}


@dataclass(frozen=True, slots=True, eq=False)
class Spine:
    """n label rows in memory. entities: null only in roles. event_time: int64[n] microseconds.

    carried: all columns of the caller, in order, as objects of the caller's frame library; a `timestamp` from a
    separate argument is int64[n] microseconds. kind: the kind of frame.
    """

    entities: RowEntities
    event_time: Int64Array
    carried: dict[str, Any]
    kind: FrameKind = "columns"
    at_now: bool = False
    """Whether the rows have no times and stand for the time of the read."""
    index: Any = None
    """The index of a pandas frame."""

    def __len__(self) -> int:
        return len(self.event_time)

    @property
    def entity_ids(self) -> Ids:
        """The ids of rows without roles."""
        return self.entities.of_role[NO_ROLE]


def label_rows(
    labels: object, columns: SpineColumns, kinds: Sequence[EntityType] = (), *, now: int | None = None
) -> Spine:
    """Label rows from a list of entity ids and one moment (default `now`, microseconds), or from a frame with `columns`
    and any others, which are copied to the output.

    kinds: see `SpineColumns.with_keys`. Raises InvalidInput: see `judged`.
    """
    if columns.moment is not None:
        columns = replace(columns, time="timestamp")
    if frame_kind(labels) is None and type(labels).__name__ != "LazyFrame":
        return _of_ids(labels, columns, now)
    frame = open_frame(labels)
    columns = columns.with_keys(kinds, [*frame.columns, *frame.index])
    # A named level of an index is a column where a key or the time is missing.
    levels = {name: frame.index[name] for name in columns.keys if name not in frame.columns and name in frame.index}
    frame = replace(frame, columns=levels | frame.columns)
    of_role, problems = _entities_of(frame, columns)
    moments = columns.time_cells(frame.columns.__getitem__) if columns.moment is None else None
    event_time = judged(problems, moments, columns, frame.rows)
    carried = dict(frame.columns) if columns.moment is None else _with_times(frame, columns, event_time)
    index = getattr(labels, "index", None) if frame.kind == "pandas" else None
    return Spine(RowEntities(of_role), event_time, carried, frame.kind, index=index)


def row_entities(
    given: Any,
    roles: tuple[RoleColumns, ...],
    kinds: Sequence[EntityType] = (),
    casts: Casts = (),
    *,
    alone: bool = False,
) -> tuple[RowEntities, dict[str, Any]]:
    """The entities of the rows of a frame without times, and the columns that name them. InvalidInput names the first
    bad row.

    kinds: see `SpineColumns.with_keys`. alone: whether a column that names no entity is refused.
    """
    frame = open_frame(given)
    columns = SpineColumns(moment=0, roles=roles, casts=casts).with_keys(kinds, list(frame.columns))
    if alone:
        _check_no_others(frame, columns)
    of_role, problems = _entities_of(frame, columns)
    judged(problems, None, columns, frame.rows, where="row")
    if not frame.rows:
        raise InvalidInput("the rows are empty; give at least one", reason=Reason.EMPTY_REQUEST, field="entity_ids")
    return RowEntities(of_role), {name: column for name, column in frame.columns.items() if name in columns.keys}


def _check_no_others(frame: Frame, columns: SpineColumns) -> None:
    """Raise InvalidInput for a column that names no entity of the rows, unless one that does is missing."""
    if not set(columns.keys) <= set(frame.columns):
        return
    at_now = "this read is at now; get_historical_features and training_set take the times of rows"
    for name in frame.columns:
        if name not in columns.keys and not (columns.roles and name == "entity_id"):
            otherwise = at_now if name == "timestamp" else f"the columns are {', '.join(columns.keys)}"
            if columns.single is not None and columns.single.keys is not None:
                columns.single.keys.check_only([name], otherwise)
            fix = did_you_mean(name, columns.keys, otherwise)
            problem = f"the rows have the column {name!r:.80}, which is that of no role and no key; {fix}"
            raise InvalidInput(problem, field=name)


def _entities_of(frame: Frame, columns: SpineColumns) -> tuple[dict[str, Ids], dict[int, CellError]]:
    columns.check(list(frame.columns))
    of_role: dict[str, Ids] = {}
    problems: dict[int, CellError] = {}
    for role, entity in columns.entities.items():
        cells = [columns.cells(name, frame.columns[name]) for name in entity.names]
        of_role[role], found = frame_ids(cells, entity, in_role=bool(columns.roles))
        problems |= found
    return of_role, problems


def frame_ids(
    cells: Sequence[Cells], entity: EntityColumns, *, in_role: bool
) -> tuple[list[str | None], dict[int, CellError]]:
    """The entity of each row, None for none, and the problems of ids. cells: the columns of the entity, in order."""
    if entity.keys is not None:
        coded = coded_entities(cells, entity)
        ids = coded.ids
        problems = {row: (each.reason, each.message) for row, each in coded.problems.items() if each.kind == "wrong"}
    else:
        (column,) = entity.columns
        ids = coded_texts(cells[0], column)
        problems = id_problems(column, ids, in_role=in_role)
        for row in np.flatnonzero(ids.codes < 0).tolist() if in_role else ():
            if not is_empty(value := cells[0].values[row]):
                problems[row] = Reason.INVALID_ENTITY_ID, f"column {column}: {str(value)[:80]!r} is not text"
    return [each or None for each in ids.rows().tolist()], problems


def listed_ids(ids: Any, columns: SpineColumns) -> CodedTexts:
    """Entity ids in an array or list, of a request without a frame. InvalidInput for casts of other columns."""
    columns.check(columns.keys)
    return coded_texts(columns.cells(columns.entity, ids if hasattr(ids, "dtype") else list(ids)), columns.entity)


def _of_ids(labels: Any, columns: SpineColumns, now: int | None) -> Spine:
    if columns.roles:
        wanted = ", ".join(columns.keys[:-1] if columns.moment is None else columns.keys)
        raise InvalidInput(f"the rows name several entities; give a frame with the columns {wanted}", field="labels")
    if not hasattr(labels, "__iter__"):
        raise InvalidInput(
            "entity_ids must be a list of entity ids, or a frame with entity_id and timestamp", field="entity_ids"
        )
    if isinstance(labels, (str, bytes)):
        check_list(labels, "entity_ids")
    at_now = columns.moment is None
    if at_now and now is None:
        raise InvalidInput("timestamp is missing; give the moment to read at", field="timestamp")
    ids = listed_ids(labels, columns)
    columns = replace(columns, moment=now) if at_now else columns
    event_time = judged(id_problems(columns.entity, ids, in_role=False), None, columns, len(ids.codes))
    entity_ids = ids.rows().tolist()
    carried = {columns.entity: entity_ids, columns.time: event_time}
    return Spine(RowEntities.of(entity_ids), event_time, carried, at_now=at_now)


def _with_times(frame: Frame, columns: SpineColumns, event_time: Int64Array) -> dict[str, Any]:
    """The columns of the caller with the times after the ids."""
    carried: dict[str, Any] = {}
    last = next(name for name in reversed(frame.columns) if name in columns.keys)
    for name, column in frame.columns.items():
        carried[name] = column
        if name == last:
            carried[columns.time] = event_time
    return carried
