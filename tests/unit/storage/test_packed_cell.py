"""The packed cell: what goes in comes out, damaged bytes are told as damaged, and larger bytes are the later truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurama_core.storage.layouts import Layout, LayoutField
from featurama_core.storage.packed_cell import CODEC_VERSION, Unpacked, pack, unpack, without_fields
from featurama_core.types.column import Column
from featurama_core.types.values import BoolArray, Status, ValueType, empty_values

# Drawing wide rows is what costs time: the unit tier as a whole has ten seconds.
some = settings(max_examples=30, deadline=None)

HEAD = 17
TIMES = st.integers(-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one layout: `values[f][r]`, None for a null, `...` for absent."""

    layout: Layout
    values: list[list[object]]
    event_time: list[int]
    ingested_at: list[int]

    def columns(self) -> list[Column]:
        return [_column(field, values) for field, values in zip(self.layout.fields, self.values, strict=True)]

    def pack(self) -> list[bytes]:
        event_time = np.array(self.event_time, dtype=np.int64)
        return pack(self.layout, self.columns(), event_time, np.array(self.ingested_at, dtype=np.int64))


def _column(field: LayoutField, values: Sequence[object]) -> Column:
    status = [Status.NOT_FOUND if v is ... else Status.NULL_VALUE if v is None else Status.PRESENT for v in values]
    array = empty_values(field.value_type, len(values), field.vector_length)
    for row, value in enumerate(values):
        if status[row] is Status.PRESENT:
            array[row] = value  # type: ignore[call-overload]  # the test gives the right type
    return Column(
        field.name,
        field.value_type,
        array,
        np.array(status, dtype=np.uint8),
        np.zeros(len(values), dtype=np.int64),
        field.version,
    )


def _shown(layout: Layout, found: Unpacked) -> list[list[object]]:
    columns = []
    for field, values, status in zip(layout.fields, found.values, found.status, strict=True):
        column = Column(field.name, field.value_type, values, status, found.event_time, field.version)
        special = {Status.NULL_VALUE: None, Status.NOT_FOUND: ..., Status.ERROR: "ERROR"}
        columns.append(
            [special.get(Status(s), v) for v, s in zip(column.values.tolist(), status.tolist(), strict=True)]
        )
    return columns


def _values_of(field: LayoutField) -> st.SearchStrategy[object]:
    by_type: dict[ValueType, st.SearchStrategy[object]] = {
        ValueType.DOUBLE: st.floats(),
        ValueType.INT: TIMES,
        ValueType.TEXT: st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        ValueType.BOOL: st.booleans(),
        ValueType.VECTOR: st.lists(
            st.floats(width=32, allow_nan=False), min_size=field.vector_length, max_size=field.vector_length
        ),
    }
    return st.one_of(st.none(), st.just(...), by_type[field.value_type])


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    names = draw(st.lists(st.integers(0, 99), min_size=1, max_size=12, unique=True))
    fields = []
    for name in names:
        value_type = draw(st.sampled_from(ValueType))
        length = draw(st.integers(1, 5)) if value_type is ValueType.VECTOR else 0
        fields.append(LayoutField(f"f{name:02}", draw(st.integers(1, 3)), value_type, length))
    return Layout(tuple(sorted(fields)))


@st.composite
def rows(draw: st.DrawFn, min_rows: int = 0, max_rows: int = 5) -> Rows:
    layout = draw(layouts())
    count = draw(st.integers(min_rows, max_rows))
    values = [draw(st.lists(_values_of(field), min_size=count, max_size=count)) for field in layout.fields]
    event_time, ingested_at = (draw(st.lists(TIMES, min_size=count, max_size=count)) for _ in range(2))
    return Rows(layout, values, event_time, ingested_at)


def _bits(values: list[list[object]]) -> str:
    # repr tells -0.0 from 0.0 and finds NaN equal to itself.
    return repr(values)


@some
@given(rows())
def test_every_value_comes_back(given_rows: Rows) -> None:
    """All types, nulls and absent values, any times; NaN and -0.0 too."""
    found = unpack(given_rows.layout, given_rows.pack())
    assert found.readable.all()
    assert found.event_time.tolist() == given_rows.event_time
    assert found.ingested_at.tolist() == given_rows.ingested_at
    assert _bits(_shown(given_rows.layout, found)) == _bits(given_rows.values)


@some
@given(rows(min_rows=1))
def test_rows_packed_together_are_the_cells_of_each_row_alone(given_rows: Rows) -> None:
    """The columnar path hides no dependence between rows, so that a retry in other company gives the same bytes."""
    together = given_rows.pack()
    for row, cell in enumerate(together):
        values = [[column[row]] for column in given_rows.values]
        alone = Rows(given_rows.layout, values, [given_rows.event_time[row]], [given_rows.ingested_at[row]])
        assert alone.pack() == [cell]


@some
@given(rows(min_rows=1, max_rows=3), st.data())
def test_damaged_bytes_never_raise_and_never_spread(given_rows: Rows, data: st.DataObject) -> None:
    """Cut, changed, lengthened or random: a neighbour in the same call still reads as it was written."""
    cells = given_rows.pack()
    victim = data.draw(st.integers(0, len(cells) - 1))
    original = cells[victim]
    position = data.draw(st.integers(0, len(original) - 1))
    cells[victim] = data.draw(
        st.sampled_from(
            [
                original[:position],
                original + b"\x00",
                original[:position] + bytes([original[position] ^ (1 << position % 8)]) + original[position + 1 :],
                b"",
            ]
        )
        | st.binary(max_size=200)
    )
    found = unpack(given_rows.layout, cells)
    shown = _shown(given_rows.layout, found)
    for row in range(len(cells)):
        if row != victim:
            assert _bits([[column[row]] for column in shown]) == _bits([[column[row]] for column in given_rows.values])


@some
@given(layouts(), st.lists(st.binary(max_size=300), max_size=4))
def test_random_bytes_are_an_error_or_some_value(layout: Layout, cells: list[bytes]) -> None:
    """Every status is one of the five, every column has its dtype, and an unreadable row shows errors."""
    found = unpack(layout, cells)
    for field, values, status in zip(layout.fields, found.values, found.status, strict=True):
        assert values.dtype == empty_values(field.value_type, 0, field.vector_length).dtype
        assert len(values) == len(status) == len(cells)
        assert set(status.tolist()) <= {Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND, Status.ERROR}
        if len(layout.fields) == 1:
            assert (status[~found.readable] == Status.ERROR).all()


@some
@given(rows(min_rows=1, max_rows=1), st.data())
def test_a_cell_that_is_cut_anywhere_is_unreadable(given_rows: Rows, data: st.DataObject) -> None:
    """A prefix is never taken for a cell, unless what is missing belongs to no value."""
    (cell,) = given_rows.pack()
    (found,) = [unpack(given_rows.layout, [cell[: data.draw(st.integers(0, len(cell) - 1))]])]
    fixed = HEAD + 2 * ((len(given_rows.layout.fields) + 7) // 8) + 8 * len(given_rows.layout.fields)
    assert not found.readable[0] or len(cell) > fixed
    if found.readable[0]:
        assert _bits(_shown(given_rows.layout, found)) == _bits(given_rows.values)


@some
@given(rows(min_rows=1, max_rows=1), st.integers(0, 255))
def test_another_codec_version_is_unreadable(given_rows: Rows, version: int) -> None:
    """Written by a newer release: an error, not a guess."""
    (cell,) = given_rows.pack()
    found = unpack(given_rows.layout, [cell[:16] + bytes([version]) + cell[17:]])
    assert bool(found.readable[0]) is (version == CODEC_VERSION)
    if version != CODEC_VERSION:
        assert {status for column in found.status for status in column.tolist()} == {Status.ERROR}


@some
@given(rows(min_rows=2, max_rows=2), TIMES, st.lists(TIMES, min_size=2, max_size=2, unique=True))
def test_of_one_event_time_the_later_ingest_time_is_the_larger_cell(
    given_rows: Rows, event_time: int, ingested: list[int]
) -> None:
    """Whatever the values are, negative times included."""
    first, second = Rows(given_rows.layout, given_rows.values, [event_time] * 2, sorted(ingested)).pack()
    assert first < second


@some
@given(rows(min_rows=2, max_rows=2), st.data())
def test_a_cell_without_fields_is_larger_than_the_original(given_rows: Rows, data: st.DataObject) -> None:
    """So it beats the original and every resend of it; the other fields stay, the deleted ones leave no byte."""
    cell = given_rows.pack()[0]
    layout = given_rows.layout
    deleted = data.draw(st.lists(st.booleans(), min_size=len(layout.fields), max_size=len(layout.fields)))
    rewritten = without_fields(layout, cell, deleted)
    written = [column[0] for column in given_rows.values]
    expected: list[list[object]] = [[...] if gone else [value] for gone, value in zip(deleted, written, strict=True)]
    assert _bits(_shown(layout, unpack(layout, [rewritten]))) == _bits(expected)
    if any(gone and value is not ... for gone, value in zip(deleted, written, strict=True)):
        assert rewritten > cell
    else:
        assert rewritten == cell
    assert without_fields(layout, rewritten, deleted) == rewritten


def test_an_unreadable_cell_cannot_be_rewritten() -> None:
    """It would lose what a newer release could read."""
    layout = Layout((LayoutField("a", 1, ValueType.DOUBLE),))
    with pytest.raises(ValueError, match="unreadable"):
        without_fields(layout, b"\x00" * 8, [True])


def test_deleted_text_leaves_no_byte() -> None:
    """A rewritten cell does not hold what was deleted."""
    layout = Layout((LayoutField("a", 1, ValueType.TEXT), LayoutField("b", 1, ValueType.TEXT)))
    (cell,) = Rows(layout, [["secret"], ["kept"]], [1], [2]).pack()
    assert b"secret" in cell
    rewritten = without_fields(layout, cell, [True, False])
    assert b"secret" not in rewritten
    assert b"kept" in rewritten


GOLDEN_LAYOUT = Layout(
    (
        LayoutField("distance", 1, ValueType.DOUBLE),
        LayoutField("flags", 2, ValueType.VECTOR, 2),
        LayoutField("mood", 1, ValueType.TEXT),
        LayoutField("passed", 1, ValueType.BOOL),
        LayoutField("rank", 1, ValueType.INT),
        LayoutField("speed", 1, ValueType.DOUBLE),
        LayoutField("unset", 1, ValueType.TEXT),
    )
)
GOLDEN_VALUES: list[list[object]] = [[1.5], [[0.5, -2.0]], ["Здрав"], [True], [-2], [None], [...]]
GOLDEN_CELL = bytes.fromhex(
    "98e3c2be7bca0007"  # ingested_at, offset binary
    "80062b2bb5e24000"  # event time
    "01"  # codec version
    "02"  # absent: unset
    "04"  # null: speed
    "000000000000f83f"  # distance 1.5
    "0800000000000000"  # flags: offset 0, 8 bytes
    "0a00000008000000"  # mood: offset 8, 10 bytes
    "0100000000000000"  # passed
    "feffffffffffffff"  # rank -2
    "0000000000000000"  # speed
    "0000000000000000"  # unset
    "0000003f000000c0"  # 0.5, -2.0
    "d097d0b4d180d0b0d0b2"  # Здрав
)
GOLDEN_EVENT_TIME = 0x00062B2BB5E24000
GOLDEN_INGESTED_AT = 0x18E3C2BE7BCA0007


def test_the_format_does_not_drift() -> None:
    """These bytes stand in people's stores: another layout of them needs another codec version."""
    golden = Rows(GOLDEN_LAYOUT, GOLDEN_VALUES, [GOLDEN_EVENT_TIME], [GOLDEN_INGESTED_AT])
    assert golden.pack()[0].hex() == GOLDEN_CELL.hex()
    found = unpack(GOLDEN_LAYOUT, [GOLDEN_CELL])
    assert _shown(GOLDEN_LAYOUT, found) == GOLDEN_VALUES
    assert (found.event_time[0], found.ingested_at[0]) == (GOLDEN_EVENT_TIME, GOLDEN_INGESTED_AT)


def test_a_layouts_id_does_not_drift() -> None:
    """It is stored in every cell's key: first 8 bytes of SHA-256 of the text."""
    text = "distance 1 double\nflags 2 vector[2]\nmood 1 text\npassed 1 bool\nrank 1 int\nspeed 1 double\nunset 1 text"
    assert text == GOLDEN_LAYOUT.text
    assert Layout.parse(text) == GOLDEN_LAYOUT
    assert GOLDEN_LAYOUT.layout_id == -1052357837539337117


def test_a_field_with_a_wrong_tail_leaves_the_others_readable_or_all_in_error() -> None:
    """A text slot that points outside its cell is never read from a neighbour."""
    layout = Layout((LayoutField("a", 1, ValueType.INT), LayoutField("b", 1, ValueType.TEXT)))
    good, bad = Rows(layout, [[1, 2], ["one", "two"]], [1, 2], [3, 4]).pack()
    slot = HEAD + 2 + 8
    for offset, length in ((0, 4), (1, 3), (2**31, 1), (0, 2**31), (2**32 - 1, 1)):
        broken = bad[:slot] + length.to_bytes(4, "little") + offset.to_bytes(4, "little") + bad[slot + 8 :]
        found = unpack(layout, [good, broken, good])
        readable: BoolArray = found.readable
        assert readable.tolist() == [True, False, True]
        assert found.values[1].tolist() == ["one", "", "one"]
        assert found.status[1].tolist() == [Status.PRESENT, Status.ERROR, Status.PRESENT]
