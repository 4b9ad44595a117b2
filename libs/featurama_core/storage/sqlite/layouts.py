"""Registered layouts, and which of them hold a feature. They are append-only, so cached layouts stay valid.

A `LayoutCache` belongs to one open namespace.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence

from featurama_core.storage.layouts import Layout, LayoutField
from featurama_core.storage.sqlite.connections import Reader, Transaction
from featurama_core.storage.sqlite.interning import as_json
from featurama_core.types.schema import FeatureDefinition


class KnownLayouts:
    """The layouts as of one snapshot. Immutable."""

    def __init__(self, last_number: int, by_id: dict[int, Layout]) -> None:
        self.last_number = last_number
        self._by_id = by_id
        self._holding: dict[LayoutField, list[int]] = {}
        for layout_id, layout in by_id.items():
            for field in layout.fields:
                self._holding.setdefault(field, []).append(layout_id)

    def __getitem__(self, layout_id: int) -> Layout:
        return self._by_id[layout_id]

    def holding(self, features: Iterable[FeatureDefinition]) -> list[int]:
        """Ids of the layouts that hold one of these features."""
        return sorted({layout for feature in features for layout in self._holding.get(LayoutField.of(feature), ())})

    def with_rows(self, rows: Sequence[tuple[int, int, str]]) -> KnownLayouts:
        """These layouts and further ones."""
        added = {layout_id: Layout.parse(fields) for _, layout_id, fields in rows}
        return KnownLayouts(rows[-1][0], self._by_id | added)


class LayoutCache:
    """Layouts that readers of one open namespace have seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = KnownLayouts(0, {})

    def read(self, connection: Reader) -> KnownLayouts:
        """At least all layouts of the snapshot."""
        known = self._known
        rows = connection.execute(
            "SELECT number, layout_id, fields FROM feature_layouts WHERE number > ? ORDER BY number",
            (known.last_number,),
        ).fetchall()
        if not rows:
            return known
        known = known.with_rows(rows)
        if isinstance(connection, sqlite3.Connection):
            # Only committed layouts are cached: the transaction of a writer may be rolled back.
            with self._lock:
                if known.last_number > self._known.last_number:
                    self._known = known
        return known


def put_layouts(transaction: Transaction, layouts: Sequence[Layout]) -> None:
    """Register layouts. Idempotent."""
    transaction.executemany(
        "INSERT OR IGNORE INTO feature_layouts (layout_id, fields) VALUES (?, ?)",
        [(layout.layout_id, layout.text) for layout in layouts],
    )


def get_layouts(connection: sqlite3.Connection, layout_ids: Sequence[int]) -> dict[int, Layout]:
    """The known ones among these ids."""
    rows = connection.execute(
        "SELECT layout_id, fields FROM feature_layouts WHERE layout_id IN (SELECT value FROM json_each(?))",
        (as_json(list(layout_ids)),),
    )
    return {layout_id: Layout.parse(fields) for layout_id, fields in rows}
