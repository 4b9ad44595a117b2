"""The layouts of the values of a write, and their packed cells.

The columns of a row are packed into one layout if the group knows that set of columns: the whole group, and the first
16 other sets. Any other set is split into layouts of one feature, so an entity has about 16 + F cells. Replicas may
choose different layouts: reads merge them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featurama_core.storage.layouts import Layout
from featurama_core.storage.packed_cell import pack
from featurama_core.storage.records import CellRun
from featurama_core.types.column import Column
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import Int64Array, Status
from featurama_core.types.writes import StoredColumn

REMEMBERED_SETS = 16

_Key = tuple[str, int]


class LayoutBook:
    """The known sets of columns of each group of one namespace. Bounded."""

    def __init__(self) -> None:
        self._sets: dict[str, dict[frozenset[_Key], Layout]] = {}

    def is_full(self, group: str) -> bool:
        """Whether a new set of columns of the group is not remembered unless it is the whole group."""
        return len(self._sets.get(group, ())) >= REMEMBERED_SETS

    def layout(self, group: str, written: Sequence[FeatureDefinition], *, is_whole: bool) -> Layout | None:
        """The layout that holds exactly `written`, None for a set that is not remembered. is_whole: whether it is the
        newest version of every feature of the group.
        """
        known = self._sets.setdefault(group, {})
        keys = frozenset(definition.key for definition in written)
        if keys not in known and (is_whole or len(known) < REMEMBERED_SETS):
            known[keys] = Layout.of(written)
        return known.get(keys)


def plan_cells(
    book: LayoutBook,
    whole_group: dict[str, list[FeatureDefinition]],
    columns: Sequence[StoredColumn],
    event_time: Int64Array,
    ingested_at: Int64Array,
) -> list[CellRun]:
    """Pack every written value of k rows, each into one cell. whole_group: for groups of which the book is full."""
    runs: list[CellRun] = []
    groups: dict[str, list[StoredColumn]] = {}
    for stored in columns:
        groups.setdefault(stored.group.name, []).append(stored)
    for name, members in groups.items():
        group = members[0].group
        whole = {definition.key for definition in whole_group.get(name, ())}
        split = np.zeros(len(event_time), dtype=np.bool_)
        for rows, held in _column_sets(members):
            written = [members[position] for position in held]
            definitions = [stored.definition for stored in written]
            layout = book.layout(name, definitions, is_whole=whole == {each.key for each in definitions})
            if layout is None:
                split[rows] = True
            else:
                runs.append(_run(group, layout, written, rows, event_time, ingested_at))
        # One run per feature, however many sets of columns the rows have.
        for stored in members if split.any() else ():
            rows = np.flatnonzero(split & (stored.column.status != Status.NOT_FOUND))
            if len(rows):
                alone = Layout.of([stored.definition])
                runs.append(_run(group, alone, [stored], rows, event_time, ingested_at))
    return runs


def _column_sets(members: list[StoredColumn]) -> list[tuple[Int64Array, list[int]]]:
    """The rows of each distinct set of written columns, and the positions of those columns."""
    written = np.stack([stored.column.status != Status.NOT_FOUND for stored in members], axis=1)
    if written.all():
        return [(np.arange(len(written)), list(range(len(members))))]
    patterns, of_row = np.unique(np.packbits(written, axis=1), axis=0, return_inverse=True)
    order = np.argsort(of_row.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(of_row.reshape(-1), minlength=len(patterns)))
    sets = []
    for rows in np.split(order, ends[:-1]):
        held = np.flatnonzero(written[rows[0]]).tolist()
        if held:
            sets.append((rows, held))
    return sets


def _run(
    group: FeatureGroup,
    layout: Layout,
    written: list[StoredColumn],
    rows: Int64Array,
    event_time: Int64Array,
    ingested_at: Int64Array,
) -> CellRun:
    by_key: dict[_Key, Column] = {stored.definition.key: stored.column for stored in written}
    columns = [by_key[field.key] for field in layout.fields]
    if len(rows) == len(event_time):
        cells = pack(layout, columns, event_time, ingested_at)
    else:
        cells = pack(layout, [column.take(rows) for column in columns], event_time[rows], ingested_at[rows])
    return CellRun(group, layout, rows, cells)
