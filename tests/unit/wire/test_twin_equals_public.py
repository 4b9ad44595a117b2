"""The twin and the public message are one message: the same bytes, the same numbers and names."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.columns import assert_same, columns

from featurama import wire
from featurama.v1 import columns_pb2, errors_pb2, ingest_service_pb2, online_service_pb2, prediction_service_pb2
from featurama.wire.twin import columns_from_wire, columns_to_wire
from featurama.wire.v1 import twin_pb2
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import Reason
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import Outcome, WriteMode, WriteUnit

pytestmark = pytest.mark.unit

PUBLIC_FILES = (columns_pb2, ingest_service_pb2, online_service_pb2, prediction_service_pb2)
FIXED_WIDTH = {
    FieldDescriptor.TYPE_DOUBLE,
    FieldDescriptor.TYPE_FLOAT,
    FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_BOOL,
    FieldDescriptor.TYPE_ENUM,
}


def public_twin_of(name: str) -> Descriptor:
    found = [file.DESCRIPTOR.message_types_by_name.get(name) for file in PUBLIC_FILES]
    return next(each for each in found if each is not None)


@pytest.mark.parametrize("name", sorted(twin_pb2.DESCRIPTOR.message_types_by_name))
def test_a_twin_has_the_fields_of_its_public_message_and_only_packed_arrays_differ(name: str) -> None:
    """Numbers, names, labels and types are equal; packed arrays of fixed width and columns are repeated bytes."""
    twin, public = twin_pb2.DESCRIPTOR.message_types_by_name[name], public_twin_of(name)
    assert [(f.number, f.name) for f in twin.fields] == [(f.number, f.name) for f in public.fields]
    for ours, theirs in zip(twin.fields, public.fields, strict=True):
        assert ours.is_repeated == theirs.is_repeated
        assert getattr(ours.containing_oneof, "name", None) == getattr(theirs.containing_oneof, "name", None)
        if theirs.is_repeated and theirs.type in FIXED_WIDTH:
            assert theirs.is_packed
            assert ours.type == FieldDescriptor.TYPE_BYTES
        elif theirs.message_type is columns_pb2.Column.DESCRIPTOR:
            assert ours.type == FieldDescriptor.TYPE_BYTES
        else:
            assert ours.type == theirs.type
            if ours.message_type is not None:
                assert ours.message_type.name == theirs.message_type.name


@given(data=st.data(), statuses=st.booleans(), event_times=st.booleans())
@settings(max_examples=100, deadline=None)
def test_twin_and_public_message_are_the_same_bytes(data: st.DataObject, statuses: bool, event_times: bool) -> None:
    """Whatever the column, both messages serialise to the same bytes, and both read back to the column."""
    rows = data.draw(st.integers(0, 5))
    column: Column = data.draw(columns(rows))
    (sent,) = columns_to_wire([column], statuses=statuses, event_times=event_times)
    (public,) = wire.columns_to_proto([column], statuses=statuses, event_times=event_times)
    assert sent == public.SerializeToString(deterministic=True)
    assert sent == twin_pb2.Column.FromString(sent).SerializeToString(deterministic=True)
    (from_twin,) = columns_from_wire([sent], rows)
    (from_public,) = wire.columns_from_proto([columns_pb2.Column.FromString(sent)], rows)
    assert_same(from_twin, column, event_times=event_times)
    assert_same(from_public, column, event_times=event_times)


def test_statuses_are_sent_when_asked_for_or_when_a_row_is_not_present() -> None:
    """Nothing is sent for rows that are all PRESENT unless the request asks."""
    column = column_of("a", ValueType.DOUBLE, np.array([1.0, 2.0]))
    sent = (columns_to_wire([column], statuses=each)[0] for each in (None, True))
    quiet, asked = map(twin_pb2.Column.FromString, sent)
    assert not quiet.statuses
    assert list(asked.statuses) == [b"\x01\x01"]


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Reason, errors_pb2.ErrorReason, "ERROR_REASON_"),
        (Status, columns_pb2.FeatureStatus, "FEATURE_STATUS_"),
        (ValueType, columns_pb2.ValueType, "VALUE_TYPE_"),
        (WriteMode, ingest_service_pb2.WriteMode, "WRITE_MODE_"),
        (WriteUnit, ingest_service_pb2.WriteUnit, "WRITE_UNIT_"),
        (Outcome, ingest_service_pb2.WriteOutcome, "WRITE_OUTCOME_"),
    ],
)
def test_the_enums_of_the_core_are_those_of_the_contract(
    ours: type[IntEnum], theirs: EnumDescriptor, prefix: str
) -> None:
    """Number for number, name for name."""
    contract = {name.removeprefix(prefix): number for name, number in theirs.items()}
    core = {"UNSPECIFIED": 0} | {member.name: int(member) for member in ours}
    assert core == contract


@pytest.mark.parametrize("rows", [1, 15, 16, 127, 128, 16_383, 16_384, 300_000])
def test_an_array_of_any_size_has_the_bytes_of_the_public_message(rows: int) -> None:
    """The length before an array takes one byte more at each power of 128."""
    column = column_of("a", ValueType.BOOL, np.arange(rows) % 2 == 1)
    (sent,) = columns_to_wire([column], statuses=True, event_times=True)
    (public,) = wire.columns_to_proto([column], statuses=True, event_times=True)
    assert public.SerializeToString() == sent
