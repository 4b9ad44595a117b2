"""Names and schemas of the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from featurama_core.storage.definition_rows import CHANGING, as_text, with_later
from featurama_core.storage.records import Definitions
from featurama_core.types.entity_keys import key_columns
from featurama_core.types.errors import InvalidInput
from featurama_core.types.imports import ImportRecord
from featurama_core.types.revisions import revisions
from featurama_core.types.roles import roles_of
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import Duration
from featurama_core.types.values import parse_value_type

FORMAT = 2
WITHOUT_IMPORTS = 1
"""The format without numbers of imports, which has no imports.json."""
MANIFEST, DEFINITIONS, IMPORTS = "manifest.json", "definitions.json", "imports.json"
ENTITIES, TOMBSTONES = "entities.parquet", "marks.parquet"
HISTORY, MODELS = "history", "models"
STATUS = "__status"
"""Suffix of the column with the statuses of a value column."""

ENTITY_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("entity_id", "entity_type", "name", "metadata")]
    + [("created_at", pa.int64()), ("updated_at", pa.int64())]
)
TOMBSTONE_SCHEMA = pa.schema(
    [("entity_id", pa.string()), ("feature_name", pa.string()), ("deleted_through", pa.int64())]
)


_IMPORTS = TypeAdapter(list[ImportRecord])


def definitions_to_json(
    stored: Definitions, registered: Sequence[FeatureDefinition]
) -> dict[str, list[dict[str, object]]]:
    """All definitions with their times and flags, as JSON values."""
    features = [_row(each) | {"value_type": each.type_text, "tags": list(each.tags)} for each in registered]
    return {
        "entity_types": [
            _row(each) | {"keys": {key.name: key.value_type.label for key in each.keys}} for each in stored.entity_types
        ],
        "feature_groups": [_row(each) for each in stored.groups],
        "features": features,
        "feature_services": [
            _row(each)
            | {"features": list(each.features), "roles": {role.name: role.entity_type for role in each.roles}}
            for each in stored.services
        ],
    }


def _row(definition: Definition) -> dict[str, Any]:
    """The fields of the first revision, the flags as they are, and the later revisions."""
    first, *later = revisions(definition)
    flags = {name: getattr(definition, name) for name in CHANGING}
    own = {name: value for name, value in asdict(first).items() if name not in ("revision", "start", "earlier")}
    return own | flags | {"revisions": json.loads(as_text(later) or "[]")}


def _read_row(make: Callable[..., Definition], row: Mapping[str, Any], **read: Any) -> Definition:
    given = {**row, **read}
    later = given.pop("revisions", [])
    return with_later(make(**given), json.dumps(later))


def imports_to_json(begun: Sequence[ImportRecord]) -> bytes:
    """Imports in the order of their begin."""
    return _IMPORTS.dump_json(list(begun), indent=1)


def imports_from_json(text: bytes) -> list[ImportRecord]:
    """The imports of `imports_to_json`. Raises InvalidInput for other content."""
    try:
        return _IMPORTS.validate_json(text)
    except ValidationError as error:
        raise InvalidInput(f"{IMPORTS} is not a file of `namespaces export`", field="folder") from error


def definitions_from_json(given: Mapping[str, Any]) -> list[Definition]:
    """The definitions of `definitions_to_json`, in the order of registration. Raises InvalidInput for other content."""
    try:
        found: list[Definition] = [
            _read_row(EntityType, each, keys=key_columns(each.get("keys"))) for each in given["entity_types"]
        ]
        for each in given["feature_groups"]:
            ages = {name: None if each[name] is None else Duration(each[name]) for name in ("ttl", "retention")}
            found.append(_read_row(FeatureGroup, each, **ages))
        for each in given["features"]:
            value_type, length = parse_value_type(each["value_type"])
            read = {"value_type": value_type, "vector_length": length, "tags": tuple(each["tags"])}
            found.append(_read_row(FeatureDefinition, each, **read))
        for each in given["feature_services"]:
            lists = {"features": tuple(each["features"]), "roles": roles_of(each.get("roles"))}
            found.append(_read_row(FeatureService, each, **lists))
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{DEFINITIONS} is not a file of `namespaces export`", field="folder") from error
    for definition in found:
        definition.check()
    return found
