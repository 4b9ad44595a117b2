"""The newest stored values of entities, from their latest cells. Pure: cells in, winners out.

Cells are decoded by layout. Features in the same layouts are searched together. A cell of an unknown layout makes all
features of its entity ERROR, an unreadable cell those of its layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from featurama_core.retrieval.answer import Stored, Winners
from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.plan import Features
from featurama_core.retrieval.visibility import AsOf, newest
from featurama_core.storage.layouts import Layout
from featurama_core.storage.packed_cell import Unpacked, unpack
from featurama_core.storage.records import Cells
from featurama_core.types.column import Column, byte_ranks
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME
from featurama_core.types.values import BoolArray, Int64Array, Status, UInt8Array, ValueArray


def newest_cells(
    cells: Cells, layouts: Mapping[int, Layout], features: Features, entities: int, as_of: AsOf
) -> Winners:
    """The winner of each feature for each of n entities. layouts: the known layouts of the cells."""
    unknown, present = cells.failed if cells.failures else None, cells.layouts
    if not present <= layouts.keys():
        unknown = cells.failed.copy()
        unknown[cells.entity[~cells.is_tombstone & ~np.isin(cells.layout_id, list(layouts))]] = True
        present = present.intersection(layouts)
    found: Winners = []
    for slots in features.slots(present, layouts):
        pieces = [_LayoutCells.of(layouts[layout_id], cells, fields) for layout_id, fields in slots.fields.items()]
        wanted = features.part(slots.positions)
        for members, stored in _winners(pieces, wanted, entities, as_of):
            positions = slots.positions if len(members) == len(wanted) else [slots.positions[at] for at in members]
            found.append((positions, _with_errors(stored, unknown, pieces)))
    return found


class _LayoutCells(NamedTuple):
    """The decoded cells of one layout. entity: int64[c], None if every entity has one, in order. An entity has at most
    one cell of a layout.
    """

    entity: Int64Array | None
    cells: Unpacked

    @classmethod
    def of(cls, layout: Layout, cells: Cells, fields: Sequence[int]) -> _LayoutCells:
        if len(cells.layouts) == 1 and not cells.may_hold_tombstones:
            return cls(None if cells.one_each else cells.entity, unpack(layout, cells.cells, fields))
        at = np.flatnonzero(~cells.is_tombstone & (cells.layout_id == layout.layout_id))
        return cls(cells.entity[at], unpack(layout, [cells.cells[position] for position in at.tolist()], fields))


def _winners(pieces: list[_LayoutCells], features: Features, entities: int, as_of: AsOf) -> Winners:
    """The winners of features in the same layouts. The fields of each piece are those of the features."""
    everything = range(len(features))
    if not pieces:
        return [(everything, Stored.nothing(features, entities))]
    if len(pieces) == 1:
        # The only cell of an entity holds all its values, or their absence.
        of_entity, found = pieces[0]
        if of_entity is None:
            return [(everything, Stored(found.values, found.status, found.event_time, found.whole))]
        winner = np.full(entities, -1, dtype=np.int64)
        winner[of_entity] = np.arange(len(of_entity))
        return [(everything, Stored.of(features, found.values, found.status, found.event_time, winner))]
    entity = np.concatenate([each.entity for each in pieces if each.entity is not None])  # several layouts: all are
    time = np.concatenate([each.cells.event_time for each in pieces])
    ingested = np.concatenate([each.cells.ingested_at for each in pieces])
    readable = np.concatenate([each.cells.readable for each in pieces])
    values = [np.concatenate(each) for each in zip(*(each.cells.values for each in pieces), strict=True)]
    status = np.concatenate([each.cells.status for each in pieces], axis=1)
    usable = readable & (status != Status.NOT_FOUND)
    order = np.lexsort((ingested, time, entity))
    keys = HistoryKeys.of(entity[order], time[order], ingested[order])
    if _has_ties(keys):
        return [
            ([at], _tied(feature, entity, time, ingested, values[at], status[at], usable[at], entities, as_of))
            for at, feature in enumerate(features)
        ]
    rows = np.arange(entities, dtype=np.int64)
    masks = [None if whole else mask for mask, whole in zip(usable[:, order], usable.all(axis=1).tolist(), strict=True)]
    alike: dict[int, tuple[Int64Array, list[int]]] = {}
    for at, winner in enumerate(newest(keys, masks, rows, as_of)):
        alike.setdefault(id(winner), (winner, []))[1].append(at)
    return [
        (
            members,
            Stored.of(
                [features[at] for at in members], [values[at] for at in members], status[members], time,
                _unsorted(winner, order),
            ),
        )
        for winner, members in alike.values()
    ]  # fmt: skip


def _tied(
    feature: ResolvedFeature,
    entity: Int64Array,
    time: Int64Array,
    ingested: Int64Array,
    values: ValueArray,
    status: UInt8Array,
    usable: BoolArray,
    entities: int,
    as_of: AsOf,
) -> Stored:
    """The winners of a feature if two layouts hold values of one (event time, ingest time): their bytes decide."""
    definition = feature.definition
    ranks = byte_ranks(Column(definition.name, definition.value_type, values, status, time))
    order = np.lexsort((ranks, ingested, time, entity))
    keys = HistoryKeys.of(entity[order], time[order], ingested[order])
    (winner,) = newest(keys, [usable[order]], np.arange(entities, dtype=np.int64), as_of)
    return Stored.of([feature], [values], status[None, :], time, _unsorted(winner, order))


def _unsorted(winner: Int64Array, order: Int64Array) -> Int64Array:
    """Positions among sorted cells -> positions among the cells in their original order."""
    return np.where(winner >= 0, order[winner], -1)


def _with_errors(stored: Stored, unknown: BoolArray | None, pieces: list[_LayoutCells]) -> Stored:
    """ERROR for entities that were not read, and for those with an unreadable cell. unknown: bool[n], None for none."""
    broken = unknown
    for of_entity, cells in pieces:
        if not cells.whole and np.count_nonzero(cells.readable) < len(cells.readable):
            broken = np.zeros(len(stored.event_time), dtype=np.bool_) if broken is None else broken.copy()
            broken[slice(None) if of_entity is None else of_entity] |= ~cells.readable
    if broken is None:
        return stored
    status = np.where(broken, np.uint8(Status.ERROR), stored.status)
    return Stored(stored.values, status, np.where(broken, MAX_TIME, stored.event_time))


def _has_ties(keys: HistoryKeys) -> bool:
    same = (keys.entity[1:] == keys.entity[:-1]) & (keys.time[1:] == keys.time[:-1])
    return bool((same & (keys.ingested[1:] == keys.ingested[:-1])).any())
