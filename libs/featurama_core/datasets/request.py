"""The request for a dataset: label rows, bounds of their values, and options of the build.

`build_request` makes all checks that need no store. A store resolves the features.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypedDict

import pyarrow as pa

from featurama_core.datasets.dataset import OutputBuilder, RecordedRequest
from featurama_core.datasets.grid import GridSource
from featurama_core.datasets.label_table import ROWS_ON_THE_LOOP
from featurama_core.datasets.plan import Strategy
from featurama_core.datasets.spine_sources import SpineSource, keyed_source
from featurama_core.files.layout import PLAIN, FileLayout
from featurama_core.frames.casts import checked_casts
from featurama_core.frames.role_columns import RoleColumns, RolesGiven, role_columns
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.zones import Ambiguous, TimeRules
from featurama_core.types.entity_keys import EntityKeys
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import Role
from featurama_core.types.schema import EntityType
from featurama_core.types.times import KnownAt, Time, TimeUnit, parse_duration, to_known_at, to_micros, to_rfc3339

LEAST_MEMORY = 64 * 1024 * 1024
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}

Entities = Callable[[str], Awaitable[list[str]]]
"""All entities of a type, ids ascending."""


class RowOptions(TypedDict, total=False):
    """The options of `FeatureStore.training_set` for rows and times, for functions that pass them on."""

    known_at: Time | Literal["label"] | None
    entity_column: str
    entity_columns: Mapping[str, str | Sequence[str]] | None
    roles: RolesGiven | None
    time_column: str
    clock_column: str | None
    timestamp: Time | None
    timezone: str | None
    time_unit: TimeUnit | None
    time_format: str | None
    ambiguous: Ambiguous
    rename: Mapping[str, str] | None
    casts: Mapping[str, str] | None
    types: Mapping[str, str] | None
    delimiter: str | None
    quote: str
    encoding: str
    null_values: Sequence[str]
    decimal: str
    true_values: Sequence[str]
    false_values: Sequence[str]
    entity_type: str | None
    start: Time | None
    end: Time | None
    every: str | timedelta | None


@dataclass(frozen=True, slots=True, eq=False)
class LabelRows:
    """Label rows, their columns of entity and time, and the layout of files. labels: None for an `EntityGrid`. kinds:
    see `SpineColumns.with_keys`; of a grid, its type.
    """

    labels: Any
    columns: SpineColumns
    layout: FileLayout = PLAIN
    kinds: Sequence[EntityType] = ()


@dataclass(frozen=True, slots=True)
class EntityGrid:
    """All entities of a type at start, start + every, ..., end; without these three their newest values."""

    entity_type: str | None = None
    start: Time | None = None
    end: Time | None = None
    every: str | timedelta | None = None

    @property
    def times(self) -> tuple[object, ...]:
        """The given ones of start, end and every."""
        return tuple(each for each in (self.start, self.end, self.every) if each is not None)


@dataclass(frozen=True, slots=True)
class Build:
    """Options of the build. memory: bytes, or a text such as "2GB"."""

    memory: int | str = "2GB"
    strategy: Strategy = "auto"
    statuses: bool = False
    event_times: bool = False
    column_separator: str = "."

    @property
    def memory_bytes(self) -> int:
        """`"2GB"`, `"512MB"` or bytes -> bytes; InvalidInput below 64 MB."""
        match = _SIZE.fullmatch(str(self.memory).strip())
        found = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
        if found < LEAST_MEMORY:
            raise InvalidInput("memory must be at least 64MB; write 512MB or 2GB", field="memory")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class DatasetRequest:
    """A dataset request. known_at: microseconds, "label" or None. answer: converts the values, None for columns."""

    rows: LabelRows
    grid: EntityGrid
    selection: FeatureSelection
    known_at: KnownAt
    build: Build
    answer: OutputBuilder | None = None

    def in_roles(self, roles: tuple[Role, ...], keys: Mapping[str, EntityKeys | None]) -> DatasetRequest:
        """The request with the columns of these roles. keys: entity type -> its codec.

        InvalidInput for roles of a service without label rows.
        """
        if roles and self.rows.labels is None:
            raise InvalidInput(
                f"feature service {self.selection.service!r} declares the roles"
                f" {', '.join(each.name for each in roles)}; give labels= with a column of each",
                field="labels",
            )
        given = {each.role: each for each in self.rows.columns.roles}
        columns = tuple(given.get(role, RoleColumns(role)).with_keys(keys.get(role.entity_type)) for role in roles)
        return replace(self, rows=replace(self.rows, columns=self.rows.columns.in_roles(columns)))

    async def open(self, now: int, entities: Entities) -> tuple[SpineSource, SpineColumns, bool]:
        """The label rows, their columns, and whether they are read at `now` (microseconds). Raises InvalidInput."""
        rows, grid = self.rows, self.grid
        if rows.labels is not None:
            is_small = hasattr(rows.labels, "columns") and len(rows.labels) <= ROWS_ON_THE_LOOP
            opening = partial(keyed_source, rows.labels, rows.columns, rows.kinds, rows.layout)
            source, columns = opening() if is_small else await asyncio.to_thread(opening)
            return source, columns, False
        assert grid.entity_type is not None  # checked by `build_request`
        entity_ids = await asyncio.to_thread(pa.array, await entities(grid.entity_type), pa.string())
        keys = rows.kinds[0].id_keys if rows.kinds else None
        if grid.start is None or grid.end is None:
            return await asyncio.to_thread(GridSource, entity_ids, now, now, 1, keys), SpineColumns(), True
        step = parse_duration(grid.every, "every")
        assert step is not None  # as above
        start, end = to_micros(grid.start, "start"), to_micros(grid.end, "end")
        return await asyncio.to_thread(GridSource, entity_ids, start, end, step, keys), SpineColumns(), False

    def check_names(self, labels: Sequence[str], features: Sequence[str]) -> None:
        """Raise InvalidInput if two columns of the output would have one name. features: names of their columns."""
        if self.answer is not None:
            self.answer.check_names(labels)
        else:
            self.recorded().shown.check(features, labels)

    def recorded(self, *, at_now: bool = False) -> RecordedRequest:
        """The request as recorded in a manifest."""
        return RecordedRequest(
            features=self.selection.references,
            service=self.selection.service,
            known_at=to_rfc3339(self.known_at) if isinstance(self.known_at, int) else self.known_at,
            statuses=self.build.statuses,
            event_times=self.build.event_times,
            at_now=at_now,
            column_separator=self.build.column_separator,
        )


def build_request(
    labels: Any,
    selection: FeatureSelection,
    build: Build,
    answer: OutputBuilder | None = None,
    *,
    known_at: Time | Literal["label"] | None = None,
    entity_column: str = "entity_id",
    entity_columns: Mapping[str, str | Sequence[str]] | None = None,
    roles: RolesGiven | None = None,
    time_column: str = "timestamp",
    clock_column: str | None = None,
    timestamp: Time | None = None,
    timezone: str | None = None,
    time_unit: TimeUnit | None = None,
    time_format: str | None = None,
    ambiguous: Ambiguous = "refuse",
    rename: Mapping[str, str] | None = None,
    casts: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    quote: str = '"',
    encoding: str = "utf-8",
    null_values: Sequence[str] = (),
    decimal: str = ".",
    true_values: Sequence[str] = (),
    false_values: Sequence[str] = (),
    entity_type: str | None = None,
    start: Time | None = None,
    end: Time | None = None,
    every: str | timedelta | None = None,
) -> DatasetRequest:
    """A request from the arguments of `FeatureStore.training_set`. Raises InvalidInput if they contradict."""
    times = TimeRules(timezone, time_unit, time_format, ambiguous=ambiguous)
    in_roles = role_columns(roles, entity_columns)
    columns = SpineColumns.of(
        entity_column, time_column, timestamp, times, in_roles, checked_casts(casts), clock_column
    )
    selection = replace(selection, roles=tuple(each.role for each in columns.roles))
    layout = FileLayout.of(types, delimiter, quote, encoding, null_values, decimal, true_values, false_values, rename)
    grid = EntityGrid(entity_type, start, end, every)
    if labels is not None:
        if grid.entity_type is not None or grid.times:
            raise InvalidInput("labels= and entity_type=, start=, end=, every= exclude each other", field="labels")
    elif columns.roles or columns.casts or layout.types or layout.rename:
        field = "roles" if columns.roles else "casts" if columns.casts else "types" if layout.types else "rename"
        raise InvalidInput(f"{field}= are of labels=; give these too", field=field)
    elif grid.entity_type is None:
        raise InvalidInput("give labels=, or entity_type= for all entities of a type", field="labels")
    elif len(grid.times) not in (0, 3):
        raise InvalidInput("a grid needs start=, end= and every=; none of them gives the newest values", field="every")
    build.memory_bytes  # noqa: B018 - an invalid size is refused before any read
    if not build.column_separator:
        raise InvalidInput("column_separator is empty; give a text such as '__'", field="column_separator")
    if known_at == "label" and labels is None and not grid.times:
        raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
    return DatasetRequest(LabelRows(labels, columns, layout), grid, selection, to_known_at(known_at), build, answer)
