"""Packed cells of history -> one History per feature. Pure. Only text is handled value by value in Python.

A row: (entity code, event time, ingested_at, layout id, cell). The key columns are authoritative for its times: a cell
with other times, or an unreadable one, is ERROR at the time of its key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

import numpy as np

from featurama_core.storage.layouts import Layout, LayoutField
from featurama_core.storage.packed_cell import unpack
from featurama_core.storage.records import History
from featurama_core.types.column import byte_ranks, concatenate, masked
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import Int64Array, Status

Row: TypeAlias = tuple[int, int, int, int, bytes]
Keys: TypeAlias = tuple[Int64Array, Int64Array, Int64Array]
"""Entities, event times and ingest times of the same rows."""


class KnownLayouts(Protocol):
    """The layouts of the cells that are decoded, by id."""

    def __getitem__(self, layout_id: int, /) -> Layout:
        """The layout with this id."""


def decode(rows: Sequence[Row], features: Sequence[FeatureDefinition], layouts: KnownLayouts) -> list[History]:
    """One History per feature, in order, sorted by (entity, event time, ingested_at)."""
    if not rows:
        return [History.nothing(feature) for feature in features]
    codes, times, ingested, layout_ids, cells = zip(*rows, strict=True)
    code = np.array(codes, dtype=np.int64)
    event_time = np.array(times, dtype=np.int64)
    ingested_at = np.array(ingested, dtype=np.int64)
    layout_id = np.array(layout_ids, dtype=np.int64)
    order = np.lexsort((ingested_at, event_time, code))
    pieces: list[list[History]] = [[] for _ in features]
    for number in np.unique(layout_id).tolist():
        picked = order[layout_id[order] == number]
        keys = code[picked], event_time[picked], ingested_at[picked]
        _decode_layout(keys, [cells[row] for row in picked.tolist()], layouts[number], features, pieces)
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
    keys: Keys,
    cells: list[bytes],
    layout: Layout,
    features: Sequence[FeatureDefinition],
    pieces: list[list[History]],
) -> None:
    held = [
        (position, feature, found)
        for feature, found in zip(features, pieces, strict=True)
        if (position := layout.positions.get(feature.key)) is not None
        and layout.fields[position] == LayoutField.of(feature)
    ]
    decoded = unpack(layout, cells, [position for position, _, _ in held])
    intact = decoded.readable & (decoded.event_time == keys[1]) & (decoded.ingested_at == keys[2])
    for row, (_, feature, found) in enumerate(held):
        status, values = decoded.status[row], decoded.values[row]
        if not intact.all():
            status = np.where(intact, status, np.uint8(Status.ERROR))
        there = status != Status.NOT_FOUND
        own = keys
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
    order = np.lexsort((ingested_at, event_time, entity))
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
