"""Names, times, references, layouts, request ids: the small rules everything else rests on."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.storage.layouts import Layout, tombstone_id
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import RESERVED_NAMES, check_name, check_namespace, entity_id_problem
from featurama_core.types.references import FeatureRef
from featurama_core.types.request_ids import RequestIds, ingest_time, parse_request_id
from featurama_core.types.schema import FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import (
    MAX_EVENT_TIME,
    MIN_EVENT_TIME,
    Duration,
    duration_text,
    parse_duration,
    to_datetime,
    to_micros,
    to_rfc3339,
)
from featurama_core.types.values import ValueType, parse_value_type, type_text

pytestmark = pytest.mark.unit

MICROS = st.integers(MIN_EVENT_TIME, MAX_EVENT_TIME)


@given(MICROS)
def test_a_time_survives_every_form(micros):
    assert micros == to_micros(to_datetime(micros)) == to_micros(to_rfc3339(micros))


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), "2026-01-01T00:00:00"])  # noqa: DTZ001 - naive on purpose
def test_a_naive_time_is_refused(value):
    with pytest.raises(InvalidInput) as refused:
        to_micros(value)
    assert Reason.NAIVE_TIME is refused.value.reason


@pytest.mark.parametrize("value", [True, 1.5, "soon", MAX_EVENT_TIME + 1, MIN_EVENT_TIME - 1, None])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(InvalidInput) as refused:
        to_micros(value)
    assert Reason.INVALID_TIME is refused.value.reason


@given(st.integers(1, 10**15))
def test_a_duration_survives_its_text(micros):
    assert micros == parse_duration(duration_text(micros), "ttl")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("90 minutes", timedelta(minutes=90)),
        ("30d", timedelta(days=30)),
        ("1 day", timedelta(days=1)),
        (" 36 h ", timedelta(hours=36)),
        ("2 weeks", timedelta(weeks=2)),
        ("5 sec", timedelta(seconds=5)),
    ],
)
def test_a_text_with_a_unit_is_the_timedelta_of_that_length(text, same):
    assert parse_duration(text, "ttl") == parse_duration(same, "ttl") == FeatureGroup("g", ttl=text).ttl


@pytest.mark.parametrize(
    "value", ["", "-1d", "0s", True, "1y", timedelta(0), "1.5 days", "P30D", "\u0663d", "9" * 18 + "w", Duration(-1)]
)
def test_what_is_no_duration_is_refused(value):
    with pytest.raises(InvalidInput, match="ttl"):
        parse_duration(value, "ttl")


@pytest.mark.parametrize("value", [30, 1.5, 0, "30", "-7"])
@pytest.mark.parametrize("make", [lambda value: parse_duration(value, "ttl"), lambda value: FeatureGroup(ttl=value)])
def test_a_number_without_a_unit_is_no_duration(make, value):
    """The message names the field, the value and the forms that are read."""
    with pytest.raises(InvalidInput, match=rf"ttl '?{value}'? has no unit; write .*'30d'"):
        make(value)


@pytest.mark.parametrize(
    "name", [*sorted(RESERVED_NAMES), "__x", "X", "1x", "", "a" * 64, "a b", "a\n", "é", "a.b", "a@2"]
)
def test_a_bad_name_is_refused(name):
    with pytest.raises(InvalidInput) as refused:
        check_name(name, "feature_name")
    assert Reason.INVALID_NAME is refused.value.reason


def test_names_reach_their_limits():
    assert "a" * 63 == check_name("a" * 63, "feature_name")
    assert "a" * 40 == check_namespace("a" * 40)
    with pytest.raises(InvalidInput):
        check_namespace("a" * 41)


@pytest.mark.parametrize("entity_id", ["", "a\x00", "a\x85", "a\n", "é" * 129, "a" * 257, "\ud800", 7, None, b"a"])
def test_a_bad_entity_id_is_told(entity_id):
    assert entity_id_problem(entity_id)


@pytest.mark.parametrize("entity_id", ["a", "é" * 128, "a b/c;'\"--", "行星"])
def test_an_entity_id_may_hold_any_text(entity_id):
    assert entity_id_problem(entity_id) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("distance", FeatureRef("distance")),
        ("distance@2", FeatureRef("distance", 2)),
        ("metrics:distance@2", FeatureRef("distance", 2, "metrics")),
        ("destination.traffic", FeatureRef("traffic", via=FeatureRef("destination"))),
        ("destination@1.traffic@2", FeatureRef("traffic", 2, via=FeatureRef("destination", 1))),
        ("d:a@1.p:b@2", FeatureRef("b", 2, "p", FeatureRef("a", 1, "d"))),
    ],
)
def test_a_reference_is_read(text, expected):
    assert expected == FeatureRef.parse(text)


@pytest.mark.parametrize("text", ["", "a@0", "a@", "a.b.c", "A", "a:", ":a", "a@1@2", "a b", "a\n", "a.b\n"])
def test_a_bad_reference_is_refused(text):
    with pytest.raises(InvalidInput) as refused:
        FeatureRef.parse(text)
    assert Reason.INVALID_REFERENCE is refused.value.reason


@given(st.sampled_from(ValueType), st.integers(1, 2048))
def test_a_type_survives_its_text(value_type, length):
    length = length if value_type is ValueType.VECTOR else 0
    assert (value_type, length) == parse_value_type(type_text(value_type, length))


def test_a_layout_has_one_id_whatever_the_order():
    fields = [
        FeatureDefinition("a", ValueType.DOUBLE),
        FeatureDefinition("a", ValueType.INT, version=2),
        FeatureDefinition("b", ValueType.VECTOR, vector_length=3),
    ]
    layouts = [Layout.of(order) for order in itertools.permutations(fields)]
    assert 1 == len({layout.layout_id for layout in layouts})
    assert layouts[0] == Layout.parse(layouts[0].text)
    assert -(2**63) <= layouts[0].layout_id < 2**63
    assert 3 == len({layouts[0].layout_id, tombstone_id(), tombstone_id("a")})


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=30),
    st.integers(1_700_000_000_000_000_000, 2_000_000_000_000_000_000),
)
def test_request_ids_increase_even_if_the_clock_does_not(steps, start):
    times = itertools.accumulate(steps, lambda now, step: now + (step - 1), initial=start)
    ids = [RequestIds.next(made) for made in [RequestIds(lambda: next(times))] for _ in steps]
    assert sorted(set(ids)) == ids
    ingested = [ingest_time(each) for each in ids]
    assert sorted(set(ingested)) == ingested
    assert abs(ingested[0] - start) <= 1
    assert ids[0] == parse_request_id(str(ids[0]))


@pytest.mark.parametrize("text", ["", "x", str(uuid.UUID(int=0)), "01890a5d-ac96-474b-bcce-b302099a8057"])
def test_an_id_that_is_no_uuid7_is_refused(text):
    with pytest.raises(InvalidInput) as refused:
        parse_request_id(text)
    assert Reason.INVALID_REQUEST_ID is refused.value.reason


@pytest.mark.parametrize(
    "definition",
    [
        FeatureGroup("g", ttl="2s", retention="1s"),
        FeatureGroup("g", buckets=3),
        FeatureGroup("g", history="cells"),
        FeatureDefinition("f", ValueType.VECTOR),
        FeatureDefinition("f", ValueType.VECTOR, vector_length=2_049),
        FeatureDefinition("f", ValueType.INT, vector_length=2),
        FeatureDefinition("f", ValueType.INT, references="planet"),
        FeatureDefinition("f", ValueType.INT, version=0),
        FeatureDefinition("f", ValueType.INT, tags=("",)),
        FeatureDefinition("f", ValueType.INT, description="x" * 4_097),
        FeatureService("s", ()),
        FeatureService("s", ("a@1", "a@1")),
    ],
)
def test_a_definition_out_of_bounds_is_refused(definition):
    with pytest.raises(InvalidInput) as refused:
        definition.check()
    assert Reason.INVALID_DEFINITION is refused.value.reason


def test_when_it_was_made_is_no_part_of_a_definition():
    early, late = (FeatureDefinition("f", ValueType.INT, created_at=at) for at in (1, 2))
    assert early == late
    assert to_datetime(0) == datetime(1970, 1, 1, tzinfo=UTC)
