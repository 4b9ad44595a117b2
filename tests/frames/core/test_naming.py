"""Names of the columns of features, and clashes of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from featurama_core.frames.naming import FeatureColumns
from featurama_core.types.errors import InvalidInput

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("shown", "names", "labels", "field", "message"),
    [
        (FeatureColumns(), ["x"], ["x"], "x", "the label column 'x' and the feature 'x' have one name; rename"),
        (FeatureColumns(statuses=True), ["x"], ["x__status"], "x__status", "and the status of 'x' have one name"),
        (FeatureColumns(event_times=True), ["x"], ["x__event_time"], "x__event_time", "the event time of 'x' have"),
        (FeatureColumns(statuses=True), ["x", "x__status"], [], "x__status", "'x__status' would both.*in two calls"),
        (FeatureColumns(statuses=True), ["x__status", "x"], [], "x__status", "the status of 'x' would both be the"),
        (FeatureColumns(separator="_"), ["a.b"], ["a_b"], "a_b", "the label column 'a_b' and the feature 'a.b'"),
        (FeatureColumns(separator="_"), ["a.b", "a_b"], [], "a_b", "choose another column_separator"),
    ],
)
def test_two_columns_with_one_name_are_refused_and_named(shown, names, labels, field, message):
    with pytest.raises(InvalidInput, match=message) as refused:
        shown.check(names, labels)
    assert field == refused.value.metadata["field"]


@pytest.mark.parametrize(
    ("shown", "names", "labels"),
    [
        (FeatureColumns(), ["x", "x__status"], ["x__event_time"]),
        (FeatureColumns(statuses=True), ["x", "x"], ["y__status"]),
        (FeatureColumns(separator="__"), ["a.b", "a_b"], ["a.b"]),
    ],
)
def test_names_that_differ_are_accepted(shown, names, labels):
    shown.check(names, labels)


def test_a_separator_stands_for_the_dots_of_paths_and_of_pinned_versions():
    columns = [SimpleNamespace(name="a.b", reference=f"a@1.b@{version}") for version in (1, 2)]
    columns.append(SimpleNamespace(name="c.d", reference="c@1.d@1"))
    assert ["a@1/b@1", "a@1/b@2", "c/d"] == FeatureColumns(separator="/").names(columns)
    assert ["c/d", "c/d__status"] == FeatureColumns(statuses=True).all_of("c/d")
