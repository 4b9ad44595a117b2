"""Rows as a list of mappings, in writes, label rows and sets. Other reads: `test_reads_by_key`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.opened import OpenedStore

from featurama_core.types.errors import InvalidInput

from .keyed import AT
from .standing_clock import Unique


async def values(store: OpenedStore, ids: list[str], *names: str) -> list[list[Any]]:
    return [each.to_list() for each in (await store.get_online_features(ids, list(names))).columns]


async def test_a_written_row_that_lacks_a_column_is_no_null(store: OpenedStore, unique: Unique) -> None:
    """It is refused and named; with nulls="skip" nothing is written there, and what was there stays."""
    size, mood, ids = unique("size"), unique("mood"), [unique("a"), unique("b")]
    await store.register_feature(size, "int")
    await store.register_feature(mood, "text")
    first = [{"entity_id": each, "timestamp": AT, size: 1, mood: "calm"} for each in ids]
    assert 2 == (await store.write_features(first)).accepted
    later = [
        {"entity_id": ids[0], "timestamp": "2026-01-02T00:00:00Z", size: 2, mood: None},
        {"entity_id": ids[1], "timestamp": "2026-01-02T00:00:00Z", size: 3},
    ]
    with pytest.raises(InvalidInput, match=f"row 1 lacks '{mood}'"):
        await store.write_features(later)
    assert [[1, 1], ["calm", "calm"]] == await values(store, ids, size, mood)
    assert 2 == (await store.write_features(later, nulls="skip")).accepted
    assert [[2, 3], ["calm", "calm"]] == await values(store, ids, size, mood)
    assert 1 == (await store.write_features(later[:1])).accepted
    assert [[2, 3], [None, "calm"]] == await values(store, ids, size, mood)


async def test_label_rows_may_be_mappings(store: OpenedStore, unique: Unique) -> None:
    """With other columns, in a read of the past and in a set; what a row lacks is null."""
    await store.register_feature(size := unique("size"), "int")
    await store.write_features([{"entity_id": (fry := unique("fry")), size: 7}], timestamp=AT)
    rows = [{"entity_id": fry, "timestamp": "2026-02-01T00:00:00Z", "label": 1}, {"entity_id": fry, "timestamp": AT}]
    expected = {"entity_id": [fry, fry], "label": [1, None], size: [7, 7]}
    for read in (
        (await store.get_historical_features(rows, [size])).to_dict(),
        await (await store.training_set(rows, [size])).to_dict(),
    ):
        assert read.pop("timestamp")
        assert expected == read


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"entity_id": "fry"}, "leela"], "row 1 is 'leela'"),
        ([{"entity_id": "fry", 3: 1}], "column 3 has no text as its name"),
    ],
)
async def test_rows_that_are_not_all_mappings_are_refused(store: OpenedStore, rows: Any, message: str) -> None:
    """With the number of the row."""
    for call in (store.write_features, store.training_set):
        with pytest.raises(InvalidInput, match=message):
            await call(rows, **({} if call == store.write_features else {"features": ["x"]}))  # type: ignore[operator]
