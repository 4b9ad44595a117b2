"""Names and schemas of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from featurama_core.storage.port import Definitions
from featurama_core.types.errors import InvalidInput
from featurama_core.types.imports import ImportRecord, ImportScope
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import Duration
from featurama_core.types.values import ValueType, parse_value_type

FORMAT = 2
WITHOUT_IMPORTS = 1
"""The format without numbers of imports, which has no imports.json."""
MANIFEST, DEFINITIONS, IMPORTS = "manifest.json", "definitions.json", "imports.json"
ENTITIES, MARKS = "entities.parquet", "marks.parquet"
HISTORY, MODELS = "history", "models"
STATUS = "__status"
"""Suffix of the column with the statuses of a value column."""

TIME = pa.timestamp("us", tz="UTC")
KEYS = [("entity_id", pa.string()), ("timestamp", TIME), ("ingested_at", pa.int64())]
ENTITY_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("entity_id", "entity_type", "name", "metadata")]
    + [("created_at", pa.int64()), ("updated_at", pa.int64())]
)
MARK_SCHEMA = pa.schema([("entity_id", pa.string()), ("feature_name", pa.string()), ("deleted_through", pa.int64())])


def history_schema(features: Sequence[FeatureDefinition]) -> pa.Schema:
    """Keys, then a value column and a status column per feature version."""
    fields = list(KEYS)
    for feature in features:
        fields += [(feature.reference, arrow_type(feature)), (feature.reference + STATUS, pa.uint8())]
    return pa.schema(fields)


def arrow_type(feature: FeatureDefinition) -> Any:
    """The Arrow type of a feature's values."""
    if feature.value_type is ValueType.VECTOR:
        return pa.list_(pa.float32(), feature.vector_length)
    return {
        ValueType.DOUBLE: pa.float64(),
        ValueType.INT: pa.int64(),
        ValueType.TEXT: pa.string(),
        ValueType.BOOL: pa.bool_(),
    }[feature.value_type]


def definitions_to_json(catalogue: Definitions) -> dict[str, list[dict[str, object]]]:
    """All definitions with their times and flags, as JSON values."""
    features = [asdict(each) | {"value_type": each.type_text, "tags": list(each.tags)} for each in catalogue.features]
    return {
        "entity_types": [asdict(each) for each in catalogue.entity_types],
        "feature_groups": [asdict(each) for each in catalogue.groups],
        "features": features,
        "feature_services": [asdict(each) | {"features": list(each.features)} for each in catalogue.services],
    }


def imports_to_json(begun: Sequence[ImportRecord]) -> list[dict[str, object]]:
    """Imports in the order of their begin, as JSON values."""
    return [asdict(each) for each in begun]


def imports_from_json(given: Sequence[Mapping[str, Any]]) -> list[ImportRecord]:
    """The imports of `imports_to_json`. Raises InvalidInput for other content."""
    try:
        return [
            ImportRecord(
                each["import_id"],
                each["number"],
                ImportScope(**{**each["scope"], "features": tuple(each["scope"]["features"])}),
            )
            for each in given
        ]
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"{IMPORTS} is not a file of `namespaces export`", field="folder") from error


def definitions_from_json(given: Mapping[str, Any]) -> list[Definition]:
    """The definitions of `definitions_to_json`, in the order of registration. Raises InvalidInput for other content."""
    try:
        found: list[Definition] = [EntityType(**each) for each in given["entity_types"]]
        for each in given["feature_groups"]:
            ages = {name: None if each[name] is None else Duration(each[name]) for name in ("ttl", "retention")}
            found.append(FeatureGroup(**{**each, **ages}))
        for each in given["features"]:
            value_type, length = parse_value_type(each["value_type"])
            changed = {"value_type": value_type, "vector_length": length, "tags": tuple(each["tags"])}
            found.append(FeatureDefinition(**{**each, **changed}))
        found += [FeatureService(**{**each, "features": tuple(each["features"])}) for each in given["feature_services"]]
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"{DEFINITIONS} is not a file of `namespaces export`", field="folder") from error
    for definition in found:
        definition.check()
    return found
