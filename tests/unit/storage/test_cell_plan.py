"""Which layouts the values of a write go to: every value to exactly one cell, and a bounded number of layouts."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.storage.cell_plan import REMEMBERED_SETS, LayoutBook, plan_cells
from featurama_core.storage.packed_cell import unpack
from featurama_core.types.column import Column
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import StoredColumn

GROUPS = {name: FeatureGroup(name) for name in ("a", "b")}
FEATURES = [
    FeatureDefinition(f"{group}{number}", ValueType.DOUBLE, group=group) for group in GROUPS for number in range(6)
]
WHOLE = {group: [each for each in FEATURES if each.group == group] for group in GROUPS}


def asked(book: LayoutBook, written: list[FeatureDefinition], group: str = "a") -> list[list[str]]:
    layout = book.layout(group, written, is_whole=len(written) == len(WHOLE[group]))
    if layout is None:
        return [[feature.name] for feature in written]
    return [[field.name for field in layout.fields]]


def test_a_new_column_set_gets_a_layout_until_sixteen_are_known() -> None:
    """Any further set is split into a layout a feature; what is known stays whole."""
    book = LayoutBook()
    sets = [list(each) for size in (2, 3) for each in itertools.combinations(WHOLE["a"], size)]
    known, further = sets[:REMEMBERED_SETS], sets[REMEMBERED_SETS:]
    for each in known:
        assert [[feature.name for feature in each]] == asked(book, each)
    for each in further:
        assert [[feature.name] for feature in each] == asked(book, each)
    assert [[feature.name for feature in known[3]]] == asked(book, list(reversed(known[3])))


def test_the_whole_group_always_has_a_layout() -> None:
    """However many other sets came first."""
    book = LayoutBook()
    for each in itertools.combinations(WHOLE["a"], 3):
        asked(book, list(each))
    assert [[feature.name for feature in WHOLE["a"]]] == asked(book, WHOLE["a"])


def test_groups_do_not_take_each_others_places() -> None:
    """The bound is a group's own."""
    book = LayoutBook()
    for each in itertools.combinations(WHOLE["a"], 3):
        asked(book, list(each))
    assert [["b0", "b1"]] == asked(book, WHOLE["b"][:2], "b")


@given(
    rows=st.lists(st.sets(st.sampled_from(range(len(FEATURES)))), min_size=1, max_size=20),
    filled=st.integers(0, 20),
)
def test_every_written_value_lies_in_exactly_one_cell(rows: list[set[int]], filled: int) -> None:
    """With its row's times; nothing else lies in any cell."""
    book = LayoutBook()
    for each in itertools.islice(itertools.combinations(WHOLE["a"], 2), filled):
        asked(book, list(each))
    times = np.arange(len(rows), dtype=np.int64) * 10
    columns = []
    for number, feature in enumerate(FEATURES):
        status = np.array([Status.PRESENT if number in row else Status.NOT_FOUND for row in rows], dtype=np.uint8)
        values = np.array([row + number / 100 for row in range(len(rows))])
        column = Column(feature.name, feature.value_type, values, status, times, feature.version)
        columns.append(StoredColumn(feature, GROUPS[feature.group], column))
    runs = plan_cells(book, WHOLE, columns, times, times + 1)
    found = []
    for run in runs:
        decoded = unpack(run.layout, run.cells)
        assert decoded.readable.all()
        assert times[run.rows].tolist() == decoded.event_time.tolist()
        assert (times[run.rows] + 1).tolist() == decoded.ingested_at.tolist()
        for field, values, status in zip(run.layout.fields, decoded.values, decoded.status, strict=True):
            assert {Status.PRESENT} == set(status.tolist())
            found += [(row, field.name, value) for row, value in zip(run.rows.tolist(), values.tolist(), strict=True)]
    wanted = [(row, FEATURES[number].name, row + number / 100) for row, held in enumerate(rows) for number in held]
    assert sorted(wanted) == sorted(found)


def test_rows_with_sets_of_columns_of_their_own_share_runs() -> None:
    """As many runs as there are remembered sets and features, however many sets the rows have."""
    rows = 64
    columns = []
    for number, feature in enumerate(WHOLE["a"]):
        status = np.where(np.arange(rows) >> number & 1, Status.PRESENT, Status.NOT_FOUND).astype(np.uint8)
        column = Column(feature.name, feature.value_type, np.ones(rows), status, np.zeros(rows, dtype=np.int64))
        columns.append(StoredColumn(feature, GROUPS["a"], column))
    times = np.arange(rows, dtype=np.int64)
    runs = plan_cells(LayoutBook(), {}, columns, times, times)
    assert REMEMBERED_SETS + len(WHOLE["a"]) == len(runs)
