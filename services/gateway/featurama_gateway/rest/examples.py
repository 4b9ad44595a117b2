"""The OpenAPI document with the texts and examples of one model: its entity type, target and features."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from featurama import Model

_VALUES = {"double": 1.5, "int": 1, "bool": True}


def with_model(contract: dict[str, Any], model: Model) -> dict[str, Any]:
    """A copy of the document that describes the default model. Its examples name no stored entity."""
    contract = copy.deepcopy(contract)
    kind = model.entity_type
    manifest = orjson.loads(model.manifest) if model.manifest else {"features": []}
    given = {each["name"]: _VALUES.get(each["value_type"]) for each in manifest["features"]}
    contract["info"]["description"] += (
        f"\n\nThe default model, `{model.name}`, predicts `{model.target}` of a `{kind}` from "
        f"{', '.join(f'`{name}`' for name in model.features)}."
    )
    ids = [f"{kind}_1", f"{kind}_2"]
    one = {"Given features": {"features": given}, f"A {kind}": {"entity_id": ids[0]}}
    bodies: dict[str, dict[str, object]] = {
        "/predict": one,
        "/models/{model}/predict": one,
        "/features/batch": {"The default model": ids, "A named model": {"entity_ids": ids, "model": model.name}},
        "/features": {"Named features": {"entity_ids": ids, "feature_names": list(given)}},
    }
    for path, values in bodies.items():
        examples = {name: {"value": value} for name, value in values.items()}
        contract["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"] = examples
    values = {"entity_id": ids[0], "feature_names": list(given), "model": model.name}
    for operations in contract["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["name"] in values:
                    parameter["example"] = values[parameter["name"]]
    return contract
