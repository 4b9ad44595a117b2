"""The OpenAPI document with the texts and examples of one model: its entity type, target and features."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from featurama import EntityType, Model, ValueType

_VALUES = {"double": 1.5, "int": 1, "bool": True}


def with_model(contract: dict[str, Any], model: Model, entity_type: EntityType) -> dict[str, Any]:
    """A copy of the document that describes the default model. Its examples name no stored entity.

    entity_type: of the model; entities of a type with keys are named by keys.
    """
    contract = copy.deepcopy(contract)
    kind = entity_type.name
    manifest = orjson.loads(model.manifest) if model.manifest else {"features": []}
    given = {each["name"]: _VALUES.get(each["value_type"]) for each in manifest["features"]}
    contract["info"]["description"] += (
        f"\n\nThe default model, `{model.name}`, predicts `{model.target}` of a `{kind}` from "
        f"{', '.join(f'`{name}`' for name in model.features)}."
    )
    ids = [f"{kind}_1", f"{kind}_2"]
    single: dict[str, object] = {"entity_id": ids[0]}
    several: dict[str, object] = {"entity_ids": ids}
    batches: dict[str, object] = {"The default model": ids}
    keys: dict[str, Any] = {each.name: _key(each.name, each.value_type) for each in entity_type.keys}
    if keys:
        single, several = {"keys": keys}, {"entities": {name: [key] for name, key in keys.items()}}
        batches = {"The default model": several}
    one = {"Given features": {"features": given}, f"A {kind}": single}
    bodies: dict[str, dict[str, object]] = {
        "/predict": one,
        "/models/{model}/predict": one,
        "/features/batch": batches | {"A named model": {**several, "model": model.name}},
        "/features": {"Named features": {**several, "feature_names": list(given)}},
    }
    for path, values in bodies.items():
        examples = {name: {"value": value} for name, value in values.items()}
        contract["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"] = examples
    values = {"feature_names": list(given), "model": model.name, "entity_type": kind}
    values |= {"keys": keys} if keys else {"entity_id": ids[0]}
    for operations in contract["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["name"] in values:
                    parameter["example"] = values[parameter["name"]]
    return contract


def _key(name: str, value_type: ValueType) -> str | int:
    return 1 if value_type is ValueType.INT else f"{name}_1"
