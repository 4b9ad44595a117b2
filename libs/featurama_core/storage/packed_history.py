"""Packed cells of history -> one History per feature. Pure. Only text is handled value by value in Python.

The key columns are authoritative for the times of a row: a cell with other times, or an unreadable one, is ERROR at the
time of its key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from featurama_core.storage.layouts import Layout, LayoutField
from featurama_core.storage.packed_cell import unpack, unpack_joined
from featurama_core.storage.records import History
from featurama_core.types.column import byte_ranks, concatenate, masked
from featurama_core.types.order import sort_history
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import Int64Array, Status

Row: TypeAlias = tuple[int, int, int, int, bytes]
"""Entity code, event time, ingest time, layout id, cell."""
Keys: TypeAlias = tuple[Int64Array, Int64Array, Int64Array]
"""Entities, event times and ingest times of the same rows."""


class KnownLayouts(Protocol):
    """The layouts of the cells that are decoded, by id."""

    def __getitem__(self, layout_id: int, /) -> Layout:
        """The layout with this id."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredRows:
    """h rows in any order. entity: int64[h], codes. event_time, ingested_at, layout_id, size: int64[h]; `size` is the
    length of the cell. cells: all cells, one after the other.
    """

    entity: Int64Array
    event_time: Int64Array
    ingested_at: Int64Array
    layout_id: Int64Array
    size: Int64Array
    cells: bytes

    def __len__(self) -> int:
        return len(self.entity)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> StoredRows:
        """From rows, each after the code of its entity."""
        keys = np.array([each[:4] for each in rows], dtype=np.int64).reshape(-1, 4)
        entity, event_time, ingested_at, layout_id = np.ascontiguousarray(keys.T)
        cells = [each[4] for each in rows]
        return cls(entity, event_time, ingested_at, layout_id, _sizes(cells), b"".join(cells))

    def cut(self, rows: Int64Array) -> list[bytes]:
        """The cells of these rows."""
        ends = np.cumsum(self.size)
        starts = (ends - self.size)[rows].tolist()
        return [self.cells[start:end] for start, end in zip(starts, ends[rows].tolist(), strict=True)]


def decode(rows: StoredRows, features: Sequence[FeatureDefinition], layouts: KnownLayouts) -> list[History]:
    """One History per feature, in order, sorted by (entity, event time, ingested_at)."""
    if not len(rows):
        return [History.nothing(feature) for feature in features]
    order = sort_history(rows.entity, rows.event_time, rows.ingested_at)
    pieces: list[list[History]] = [[] for _ in features]
    first = int(rows.layout_id[0])
    if (rows.layout_id == first).all():
        _decode_layout(rows, None, order, layouts[first], features, pieces)
    else:
        for number in np.unique(rows.layout_id).tolist():
            mine = rows.layout_id == number
            _decode_layout(rows, np.flatnonzero(mine), order[mine[order]], layouts[number], features, pieces)
    return [merged(found, feature) for found, feature in zip(pieces, features, strict=True)]


def join_blocks(blocks: Sequence[list[History]], features: Sequence[FeatureDefinition]) -> list[History]:
    """Consecutive blocks of whole entities -> one History per feature. Shared arrays stay shared."""
    if len(blocks) == 1:
        return blocks[0]
    shared: dict[tuple[int, ...], Keys] = {}
    joined = []
    for position, feature in enumerate(features):
        parts = [block[position] for block in blocks if len(block[position].entity)]
        if not parts:
            joined.append(History.nothing(feature))
            continue
        identity = tuple(id(part.entity) for part in parts)
        if identity not in shared:
            shared[identity] = _joined_keys(parts)
        joined.append(History(*shared[identity], concatenate([part.column for part in parts])))
    return joined


def recoded(histories: list[History], code: Callable[[Int64Array], Int64Array]) -> list[History]:
    """The histories with `code` of their entities. Shared arrays stay shared."""
    entities = {id(history.entity): history.entity for history in histories}
    shared = {key: code(entity) for key, entity in entities.items()}
    return [replace(history, entity=shared[id(history.entity)]) for history in histories]


def _decode_layout(
    rows: StoredRows,
    at: Int64Array | None,
    order: Int64Array,
    layout: Layout,
    features: Sequence[FeatureDefinition],
    pieces: list[list[History]],
) -> None:
    """at: the rows of the layout, ascending, None for all. order: the same rows, in the order of their keys."""
    held = [
        (position, feature, found)
        for feature, found in zip(features, pieces, strict=True)
        if (position := layout.positions.get(feature.key)) is not None
        and layout.fields[position] == LayoutField.of(feature)
    ]
    fields = [position for position, _, _ in held]
    if at is None:
        decoded, source = unpack_joined(layout, rows.cells, rows.size, fields), order
    else:
        decoded, source = unpack(layout, rows.cut(at), fields), np.searchsorted(at, order)
    keys = rows.entity[order], rows.event_time[order], rows.ingested_at[order]
    intact = (decoded.event_time[source] == keys[1]) & (decoded.ingested_at[source] == keys[2])
    is_whole = decoded.whole and bool(intact.all())
    present = np.full(len(order), Status.PRESENT, dtype=np.uint8) if is_whole else None
    for row, (_, feature, found) in enumerate(held):
        values = decoded.values[row][source]
        if present is not None:
            found.append(History.of(feature, *keys, values, present))
            continue
        status = np.where(intact, decoded.status[row][source], np.uint8(Status.ERROR))
        there, own = status != Status.NOT_FOUND, keys
        if not there.all():
            own = keys[0][there], keys[1][there], keys[2][there]
            status, values = status[there], values[there]
        values = masked(values, feature.value_type, status, feature.vector_length)
        found.append(History.of(feature, *own, values, status))


def merged(pieces: Sequence[History], feature: FeatureDefinition) -> History:
    """Histories of a feature -> one, sorted, with equal keys once."""
    if not pieces:
        return History.nothing(feature)
    if len(pieces) == 1:
        return pieces[0]
    entity, event_time, ingested_at = keys = _joined_keys(pieces)
    column = concatenate([piece.column for piece in pieces])
    order = sort_history(entity, event_time, ingested_at)
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    if same.any():
        # Two layouts hold one key. The bytes of the value decide; an unreadable value loses.
        order = np.lexsort((byte_ranks(column), ingested_at, event_time, entity))
        order = order[np.append(~same, True)]
    return History(entity[order], event_time[order], ingested_at[order], column.take(order))


def _joined_keys(parts: Sequence[History]) -> Keys:
    return (
        np.concatenate([part.entity for part in parts]),
        np.concatenate([part.event_time for part in parts]),
        np.concatenate([part.ingested_at for part in parts]),
    )


def _sizes(cells: Sequence[bytes]) -> Int64Array:
    return np.fromiter(map(len, cells), np.int64, len(cells))
