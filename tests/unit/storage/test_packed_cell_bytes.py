"""The packed cell byte by byte: masks of whole bytes, empty slots, and tails that lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from featurama_core.storage.layouts import Layout, LayoutField
from featurama_core.storage.packed_cell import pack, unpack, without_fields
from featurama_core.types.column import Column
from featurama_core.types.values import Status, ValueArray, ValueType

HEAD = 17
P, N, A = Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND


def layout(*fields: tuple[str, ValueType]) -> Layout:
    return Layout(tuple(LayoutField(name, 1, kind, 2 if kind is ValueType.VECTOR else 0) for name, kind in fields))


def cell(of: Layout, *fields: tuple[ValueArray, Status]) -> bytes:
    """One cell; each field's value array of one row, and its status."""
    zero = np.zeros(1, dtype=np.int64)
    columns = [
        Column(field.name, field.value_type, values, np.array([status], dtype=np.uint8), zero, 1)
        for field, (values, status) in zip(of.fields, fields, strict=True)
    ]
    (packed,) = pack(of, columns, zero, zero)
    return packed


def statuses(of: Layout, cells: Sequence[bytes]) -> list[list[Status]]:
    """Per cell, the status of each field."""
    found = unpack(of, cells)
    assert np.uint8 == found.status.dtype
    return [[Status(column[row]) for column in found.status] for row in range(len(cells))]


@pytest.mark.parametrize(
    ("fields", "absent", "null", "bits"),
    [
        (1, 0, 0, "80" + "80"),
        (7, 0, 6, "80" + "02"),
        (8, 0, 7, "80" + "01"),
        (8, 7, 0, "01" + "80"),
        (9, 8, 7, "0080" + "0100"),
        (16, 8, 15, "0080" + "0001"),
        (17, 16, 7, "000080" + "010000"),
    ],
)
def test_each_mask_has_a_bit_a_field_and_no_byte_more(fields: int, absent: int, null: int, bits: str) -> None:
    """The most significant bit is the first field's; a multiple of eight fields fills its bytes."""
    of = layout(*((f"f{number:02}", ValueType.BOOL) for number in range(fields)))
    status = [P] * fields
    status[null] = N
    status[absent] = A
    if fields == 1:
        bits = "80" + "00"  # one field is absent or null, not both
    packed = cell(of, *((np.array([True]), each) for each in status))
    masks = (fields + 7) // 8
    assert bits == packed[HEAD : HEAD + 2 * masks].hex()
    assert HEAD + 2 * masks + 8 * fields == len(packed)
    assert [status] == statuses(of, [packed])


@pytest.mark.parametrize("status", [A, N])
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ValueType.DOUBLE, np.array([1.5])),
        (ValueType.INT, np.array([7])),
        (ValueType.BOOL, np.array([True])),
        (ValueType.TEXT, np.array(["secret"], dtype=object)),
        (ValueType.VECTOR, np.array([[1.0, 2.0]], dtype=np.float32)),
    ],
    ids=lambda each: each.label if isinstance(each, ValueType) else "",
)
def test_what_is_absent_or_null_leaves_a_slot_of_zeros_and_no_tail(
    kind: ValueType, values: ValueArray, status: Status
) -> None:
    """Whatever stands in the array there: else equal requests would give unequal cells, and deletions leave values."""
    of = layout(("a", kind))
    assert bytes(8) == cell(of, (values, status))[HEAD + 2 :]


@pytest.mark.parametrize("kind", [ValueType.DOUBLE, ValueType.INT, ValueType.BOOL, ValueType.TEXT, ValueType.VECTOR])
def test_a_deleted_field_leaves_zeros_and_its_neighbours_stay_byte_for_byte(kind: ValueType) -> None:
    """Only the absent mask, the deleted slot and the tail change."""
    given = {
        ValueType.DOUBLE: np.array([1.5]),
        ValueType.INT: np.array([7]),
        ValueType.BOOL: np.array([True]),
        ValueType.TEXT: np.array(["secret"], dtype=object),
        ValueType.VECTOR: np.array([[1.0, 2.0]], dtype=np.float32),
    }
    of = layout(("a", ValueType.INT), ("b", kind), ("c", ValueType.TEXT))
    neighbours = (np.array([9]), P), (np.array(["kept"], dtype=object), P)
    whole = cell(of, neighbours[0], (given[kind], P), neighbours[1])
    expected = cell(of, neighbours[0], (given[kind], A), neighbours[1])
    assert expected == without_fields(of, whole, [False, True, False])
    assert bytes(8) == expected[HEAD + 2 + 8 : HEAD + 2 + 16]
    assert b"kept" == expected[HEAD + 2 + 24 :]


VECTORS = layout(("a", ValueType.INT), ("v", ValueType.VECTOR))
SLOT = HEAD + 2 + 8


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 4), (0, 12), (0, 0), (4, 8), (1, 8), (2**31, 8), (2**32 - 1, 8), (0, 2**32 - 1)],
)
def test_a_vector_whose_slot_lies_makes_its_cell_unreadable_and_no_other(offset: int, length: int) -> None:
    """Shorter, longer or beyond the cell's end: never read from the neighbour that follows in the same call."""
    good = cell(VECTORS, (np.array([1]), P), (np.array([[0.5, -2.0]], dtype=np.float32), P))
    broken = good[:SLOT] + length.to_bytes(4, "little") + offset.to_bytes(4, "little") + good[SLOT + 8 :]
    found = unpack(VECTORS, [good, broken, good])
    assert [True, False, True] == found.readable.tolist()
    assert [[P, P], [Status.ERROR, Status.ERROR], [P, P]] == statuses(VECTORS, [good, broken, good])
    assert [[0.5, -2.0], [0.0, 0.0], [0.5, -2.0]] == found.values[1].tolist()


def test_a_vector_that_is_cut_makes_its_cell_unreadable() -> None:
    """By a byte, or by the whole tail."""
    good = cell(VECTORS, (np.array([1]), P), (np.array([[0.5, -2.0]], dtype=np.float32), P))
    for cut in (1, 8):
        assert [[Status.ERROR, Status.ERROR], [P, P]] == statuses(VECTORS, [good[:-cut], good])


def test_a_cell_of_numbers_that_is_longer_than_its_layout_is_unreadable() -> None:
    """It was written in another layout, or is damaged."""
    of = layout(("a", ValueType.INT))
    good = cell(of, (np.array([7]), P))
    assert [[Status.ERROR], [P]] == statuses(of, [good + b"\x00", good])


def test_one_wrong_tail_puts_the_fields_before_and_after_it_in_error() -> None:
    """Of a cell that is damaged nothing is believed."""
    of = layout(("a", ValueType.INT), ("b", ValueType.TEXT), ("c", ValueType.DOUBLE), ("d", ValueType.TEXT))
    fields = (np.array([1]), np.array(["one"], dtype=object), np.array([1.5]), np.array(["two"], dtype=object))
    good = cell(of, *((values, P) for values in fields))
    broken = good[:SLOT] + (99).to_bytes(4, "little") + good[SLOT + 4 :]
    assert [[Status.ERROR] * 4, [P] * 4] == statuses(of, [broken, good])


def test_text_whose_bytes_were_damaged_is_shown_with_replacements() -> None:
    """Its length is right, so nothing says that it is wrong; it fails no read."""
    of = layout(("a", ValueType.TEXT))
    good = cell(of, (np.array(["abc"], dtype=object), P))
    found = unpack(of, [good[:-2] + b"\xff" + good[-1:], good])
    assert [["a\ufffdc", "abc"]] == [values.tolist() for values in found.values]


def test_the_fields_that_are_picked_are_decoded_in_their_order() -> None:
    """Texts and numbers, several, or none; what is wrong in another field is found all the same."""
    of = layout(("a", ValueType.INT), ("b", ValueType.TEXT), ("c", ValueType.DOUBLE), ("d", ValueType.TEXT))
    fields = (np.array([1]), np.array(["one"], dtype=object), np.array([1.5]), np.array(["two"], dtype=object))
    good = cell(of, *zip(fields, (P, P, N, P), strict=True))
    broken = good[:SLOT] + (99).to_bytes(4, "little") + good[SLOT + 4 :]
    for picked, expected in (
        ([3, 0], [(["two"], [P]), ([1], [P])]),
        ([2, 1], [([0.0], [N]), (["one"], [P])]),
        ([], []),
    ):
        found = unpack(of, [good], picked)
        shown = zip(found.values, found.status, strict=True)
        assert expected == [(values.tolist(), status.tolist()) for values, status in shown]
        assert (len(picked), 1) == found.status.shape
        assert [Status.ERROR] * len(picked) == [each.tolist()[0] for each in unpack(of, [broken], picked).status]


def test_statuses_are_bytes_also_where_every_field_has_a_value() -> None:
    """They go to the wire as they are."""
    of = layout(("a", ValueType.INT), ("b", ValueType.BOOL))
    full = cell(of, (np.array([7]), Status.PRESENT), (np.array([True]), Status.PRESENT))
    assert [[Status.PRESENT] * 2] * 2 == statuses(of, [full, full])
