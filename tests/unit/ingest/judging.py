"""Requests as columns of Python values, and what is made of them: shared by the tests of what a write refuses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.sent_units import units_sent

from featurama_core.ingest.convert import RowError, Target
from featurama_core.ingest.validate import ANY_IDS, Validated, check_shape, validate
from featurama_core.types.column import Column
from featurama_core.types.entity_keys import IdRules
from featurama_core.types.errors import Reason
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import SECOND
from featurama_core.types.values import Status, ValueType, empty_values
from featurama_core.types.writes import WriteReport, WriteRequest, WriteUnit, all_accepted

NOW = 1_793_000_000 * SECOND
GROUP = FeatureGroup("plain")
KEPT = FeatureGroup("kept", retention="60s")
FEATURES = {
    "speed": FeatureDefinition("speed", ValueType.DOUBLE, group="plain"),
    "tally": FeatureDefinition("tally", ValueType.INT, group="plain"),
    "note": FeatureDefinition("note", ValueType.TEXT, group="plain"),
    "flag": FeatureDefinition("flag", ValueType.BOOL, group="plain"),
    "shape": FeatureDefinition("shape", ValueType.VECTOR, group="plain", vector_length=2),
    "home": FeatureDefinition("home", ValueType.TEXT, group="plain", references="planet"),
    "heat": FeatureDefinition("heat", ValueType.DOUBLE, group="kept"),
    "mass": FeatureDefinition("mass", ValueType.DOUBLE, group="plain", entity_type="planet"),
    "heft": FeatureDefinition("heft", ValueType.DOUBLE, group="plain", entity_type="planet"),
}


def column(name: str, value_type: ValueType, values: Sequence[object]) -> Column:
    """`...` stands for a value that is not written, None for a null."""
    length = next((len(each) for each in values if isinstance(each, tuple)), 2) if value_type == ValueType.VECTOR else 0
    array = empty_values(value_type, len(values), length)
    status = np.full(len(values), Status.PRESENT, dtype=np.uint8)
    for row, value in enumerate(values):
        if value is ... or value is None:
            status[row] = Status.NOT_FOUND if value is ... else Status.NULL_VALUE
        else:
            array[row] = value
    return Column(name, value_type, array, status, np.zeros(len(values), dtype=np.int64))


def doubles(name: str, *values: object) -> Column:
    return column(name, ValueType.DOUBLE, values)


def request(
    columns: Sequence[Column],
    *,
    entities: Sequence[str] = (),
    times: Sequence[int] = (),
    unit: WriteUnit = WriteUnit.ROW,
    ingested_at: Sequence[int] | None = None,
) -> WriteRequest:
    rows = len(columns[0])
    return WriteRequest(
        entity_ids=list(entities) or [f"e{row}" for row in range(rows)],
        event_time=np.array(list(times) or [NOW] * rows, dtype=np.int64),
        columns=columns,
        unit=unit,
        ingested_at=None if ingested_at is None else np.array(ingested_at, dtype=np.int64),
    )


def resolve(name: str, _: int) -> Target | RowError:
    if name not in FEATURES:
        return RowError(Reason.UNKNOWN_FEATURE, name, "not registered")
    definition = FEATURES[name]
    return definition, KEPT if definition.group == "kept" else GROUP


def judge(
    sent: WriteRequest, entity_types: dict[str, str] | None = None, id_rules: IdRules = ANY_IDS
) -> tuple[Validated, WriteReport]:
    """The validated rows, and the report if the store takes them all."""
    check_shape(sent)
    validated = validate(sent, resolve, entity_types or {}, id_rules, now=NOW, max_clock_skew=5 * SECOND)
    report = validated.report(all_accepted(len(validated.entity_ids)), "id")
    assert units_sent(sent) == report.sent
    return validated, report


def reasons(report: WriteReport) -> list[tuple[int, int, Reason]]:
    return [(verdict.row, verdict.column, verdict.reason) for verdict in report.verdicts]


def kept(validated: Validated) -> dict[str, list[tuple[str, int, object]]]:
    """Feature -> (entity, event time, value) of what is left to store."""
    found: dict[str, list[tuple[str, int, object]]] = {}
    for stored in validated.columns:
        values, status = stored.column.to_list(), stored.column.status.tolist()
        keys = zip(validated.entity_ids, validated.event_time.tolist(), strict=True)
        found[stored.definition.name] = [
            (*key, value) for key, value, each in zip(keys, values, status, strict=True) if each != Status.NOT_FOUND
        ]
    return found
