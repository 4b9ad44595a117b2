"""Predictions for the command, from a server or from the store itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from featurama_cli.output import number, when
from featurama_core.frames.predictions import Predictions
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import Status, ValueType

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore
    from featurama_core.namespace import Namespace

Given = Mapping[str, float | bool | str]
Entities = Sequence[str] | Mapping[str, str]
"""Entity ids, or the keys of one entity."""

_SHOWN = 5
"""The number of classes in a line; the JSON has all of them."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One row. used: one dict per feature. label, probabilities: the most likely class and the probability of each
    class; None for a model that predicts a number.
    """

    entity_id: str | None
    model: str
    version: int
    target: str
    value: float | None
    used: list[dict[str, object]]
    problem: str = ""
    label: str | None = None
    probabilities: Mapping[str, float] | None = None

    @property
    def title(self) -> str:
        """The prediction in a line."""
        row = self.entity_id or "given features"
        answer = self.problem if self.value is None else f"{self.target} {self._answer(self.value)}"
        return f"{row}: {answer}  ({self.model} version {self.version})"

    def _answer(self, value: float) -> str:
        if self.label is None or self.probabilities is None:
            return number(value, 5)
        likeliest = sorted(self.probabilities.items(), key=lambda each: -each[1])[:_SHOWN]
        likely = ", ".join(f"{label} {chance:.1%}" for label, chance in likeliest)
        more = ", ..." if len(self.probabilities) > _SHOWN else ""
        return f"{self.label}  [{likely}{more}]"

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        probabilities = None if self.probabilities is None else dict(self.probabilities)
        return {
            "entity_id": self.entity_id,
            "model": self.model,
            "version": self.version,
            "target": self.target,
            "prediction": self.value,
            **({} if probabilities is None else {"class": self.label, "probabilities": probabilities}),
            "problem": self.problem or None,
            "features_used": self.used,
        }


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, float | bool | str]]:
    """`penguin_1 mass=5` -> ids and given features. An id that contains = has the prefix `id:`."""
    entity_ids: list[str] = []
    given: dict[str, float | bool | str] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if argument.startswith("id:"):
            entity_ids.append(argument.removeprefix("id:"))
        elif equals:
            given[name] = _value(text)
        else:
            entity_ids.append(argument)
    return entity_ids, given


async def served(
    store: FeatureStore, entities: Entities, given: Given, *, model: str, version: int, alias: str
) -> list[Predicted]:
    """Predict by the servers of a store: one row per entity id, or one row for given features alone."""
    ids = list(entities)
    if isinstance(entities, Mapping) and entities:
        if not model:
            raise InvalidInput("--key needs --model: the keys are of its entity type", field="model")
        kind = (await store.get_model(model, version=version or None, alias=alias)).entity_type
        ids = [await store.make_entity_id(kind, entities)]
    return _rows(
        await store.predict(ids or None, dict(given) or None, model=model, version=version or None, alias=alias)
    )


async def predicted_here(
    namespace: Namespace, entities: Entities, given: Given, *, model: str, version: int, alias: str
) -> list[Predicted]:
    """Predict in this process: one row per entity id, or one row for given features alone. model: "" for the only."""
    from featurama_cli.session import StorageEnvironment, settings_of
    from featurama_core.store import EmbeddedStore
    from featurama_model.default_model import only_model
    from featurama_model.model_cache import CacheSettings
    from featurama_model.prediction import PredictionRequest
    from featurama_model.predictor import Predictor

    artefacts = settings_of(StorageEnvironment).artefacts
    async with Predictor.open(CacheSettings(artefacts=artefacts)) as predictor:
        entity_ids = list(entities)
        name = model or await only_model(namespace.storage)
        if isinstance(entities, Mapping) and entities:
            loaded = await predictor.models.get(namespace, name, version=version, alias=alias)
            entity_ids = [await EmbeddedStore(namespace).make_entity_id(loaded.manifest.entity_type, entities)]
        rows = len(entity_ids) or 1
        columns = [_given_column(feature, value, rows) for feature, value in given.items()]
        request = PredictionRequest(name, version, alias, tuple(entity_ids), columns)
        answer = await predictor.predict(namespace, request)
    manifest = answer.manifest
    made = Predictions(
        values=answer.values,
        target=manifest.target,
        model=manifest.name,
        version=manifest.version,
        entity_ids=entity_ids,
        features=answer.columns,
        missing=answer.missing,
        errors=answer.row_errors,
        as_of_time=answer.as_of_time,
        classes=manifest.class_names,
        predicted_classes=answer.classes(),
        probabilities=answer.probabilities,
    )
    return _rows(made)


def _rows(made: Predictions) -> list[Predicted]:
    problems = {error.row: error.message for error in made.errors}
    lists = [column.to_list() for column in made.features]
    facts = (made.model, made.version, made.target)
    found = []
    for row, value in enumerate(made.values.tolist()):
        entity_id = made.entity_ids[row] if made.entity_ids else None
        if row in problems:
            found.append(Predicted(entity_id, *facts, None, [], problems[row]))
            continue
        used: list[dict[str, object]] = [
            {
                "feature": column.name,
                "value": each[row],
                "status": Status(int(column.status[row])).name,
                "event_time": when(int(column.event_time[row])),
            }
            for column, each in zip(made.features, lists, strict=True)
        ]
        predicted = Predicted(entity_id, *facts, value, used)
        if made.probabilities is not None:
            chances = dict(zip(made.classes, made.probabilities[row].tolist(), strict=True))
            predicted = replace(predicted, label=made.predicted_classes[row], probabilities=chances)
        found.append(predicted)
    return found


def _given_column(name: str, value: float | bool | str, rows: int) -> Column:
    if isinstance(value, bool):
        return column_of(name, ValueType.BOOL, np.full(rows, value))
    if isinstance(value, (int, float)):
        return column_of(name, ValueType.DOUBLE, np.full(rows, float(value)))
    return column_of(name, ValueType.TEXT, np.full(rows, value, dtype=np.object_))


def _value(text: str) -> float | bool | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        pass
    if not text:
        raise InvalidInput("a given feature needs a value: name=value", field="features")
    return text
