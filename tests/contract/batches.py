"""Builders: definitions, columns and write batches from plain dicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from featurama_core.storage.layouts import Layout
from featurama_core.storage.packed_cell import pack, unpack
from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import CellRun, History, WriteBatch
from featurama_core.types.column import Column
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import Status, UInt8Array, ValueType, empty_values
from featurama_core.types.writes import Outcome, StoredColumn, WriteMode

DAY = 86_400_000_000
NOW = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000
"""Event times of these tests lie around it, whatever the machine's clock says."""


@dataclass(frozen=True, slots=True)
class Row:
    """Values of one entity at one event time. A feature that is not named is not written; None is a null."""

    entity_id: str
    event_time: int
    values: dict[str, object]
    ingested_at: int = NOW * 1_000


def definition(
    name: str, value_type: ValueType = ValueType.DOUBLE, *, version: int = 1, group: str, vector_length: int = 0
) -> FeatureDefinition:
    """A feature of the group."""
    return FeatureDefinition(name, value_type, version=version, group=group, vector_length=vector_length)


def column(feature: FeatureDefinition, values: Sequence[object]) -> Column:
    """A column for a write; `...` stands for a value that is not written."""
    status = np.array([_status(value) for value in values], dtype=np.uint8)
    array = empty_values(feature.value_type, len(values), feature.vector_length)
    for row in np.flatnonzero(status == Status.PRESENT).tolist():
        array[row] = values[row]  # type: ignore[call-overload]  # the test gives the right type
    times = np.zeros(len(values), dtype=np.int64)
    return Column(feature.name, feature.value_type, array, status, times, feature.version)


def batch(rows: Sequence[Row], layouts: Sequence[Sequence[FeatureDefinition]], group: FeatureGroup) -> WriteBatch:
    """Rows as a batch; each set of features becomes a layout, and a run of the rows that give it a value."""
    event_time = np.array([row.event_time for row in rows], dtype=np.int64)
    ingested_at = np.array([row.ingested_at for row in rows], dtype=np.int64)
    columns, runs = [], []
    for features in layouts:
        ordered = sorted(features, key=lambda feature: feature.key)
        made = [column(feature, [row.values.get(feature.name, ...) for row in rows]) for feature in ordered]
        columns += [StoredColumn(feature, group, one) for feature, one in zip(ordered, made, strict=True)]
        written = np.any([one.status != Status.NOT_FOUND for one in made], axis=0)
        at = np.flatnonzero(written).astype(np.int64)
        layout = Layout.of(ordered)
        cells = pack(layout, [one.take(at) for one in made], event_time[at], ingested_at[at])
        runs.append(CellRun(group, layout, at, cells))
    return WriteBatch([row.entity_id for row in rows], event_time, ingested_at, columns, runs)


async def store(
    storage: NamespaceStorage,
    rows: Sequence[Row],
    layouts: Sequence[Sequence[FeatureDefinition]],
    group: FeatureGroup,
    mode: WriteMode = WriteMode.ATOMIC,
) -> WriteBatch:
    """Register the layouts and write the rows; every row must be accepted."""
    made = batch(rows, layouts, group)
    await storage.put_layouts([run.layout for run in made.runs])
    outcomes: UInt8Array = await storage.write(made, mode)
    assert outcomes.tolist() == [Outcome.ACCEPTED] * len(rows)
    return made


def listed(history: History, names: Sequence[str]) -> list[tuple[str, int, object]]:
    """A History as (entity id, event time, value); None for a null, "ERROR" for an unreadable cell."""
    statuses, values = history.column.status.tolist(), history.column.values.tolist()
    shown = [
        value if status == Status.PRESENT else None if status == Status.NULL_VALUE else Status(status).name
        for status, value in zip(statuses, values, strict=True)
    ]
    ids = [names[code] for code in history.entity.tolist()]
    return list(zip(ids, history.event_time.tolist(), shown, strict=True))


def decoded(layout: Layout, cell: bytes) -> dict[str, object]:
    """What a cell holds: feature -> value, None for a null; absent features are left out."""
    found = unpack(layout, [cell])
    assert found.readable.all()
    out: dict[str, object] = {}
    for field, values, status in zip(layout.fields, found.values, found.status, strict=True):
        if status[0] == Status.PRESENT:
            out[field.name] = values.tolist()[0]
        elif status[0] == Status.NULL_VALUE:
            out[field.name] = None
    return out


def _status(value: object) -> Status:
    if value is ...:
        return Status.NOT_FOUND
    return Status.NULL_VALUE if value is None else Status.PRESENT
