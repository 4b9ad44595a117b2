"""Predictions for the command, from a server or from the store itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featurama_cli.output import number, when
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import Status, ValueType

if TYPE_CHECKING:
    from featurama_cli.session import Session

Given = Mapping[str, float | bool | str]

_SHOWN = 5
"""Classes in a line; all of them are in the JSON."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One row. used: the features, a row each. label, probabilities: the likeliest class and how likely each is; None
    of a model that predicts a number.
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
        """The answer in a line."""
        who = self.entity_id or "given features"
        answer = self.problem if self.value is None else f"{self.target} {self._answer(self.value)}"
        return f"{who}: {answer}  ({self.model} version {self.version})"

    def _answer(self, value: float) -> str:
        if self.label is None or self.probabilities is None:
            return number(value, 5)
        likeliest = sorted(self.probabilities.items(), key=lambda each: -each[1])[:_SHOWN]
        likely = ", ".join(f"{label} {chance:.1%}" for label, chance in likeliest)
        more = ", ..." if len(self.probabilities) > _SHOWN else ""
        return f"{self.label}  [{likely}{more}]"

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        told = {} if self.probabilities is None else {"class": self.label, "probabilities": dict(self.probabilities)}
        return {
            "entity_id": self.entity_id,
            "model": self.model,
            "version": self.version,
            "target": self.target,
            "prediction": self.value,
            **told,
            "problem": self.problem or None,
            "features_used": self.used,
        }


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, float | bool | str]]:
    """`delivery_1 distance=5` -> ids and given features. An id with = in it stands after a `id:`."""
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


async def predictions(
    session: Session, entity_ids: Sequence[str], given: Given, *, model: str, version: int, alias: str
) -> list[Predicted]:
    """A row an entity id, or one for the given features alone."""
    from featurama_core.store import FeatureStore

    rows = len(entity_ids) or 1
    if isinstance(session, FeatureStore):
        from featurama_cli.session import StorageEnvironment, settings_of
        from featurama_model.model_cache import CacheSettings
        from featurama_model.prediction import PredictionRequest
        from featurama_model.predictor import Predictor

        columns = [_given_column(name, value, rows) for name, value in given.items()]
        request = PredictionRequest(model, version, alias, tuple(entity_ids), columns)
        artefacts = settings_of(StorageEnvironment).artefacts
        async with Predictor.open(CacheSettings(artefacts=artefacts)) as predictor:
            answer = await predictor.predict(session, request)
        manifest = answer.manifest
        problems = {error.row: error.message for error in answer.row_errors}
        facts = (manifest.name, manifest.version, manifest.target)
        found = _rows(entity_ids, answer.values.tolist(), answer.columns, problems, facts)
        return _classified(found, answer.classes(), manifest.class_names, answer.probabilities)
    asked = await session.predict(
        list(entity_ids) or None, dict(given) or None, model=model, version=version or None, alias=alias
    )
    problems = {error.row: error.message for error in asked.errors}
    facts = (asked.model, asked.version, asked.target)
    found = _rows(entity_ids, asked.values.tolist(), asked.features, problems, facts)
    return _classified(found, asked.predicted_classes, asked.classes, asked.probabilities)


def _classified(
    rows: list[Predicted],
    likeliest: Sequence[str],
    classes: Sequence[str],
    probabilities: NDArray[np.float64] | None,
) -> list[Predicted]:
    """The rows with their classes, if the model tells classes apart."""
    if probabilities is None:
        return rows
    return [
        row if row.problem else replace(row, label=label, probabilities=dict(zip(classes, chances, strict=True)))
        for row, label, chances in zip(rows, likeliest, probabilities.tolist(), strict=True)
    ]


def _rows(
    entity_ids: Sequence[str],
    values: Sequence[float],
    columns: Sequence[Column],
    problems: Mapping[int, str],
    facts: tuple[str, int, str],
) -> list[Predicted]:
    model, version, target = facts
    texts = [column.to_list() for column in columns]
    return [
        Predicted(
            entity_id=entity_ids[row] if entity_ids else None,
            model=model,
            version=version,
            target=target,
            value=None if row in problems else value,
            used=[
                {
                    "feature": column.name,
                    "value": text[row],
                    "status": Status(int(column.status[row])).name,
                    "event_time": when(int(column.event_time[row])),
                }
                for column, text in zip(columns, texts, strict=True)
            ]
            if row not in problems
            else [],
            problem=problems.get(row, ""),
        )
        for row, value in enumerate(values)
    ]


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
