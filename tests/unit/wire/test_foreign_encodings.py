"""Peers may pack, split and repeat arrays as protobuf allows: the columns that arrive are the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.columns import assert_same, block, columns, doubles, fixed32, fixed64, ints, number

from featurama import wire
from featurama.wire.twin import columns_from_wire, columns_to_wire
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.references import FeatureSelection
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import WriteMode, WriteRequest, WriteUnit

pytestmark = pytest.mark.unit

Encoding = Callable[[int, bytes, int], bytes]


def packed(field: int, data: bytes, size: int) -> bytes:
    return block(field, data)


def chunked(field: int, data: bytes, size: int) -> bytes:
    return block(field, data[:size]) + block(field, b"") + block(field, data[size:])


def unpacked(field: int, data: bytes, size: int) -> bytes:
    one = {8: fixed64, 4: fixed32, 1: lambda f, d: number(f, d[0])}[size]
    return b"".join(one(field, data[at : at + size]) for at in range(0, len(data), size))


def merged(field: int, data: bytes, size: int) -> bytes:
    return block(field, data[:size]) + unpacked(field, data[size : 2 * size], size) + block(field, data[2 * size :])


ENCODINGS = [packed, chunked, unpacked, merged]
HEADERS = {
    ValueType.DOUBLE: (6, 8, doubles([1.5, float("nan"), -0.0])),
    ValueType.INT: (7, 8, ints([1, -(2**63), 2**63 - 1])),
    ValueType.BOOL: (8, 1, b"\x01\x00\x01"),
    ValueType.VECTOR: (10, 4, np.arange(6, dtype="<f4").tobytes()),
}
STATUSES = bytes([Status.PRESENT] * 3)
TIMES = ints([10, -20, 30])


def column_bytes(value_type: ValueType, encode: Encoding) -> bytes:
    out = block(1, b"speed") + number(2, 3) + number(4, value_type)
    if value_type is ValueType.VECTOR:
        out += number(5, 2)
    if value_type is ValueType.TEXT:
        out += b"".join(block(9, text) for text in (b"a", b"", "ü".encode()))
    else:
        field, size, data = HEADERS[value_type]
        out += encode(field, data, size)
    return out + encode(11, STATUSES, 1) + encode(12, TIMES, 8)


@pytest.mark.parametrize("value_type", ValueType)
@pytest.mark.parametrize("encode", ENCODINGS[1:], ids=lambda each: each.__name__)
def test_an_answer_reads_the_same_however_its_arrays_are_packed(value_type: ValueType, encode: Encoding) -> None:
    """Chunked, unpacked and mixed arrays give the columns of the packed form."""
    plain = block(1, column_bytes(value_type, packed)) + block(2, number(1, 7))
    foreign = block(1, column_bytes(value_type, encode)) + block(2, number(1, 7))
    (expected,), expected_time = wire.parse_get_online_features_response(plain, 3)
    (found,), found_time = wire.parse_get_online_features_response(foreign, 3)
    assert_same(found, expected)
    assert found.event_time.tolist() == [10, -20, 30]
    assert found_time == expected_time == 7_000_000


@pytest.mark.parametrize("value_type", ValueType)
@pytest.mark.parametrize("encode", ENCODINGS, ids=lambda each: each.__name__)
def test_a_write_reads_the_same_however_its_arrays_are_packed(value_type: ValueType, encode: Encoding) -> None:
    """The rows, their times and ingest times, unary and in a stream."""
    data = b"".join(block(5, each) for each in (b"a", b"b", b"c"))
    data += encode(6, TIMES, 8) + block(7, column_bytes(value_type, encode)) + encode(8, ints([1, 2, 3]), 8)
    namespace, request = wire.parse_write_features_request(data)
    assert namespace == "default"
    assert (request.mode, request.unit) == (WriteMode.ATOMIC, WriteUnit.ROW)
    assert list(request.entity_ids) == ["a", "b", "c"]
    assert request.event_time.tolist() == [10, -20, 30]
    assert request.ingested_at is not None
    assert request.ingested_at.tolist() == [1, 2, 3]
    assert request.columns[0].event_time.tolist() == [0, 0, 0]
    chunk = wire.parse_stream_features_request(number(1, 9) + block(2, data))
    assert chunk.sequence == 9
    assert isinstance(chunk.request, WriteRequest)
    assert_same(chunk.request.columns[0], request.columns[0])


@pytest.mark.parametrize("encode", ENCODINGS, ids=lambda each: each.__name__)
def test_label_rows_read_the_same_however_their_times_are_packed(encode: Encoding) -> None:
    """A request for historical features, too."""
    data = block(3, b"speed") + b"".join(block(4, each) for each in (b"a", b"b", b"c")) + encode(5, TIMES, 8)
    request = wire.parse_get_historical_features_request(data + number(7, 1))
    assert request.event_time.tolist() == [10, -20, 30]
    assert (request.features, request.known_at) == (FeatureSelection(("speed",)), "label")


def test_unpacked_statuses_of_a_text_column_are_not_overlooked() -> None:
    """Texts are never packed, so only the unknown fields of the twin show that statuses are."""
    column = block(1, b"name") + number(4, ValueType.TEXT) + block(9, b"x") + block(9, b"y")
    column += number(11, Status.PRESENT) + number(11, Status.NULL_VALUE)
    (found,), _ = wire.parse_get_online_features_response(block(1, column), 2)
    assert found.to_list() == ["x", None]
    assert found.values.tolist() == ["x", ""]


def test_fields_of_a_later_contract_do_no_harm() -> None:
    """An unknown field outside the arrays is passed over on the quick path."""
    (message,) = columns_to_wire([column_of("a", ValueType.DOUBLE, np.array([1.0]))])
    (found,) = columns_from_wire([message + block(99, b"new")], 1)
    assert found.to_list() == [1.0]


def test_truth_values_written_as_long_numbers_are_read_by_the_public_message() -> None:
    """A varint may be longer than it must: 1 as 0x81 0x00."""
    column = block(1, b"b") + number(4, ValueType.BOOL) + block(8, b"\x81\x00\x00")
    (found,), _ = wire.parse_get_online_features_response(block(1, column), 2)
    assert found.to_list() == [True, False]


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_write_makes_the_round_trip(data: st.DataObject) -> None:
    """Core request -> bytes -> the same core request."""
    rows = data.draw(st.integers(1, 4))
    sent = WriteRequest(
        entity_ids=[f"e{row}" for row in range(rows)],
        event_time=np.arange(rows) - 2,
        columns=data.draw(st.lists(columns(rows, Status.NOT_FOUND), max_size=3)),
        request_id="018f-any",
        mode=data.draw(st.sampled_from(WriteMode)),
        unit=data.draw(st.sampled_from(WriteUnit)),
    )
    message = wire.write_request_to_wire(sent, "moon")
    namespace, got = wire.parse_write_features_request(message.SerializeToString())
    assert namespace == "moon"
    assert (got.entity_ids, got.request_id, got.mode, got.unit) == (
        sent.entity_ids,
        sent.request_id,
        sent.mode,
        sent.unit,
    )
    assert got.event_time.tolist() == sent.event_time.tolist()
    assert got.ingested_at is None
    for found, expected in zip(got.columns, sent.columns, strict=True):
        assert_same(found, expected, event_times=False)


def two_rows(*column: bytes) -> bytes:
    return block(5, b"a") + block(5, b"b") + block(6, ints([1, 2])) + b"".join(block(7, each) for each in column)


DOUBLE = block(1, b"speed") + number(4, ValueType.DOUBLE)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (two_rows(DOUBLE + block(6, doubles([1.0]))), "speed"),
        (two_rows(DOUBLE + block(6, doubles([1.0, 2.0, 3.0]))), "speed"),
        (two_rows(DOUBLE), "speed"),
        (two_rows(DOUBLE + block(7, ints([1, 2]))), "speed"),
        (two_rows(DOUBLE + block(6, doubles([1.0, 2.0])) + block(7, ints([1, 2]))), "speed"),
        (two_rows(DOUBLE + block(6, doubles([1.0, 2.0])) + block(11, b"\x01")), "speed"),
        (two_rows(DOUBLE + block(6, doubles([1.0, 2.0])) + block(11, b"\x01\x00")), "speed"),
        (two_rows(DOUBLE + block(6, doubles([1.0, 2.0])) + block(11, b"\x01\x04")), "speed"),
        (two_rows(DOUBLE + block(6, doubles([1.0, 2.0])) + block(11, b"\x01\x81\x02")), "speed"),
        (two_rows(block(1, b"speed") + block(6, doubles([1.0, 2.0]))), "speed"),
        (two_rows(block(1, b"speed") + number(4, 9) + block(6, doubles([1.0, 2.0]))), "speed"),
        (two_rows(block(1, b"v") + number(4, ValueType.VECTOR) + block(10, bytes(8))), "v"),
        (two_rows(block(1, b"v") + number(4, ValueType.VECTOR) + number(5, -1) + block(10, bytes(8))), "v"),
        (two_rows(block(1, b"v") + number(4, ValueType.VECTOR) + number(5, 2) + block(10, bytes(12))), "v"),
        (block(5, b"a") + block(6, ints([1, 2])), "event_time_us"),
        (block(5, b"a"), "event_time_us"),
        (block(5, b"a") + block(6, ints([1])) + block(8, ints([1, 2])), "ingested_time_ns"),
        (two_rows() + number(3, 7), "mode"),
        (two_rows() + number(4, 7), "unit"),
    ],
)
def test_a_write_that_contradicts_itself_is_refused_and_the_field_named(data: bytes, field: str) -> None:
    """In a stream the chunk is refused, and its sequence stays known."""
    with pytest.raises(InvalidInput) as refused:
        wire.parse_write_features_request(data)
    assert refused.value.metadata["field"] == field
    chunk = wire.parse_stream_features_request(number(1, 5) + block(2, data))
    assert chunk.sequence == 5
    assert isinstance(chunk.request, InvalidInput)


@pytest.mark.parametrize(
    "data",
    [b"\xff", block(6, b"1234567"), block(5, b"\xff\xfe"), block(7, block(6, b"12345"))],
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    """Truncated, of half an element, or not UTF-8."""
    with pytest.raises(InvalidInput) as refused:
        wire.parse_write_features_request(data)
    assert refused.value.reason is Reason.INVALID_ARGUMENT


@given(data=st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but InvalidInput ever comes out of the parsers."""
    for parse in (
        wire.parse_write_features_request,
        wire.parse_stream_features_request,
        wire.parse_get_historical_features_request,
    ):
        with contextlib.suppress(InvalidInput):
            parse(data)


def test_slots_without_a_value_arrive_as_zeros() -> None:
    """What a sender leaves in a slot whose status says there is nothing never reaches the store."""
    column = Column(
        name="speed",
        value_type=ValueType.DOUBLE,
        values=np.array([1.0, 99.0]),
        status=np.array([Status.PRESENT, Status.NULL_VALUE], dtype=np.uint8),
        event_time=np.zeros(2, dtype=np.int64),
    )
    (found,) = columns_from_wire(columns_to_wire([column]), 2, written=True)
    assert found.values.tolist() == [1.0, 0.0]
