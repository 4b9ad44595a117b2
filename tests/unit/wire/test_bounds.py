"""Elements are counted before a message is decoded."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from featurama import wire
from featurama.v1 import columns_pb2, ingest_service_pb2, online_service_pb2, registry_service_pb2
from featurama.wire.bounds import MOST_IN_ONE, check_elements, number_in
from featurama_core.types.errors import InvalidInput, Reason

READ = online_service_pb2.GetOnlineFeaturesRequest
WRITE = ingest_service_pb2.WriteFeaturesRequest
CHUNK = ingest_service_pb2.StreamFeaturesRequest
BOOL = columns_pb2.VALUE_TYPE_BOOL


def test_a_message_may_hold_as_many_elements_as_the_largest_valid_one() -> None:
    """One more is refused, and its field is named."""
    assert not check_elements(b"\x22\x00" * MOST_IN_ONE, READ.DESCRIPTOR)
    with pytest.raises(InvalidInput, match="entity_ids holds too many elements") as refused:
        check_elements(b"\x22\x00" * (MOST_IN_ONE + 1), READ.DESCRIPTOR)
    assert (Reason.LIMIT_EXCEEDED, "entity_ids") == (refused.value.reason, refused.value.metadata["field"])


def test_elements_of_messages_inside_are_counted() -> None:
    """Nulls in the metadata of an entity; a column of a write."""
    with pytest.raises(InvalidInput, match="values holds too many"):
        wire.requests(registry_service_pb2.RegisterEntitiesRequest)(_entities(MOST_IN_ONE + 1))
    with pytest.raises(InvalidInput, match="bool_values holds too many"):
        wire.parse_write_features_request(_field(7, b"\x40\x01" * (MOST_IN_ONE + 1)))


def test_all_elements_together_are_bounded() -> None:
    """Many columns, each within its own bound."""
    column = columns_pb2.Column(name="note", value_type=columns_pb2.VALUE_TYPE_TEXT, text_values=["a"] * 90)
    assert not check_elements(WRITE(columns=[column] * 10).SerializeToString(), WRITE.DESCRIPTOR, most=1_000)
    with pytest.raises(InvalidInput, match="too many elements"):
        check_elements(WRITE(columns=[column] * 11).SerializeToString(), WRITE.DESCRIPTOR, most=1_000)


@pytest.mark.parametrize(
    ("data", "unpacked"),
    [
        (WRITE(columns=[columns_pb2.Column(name="b", value_type=BOOL, bool_values=[True] * 3)]), False),
        (WRITE(request_id="id", mode=ingest_service_pb2.WRITE_MODE_BULK, import_number=7), False),
    ],
)
def test_packed_arrays_and_single_numbers_are_packed(data: WRITE, unpacked: bool) -> None:
    """Only numbers of arrays that have a tag each are not."""
    assert unpacked == check_elements(data.SerializeToString(), WRITE.DESCRIPTOR)
    assert check_elements(data.SerializeToString() + _field(7, b"\x40\x01"), WRITE.DESCRIPTOR)


@given(data=st.binary(max_size=40), read=st.sampled_from([READ, WRITE, CHUNK]))
def test_bytes_that_are_no_message_are_no_other_error(data: bytes, read: type[READ | WRITE | CHUNK]) -> None:
    """And what is a message is counted without an error, but for groups, which nobody sends."""
    try:
        check_elements(data, read.DESCRIPTOR)
    except DecodeError:
        return


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_sequence_of_a_chunk_that_is_refused_is_read_alone(sequence: int) -> None:
    """Nothing else of it is decoded."""
    assert sequence == number_in(CHUNK(sequence=sequence, write=WRITE(namespace="a")).SerializeToString(), 1)


def test_a_chunk_of_too_many_elements_keeps_its_sequence() -> None:
    """The stream goes on with the next."""
    data = CHUNK(sequence=77).SerializeToString() + _field(2, b"\x2a\x00" * (MOST_IN_ONE + 1))
    chunk = wire.parse_stream_features_request(data)
    assert 77 == chunk.sequence
    assert isinstance(chunk.request, InvalidInput)
    assert Reason.LIMIT_EXCEEDED is chunk.request.reason


@pytest.mark.parametrize("streamed", [False, True])
def test_the_weight_of_a_write_grows_with_rows_times_columns(streamed: bool) -> None:
    """Truth values take one byte in the message, and forty in memory."""
    rows = 20_000
    column = columns_pb2.Column(name="b", value_type=BOOL, bool_values=[True] * rows)

    def weight(columns: int) -> int:
        write = WRITE(entity_ids=["fry"] * rows, columns=[column] * columns)
        message = CHUNK(sequence=1, write=write) if streamed else write
        return wire.weigh_write(message.SerializeToString(), streamed=streamed)

    assert 50 * 40 * rows < weight(100) - weight(50) < 50 * 60 * rows


def _field(number: int, data: bytes) -> bytes:
    size, groups = len(data), []
    while size > 0x7F:
        groups.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *groups, size]) + data


def _entities(nulls: int) -> bytes:
    request = registry_service_pb2.RegisterEntitiesRequest()
    values = request.entities.add(entity_id="fry").metadata.fields["k"].list_value.values
    values.add().null_value = 0
    values.extend([values[0]] * (nulls - 1))
    return request.SerializeToString()
