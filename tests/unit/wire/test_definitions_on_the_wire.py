"""Definitions, entities, reports and times make the round trip, and defaults are filled in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.columns import columns

from featurama import wire
from featurama.v1 import columns_pb2, definitions_pb2, ingest_service_pb2
from featurama.wire.metadata import metadata_from_struct, metadata_to_struct
from featurama_core.frames.results import FeatureHistory
from featurama_core.types.entity_keys import KeyColumn
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import Role, RowEntities
from featurama_core.types.schema import (
    Entity,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import MAX_EVENT_TIME, MIN_EVENT_TIME
from featurama_core.types.values import ValueType
from featurama_core.types.writes import Outcome, Verdict, WriteReport

pytestmark = pytest.mark.unit


def every_field(definition: object) -> dict[str, object]:
    return {name: getattr(definition, name) for name in definition.__slots__}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "definition",
    [
        EntityType("planet", "A world", (KeyColumn("sun"), KeyColumn("orbit", ValueType.INT)), True, 5),
        FeatureGroup("traffic", "planet", "d", "7us", "9000001us", 4, "packed", True, 1_700_000_000_000_001),
        FeatureGroup("traffic"),
        FeatureDefinition(
            "embedding", ValueType.VECTOR, 3, "planet", "traffic", 8, None, "d", ("a", "b"), "amy", True, 5
        ),
        FeatureDefinition("origin", ValueType.TEXT, references="planet"),
        FeatureService("m", ("a@1", "b@1.c@2"), "d", (), True, 5),
        FeatureService("m", ("home.a@1",), "", (Role("home", "team"), Role("away", "team"))),
        Entity("char_fry", "character", "Fry", '{"a": 1}', 5, 6),
    ],
)
def test_a_definition_makes_the_round_trip(definition) -> None:
    """Every field, those that are not compared too."""
    message = wire.to_proto(definition)
    back = wire.from_proto(type(definition), type(message).FromString(message.SerializeToString()))
    assert every_field(back) == every_field(definition)


def test_fields_left_out_take_their_defaults() -> None:
    """A feature's entity type and group stay empty: each says what the other means."""
    feature = wire.from_proto(FeatureDefinition, definitions_pb2.Feature(name="a", value_type=1))
    assert (feature.version, feature.group, feature.entity_type, feature.references) == (1, "", "", None)
    group = wire.from_proto(FeatureGroup, definitions_pb2.FeatureGroup(name="g"))
    assert (group.entity_type, group.buckets, group.ttl, group.created_at) == ("entity", 1, None, 0)
    assert group.history == "rows"


def test_an_unknown_form_of_history_is_refused() -> None:
    """A number that a newer client may send, and a text that no client may give."""
    with pytest.raises(InvalidInput, match="history 3 is not known; send HISTORY_FORM_ROWS or HISTORY_FORM_PACKED"):
        wire.from_proto(FeatureGroup, definitions_pb2.FeatureGroup(name="g", history=3))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="history must be rows or packed, not 'cells'"):
        wire.to_proto(FeatureGroup("g", history="cells"))


def test_an_empty_name_stays_empty() -> None:
    """It is refused as a name, and never becomes that of the default group."""
    assert wire.from_proto(FeatureGroup, definitions_pb2.FeatureGroup()).name == ""


def test_a_feature_without_a_type_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        wire.from_proto(FeatureDefinition, definitions_pb2.Feature(name="a"))
    assert refused.value.reason is Reason.INVALID_DEFINITION
    assert refused.value.metadata["field"] == "value_type"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(metadata=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), JSON, max_size=4))
@settings(max_examples=50, deadline=None)
def test_metadata_makes_the_round_trip(metadata: dict[str, object]) -> None:
    """Empty lists and objects, nulls, and integers that come back as integers."""
    text = metadata_from_struct(metadata_to_struct(json.dumps(metadata)))
    assert json.loads(text) == metadata
    whole = metadata_from_struct(metadata_to_struct('{"n": 3, "x": 0.5}'))
    assert whole == '{"n": 3, "x": 0.5}'


@pytest.mark.parametrize(
    "text",
    ["[1]", "nope", '{"a": NaN}', '{"a": 9007199254740993}', '{"a": ' + "[" * 40 + "]" * 40 + "}"],
)
def test_metadata_that_a_struct_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        metadata_to_struct(text)
    assert refused.value.metadata["field"] == "metadata"


def test_a_number_that_is_not_finite_is_refused_in_a_struct() -> None:
    struct = Struct()
    struct.fields["a"].number_value = float("inf")
    with pytest.raises(InvalidInput):
        metadata_from_struct(struct)


@given(micros=st.integers(MIN_EVENT_TIME, MAX_EVENT_TIME))
@settings(max_examples=50, deadline=None)
def test_a_time_makes_the_round_trip(micros: int) -> None:
    """All times of the years 1 to 9999."""
    assert wire.from_timestamp(wire.to_timestamp(micros)) == micros


def test_finer_times_are_floored() -> None:
    """Before 1970 too: nanos count upwards from the second."""
    assert wire.from_timestamp(Timestamp(seconds=-1, nanos=999_999_999)) == -1


@pytest.mark.parametrize("message", [Timestamp(seconds=2**60), Timestamp(nanos=-1), Timestamp(nanos=2**30)])
def test_a_time_out_of_bounds_is_refused(message: Timestamp) -> None:
    with pytest.raises(InvalidInput) as refused:
        wire.from_timestamp(message, "end_time")
    assert refused.value.reason is Reason.INVALID_TIME
    assert refused.value.metadata["field"] == "end_time"


def test_a_report_makes_the_round_trip() -> None:
    """Counts and verdicts, the row as a whole (-1) too."""
    report = WriteReport(
        "id", 3, 1, 1,
        [
            Verdict(4, -1, Outcome.REJECTED, Reason.NAIVE_TIME, "timestamp", "give a zone"),
            Verdict(5, 2, Outcome.UNKNOWN, Reason.UNKNOWN_OUTCOME, "speed", "resend"),
        ],
    )  # fmt: skip
    assert wire.write_report_from_proto(wire.write_report_to_proto(report)) == report


def test_an_outcome_of_a_later_server_is_never_taken_for_a_success() -> None:
    """Unknown numbers read as UNKNOWN, reason UNSPECIFIED."""
    message = ingest_service_pb2.WriteFeaturesResponse(unknown=1)
    verdict = message.verdicts.add(rows=[0])
    verdict.outcome, verdict.reason = 77, 999
    (found,) = wire.write_report_from_proto(message).verdicts
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, Reason.UNSPECIFIED)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_page_of_history_makes_the_round_trip(data: st.DataObject) -> None:
    """With event times, ingest times and the token."""
    rows = data.draw(st.integers(0, 4))
    page = FeatureHistory("fry", data.draw(columns(rows)), np.arange(rows), 12_345_678, "next")
    got = wire.history_page_from_proto(wire.history_page_to_proto(page), "fry")
    assert got.column.event_time.tolist() == page.column.event_time.tolist()
    assert got.ingested_at.tolist() == page.ingested_at.tolist()
    assert (got.next_page, got.as_of_time) == ("next", 12_345_678)


@given(data=st.data(), known_at=st.sampled_from([None, "label", 1_700_000_000_000_000]))
@settings(max_examples=25, deadline=None)
def test_label_rows_and_their_answer_make_the_round_trip(data: st.DataObject, known_at) -> None:
    rows = data.draw(st.integers(1, 4))
    ids = [f"e{i}" for i in range(rows)]
    roles = data.draw(st.sampled_from([(), (Role("home", "team"), Role("away", "team"))]))
    entities = wire.SentEntities(
        RowEntities({"home": ids, "away": [*ids[1:], None]}) if roles else RowEntities.of(ids), roles
    )
    wanted = FeatureSelection(("a@1",), roles=roles)
    sent = wire.HistoricalRequest("moon", entities, np.arange(rows), wanted, known_at, True)
    got = wire.parse_get_historical_features_request(wire.historical_request_to_wire(sent).SerializeToString())
    assert (got.namespace, got.entities.ids.of_role, got.features) == ("moon", entities.ids.of_role, wanted)
    assert (got.entities.roles, got.entities.rows) == (roles, rows)
    assert (got.known_at, got.include_statuses) == (known_at, True)
    assert got.event_time.tolist() == sent.event_time.tolist()
    chunk = wire.HistoricalChunk(5, rows, data.draw(st.lists(columns(rows), max_size=2)), 7)
    back = wire.parse_get_historical_features_response(wire.historical_chunk_to_wire(chunk).SerializeToString())
    assert (back.first_row, back.rows, back.as_of_time) == (5, rows, 7)
    assert [c.name for c in back.columns] == [c.name for c in chunk.columns]


@pytest.mark.parametrize(("number", "wrong"), [(0, "is not set"), (77, "77 is not known")])
def test_a_value_type_that_is_none_is_named_with_those_that_there_are(number: int, wrong: str) -> None:
    """0 is a field that was left out; also in a column."""
    said = f"value_type {wrong}; send DOUBLE, INT, TEXT, BOOL or VECTOR"
    with pytest.raises(InvalidInput) as feature:
        wire.from_proto(FeatureDefinition, definitions_pb2.Feature(name="speed", value_type=number))
    with pytest.raises(InvalidInput) as column:
        wire.columns_from_proto([columns_pb2.Column(name="speed", value_type=number)], 1)

    assert [said, f"column 'speed': {said}"] == [feature.value.message, column.value.message]
