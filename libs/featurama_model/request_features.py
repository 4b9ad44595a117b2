"""Features that a request gives: matched with the model's features, converted, and laid over the stored values. Pure.

A given value applies to the rows where its status is not NOT_FOUND. A given null overrides a stored value with null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from featurama_core.ingest.convert import convert
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import Status, empty_values, parse_value_type
from featurama_model.manifest import ModelFeature, ModelManifest

_ACCEPTED = (Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND)


def given_columns(manifest: ModelManifest, given: Sequence[Column], rows: int) -> dict[str, Column]:
    """The given columns by the model's name of the feature, converted to its type.

    A name is the feature's (`destination.traffic_level`), its pinned reference, or the last step of a path
    (`traffic_level`) if exactly one feature of the model ends in it. Raises InvalidInput: UNKNOWN_FEATURE,
    TYPE_MISMATCH, or for columns of unequal length, or a row given twice.
    """
    if not given:
        return {}
    names = _names(manifest)
    found: dict[str, Column] = {}
    for column in given:
        feature = names.get(column.name)
        if feature is None:
            raise _unknown(manifest, column.name)
        if len(column) != rows:
            raise _invalid(column.name, f"has {len(column)} rows, the request has {rows}")
        converted, others = _converted(column, feature), found.get(feature.name)
        if others is not None and ((others.status != Status.NOT_FOUND) & (converted.status != Status.NOT_FOUND)).any():
            raise _invalid(feature.name, "is given twice; give it once")
        # A list of values of several types is sent as a column per type, each with the rows of its own.
        found[feature.name] = converted if others is None else overlaid(others, converted)
    return found


def overlaid(stored: Column, given: Column | None) -> Column:
    """`stored` with the given values in the rows that have one; given values have event time 0."""
    if given is None:
        return stored
    rows = given.status != Status.NOT_FOUND
    values, status, event_time = stored.values.copy(), stored.status.copy(), stored.event_time.copy()
    values[rows] = given.values[rows]
    status[rows] = given.status[rows]
    event_time[rows] = 0
    return replace(stored, values=values, status=status, event_time=event_time)


def not_stored(feature: ModelFeature, rows: int) -> Column:
    """The column of a feature that was not read: NOT_FOUND in every row."""
    value_type, vector_length = parse_value_type(feature.value_type)
    nothing = column_of(feature.name, value_type, empty_values(value_type, 0, vector_length))
    return replace(nothing.spread(np.empty(0, dtype=np.int64), rows), reference=feature.reference)


def _names(manifest: ModelManifest) -> Mapping[str, ModelFeature]:
    last_steps: dict[str, list[ModelFeature]] = {}
    for feature in manifest.features:
        last_steps.setdefault(feature.name.rpartition(".")[2], []).append(feature)
    names = {step: features[0] for step, features in last_steps.items() if len(features) == 1}
    names.update({feature.reference: feature for feature in manifest.features})
    names.update(manifest.by_name)
    return names


def _converted(column: Column, feature: ModelFeature) -> Column:
    if not np.isin(column.status, _ACCEPTED).all():
        raise _invalid(column.name, "has a status that cannot be given; use PRESENT, NULL_VALUE or NOT_FOUND")
    value_type, vector_length = parse_value_type(feature.value_type)
    definition = FeatureDefinition(feature.name, value_type, vector_length=vector_length)
    converted, problems = convert(column, definition)
    for row, problem in problems.items():
        raise InvalidInput(f"given row {row}: {problem.message}", reason=problem.reason, field=column.name)
    return converted


def _unknown(manifest: ModelManifest, name: str) -> InvalidInput:
    alike = [feature.name for feature in manifest.features if feature.name.rpartition(".")[2] == name]
    known = ", ".join(alike or [feature.name for feature in manifest.features])[:1_000]
    which = "names several features of it" if alike else "is not a feature of it"
    return InvalidInput(
        f"model {manifest.name!r}: {name[:140]!r} {which}; give one of {known}",
        reason=Reason.UNKNOWN_FEATURE,
        field=name[:140],
    )


def _invalid(name: str, problem: str) -> InvalidInput:
    return InvalidInput(f"given feature {name[:140]!r} {problem}", field=name[:140])
