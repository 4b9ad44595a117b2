"""The number of an import, and what it holds, over the contract."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.unit.wire.columns import fixed64

from featurama import wire
from featurama.v1 import ingest_service_pb2
from featurama_core.types.column import column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode, WriteRequest

pytestmark = pytest.mark.unit

SCOPE = ImportScope(("mood", "speed"), -5, 1_700_000_000_000_001, 7, 1_800_000_000_999_999)


@pytest.mark.parametrize("number", [None, 0, 999])
@pytest.mark.parametrize("foreign", [False, True], ids=["twin", "public"])
def test_the_number_of_an_import_arrives_and_none_stays_none(number: int | None, foreign: bool) -> None:
    """Zero is a number: it is not the absence of one. Unpacked times make the public message be read."""
    column = column_of("speed", ValueType.DOUBLE, np.array([1.5]))
    times = None if foreign else np.array([20_000])
    sent = WriteRequest(["fry"], np.array([10]), [column], "", WriteMode.BULK, ingested_at=times, import_number=number)
    data = wire.write_request_to_wire(sent, "mars").SerializeToString()
    data += fixed64(8, np.array([20_000], dtype="<i8").tobytes()) if foreign else b""
    namespace, found = wire.parse_write_features_request(data)
    assert ("mars", number) == (namespace, found.import_number)
    assert found.ingested_at is not None
    assert [20_000] == found.ingested_at.tolist()
    public = ingest_service_pb2.WriteFeaturesRequest.FromString(data)
    assert number == (public.import_number if public.HasField("import_number") else None)


def test_what_an_import_holds_makes_the_round_trip() -> None:
    message = wire.import_scope_to_proto(SCOPE, "an id", "mars")
    read = ingest_service_pb2.BeginImportRequest.FromString(message.SerializeToString())
    assert SCOPE == wire.import_scope_from_proto(read)
    assert ("mars", "an id") == (read.namespace, read.import_id)


def test_finer_times_of_an_import_are_floored() -> None:
    message = wire.import_scope_to_proto(SCOPE, "", "")
    message.last_event_time.CopyFrom(Timestamp(seconds=-1, nanos=999_999_999))
    message.first_event_time.CopyFrom(Timestamp(seconds=-1, nanos=1_999))
    found = wire.import_scope_from_proto(message)
    assert (-999_999, -1) == (found.first_event, found.last_event)


@pytest.mark.parametrize("field", ["first_event_time", "last_event_time", "first_ingested_time", "last_ingested_time"])
def test_a_missing_time_is_named(field: str) -> None:
    message = wire.import_scope_to_proto(SCOPE, "", "")
    message.ClearField(field)  # type: ignore[arg-type]  # one of its names
    with pytest.raises(InvalidInput) as caught:
        wire.import_scope_from_proto(message)
    assert (Reason.INVALID_TIME, field) == (caught.value.reason, caught.value.metadata["field"])
