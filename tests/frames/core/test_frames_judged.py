"""A frame's requests as the store judges them: nothing is lost between the frame and the verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featurama_core.ingest.validate import check_shape, validate
from featurama_core.types.errors import Reason
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import all_accepted

from .merged import merge_report

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000_000
FEATURES = {
    name: FeatureDefinition(name, value_type, vector_length=2 if value_type is ValueType.VECTOR else 0)
    for name, value_type in (
        ("speed", ValueType.DOUBLE),
        ("count", ValueType.INT),
        ("name", ValueType.TEXT),
        ("spot", ValueType.VECTOR),
    )
}


@pytest.fixture
def judge(prepare):
    """The report on a frame, as if the store took all that is valid."""

    def call(frame, **options):
        write, answers = prepare(frame, **options), []
        for prepared in write:
            check_shape(prepared.request)
            judged = validate(
                prepared.request,
                lambda name, version: (FEATURES[name], FeatureGroup()),
                {},
                now=T0 + 10**12,
                max_clock_skew=5_000_000,
            )
            accepted = all_accepted(len(judged.entity_ids))
            answers.append((prepared, judged.report(accepted, prepared.request.request_id)))
        return merge_report(write, answers)

    return call


def told(report):
    return [(verdict.row, verdict.field, verdict.reason) for verdict in report]


def test_whole_floats_are_taken_for_an_int_feature_and_integers_for_a_double(judge):
    """pandas turns a column of integers with a hole into floats."""
    frame = {"entity_id": ["a", "b", "c"], "timestamp": [T0] * 3, "count": np.array([1.0, np.nan, 3.0])}
    assert 3 == judge(frame | {"speed": np.array([1, 2, 3])}).accepted


def test_values_of_several_types_are_each_held_against_the_definition(judge):
    frame = pd.DataFrame(
        {
            "entity_id": list("abcde"),
            "timestamp": [T0] * 5,
            "speed": pd.Series([1, 2.5, "fast", None, True], dtype=object),
            "spot": pd.Series([[1, 2], [1, 2, 3], None, (1.0, 2.0), [1, 2]], dtype=object),
        }
    )
    report = judge(frame)
    assert (2, 3) == (report.accepted, report.rejected)
    assert [
        (1, "spot", Reason.VECTOR_LENGTH_MISMATCH),
        (2, "speed", Reason.TYPE_MISMATCH),
        (4, "speed", Reason.TYPE_MISMATCH),
    ] == told(report)


def test_a_column_of_nulls_fits_every_type(judge):
    columns = {name: np.full(2, np.nan) for name in FEATURES}
    assert 2 == judge({"entity_id": ["a", "b"], "timestamp": [T0] * 2} | columns).accepted


def test_conflicting_values_of_a_long_frame_are_refused_wherever_they_stand(judge):
    frame = {
        "entity_id": ["a", "b", "a", "a", "b"],
        "feature_name": ["speed", "speed", "name", "speed", "speed"],
        "value": [1, 2, "x", 3, 2],
        "timestamp": [T0] * 5,
    }
    report = judge(frame, batch_size=1)
    assert (3, 2) == (report.accepted, report.rejected)
    assert [(0, "speed", Reason.CONFLICTING_DUPLICATE), (3, "speed", Reason.CONFLICTING_DUPLICATE)] == told(report)


def test_what_never_left_is_counted_with_what_was_sent(judge):
    frame = {
        "entity_id": ["a", None, "c", "d"],
        "timestamp": [T0, T0, None, T0],
        "name": ["x", "y", "z", b"raw"],
    }
    report = judge(frame)
    assert (1, 3, 0) == (report.accepted, report.rejected, report.unknown)
    assert [1, 2, 3] == [verdict.row for verdict in report]
