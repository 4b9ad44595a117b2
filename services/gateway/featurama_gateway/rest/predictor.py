"""A prediction request of REST as a call of the client, and its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from featurama import FeatureStore, Model, Predictions, entity_id_problem
from featurama.errors import FeaturamaError, InvalidInput, Reason, Unknown
from featurama_gateway.problems import ModelMissing
from featurama_gateway.rest.bodies import ModelChoice
from featurama_gateway.rest.json_values import Json, given_columns


class _RowFailed(FeaturamaError):
    """The one row of the request has no prediction."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """Predicts with the model of a request, or with the default one; default_model: "" for the online service's."""

    store: FeatureStore
    default_model: str

    async def rows(
        self, namespace: str, ids: Sequence[str] | None, features: dict[str, Json] | None, choice: ModelChoice
    ) -> Predictions:
        """Predictions for ids, or for one row of given features."""
        store = await self.store.in_namespace(namespace)
        with self._missing(choice):
            return await store.predict(
                ids,
                given_columns(features) if features else None,
                model=choice.model or self.default_model,
                version=choice.version,
                alias=choice.alias,
            )

    async def model(self, namespace: str, choice: ModelChoice) -> Model:
        """The model of a request that has no row to predict."""
        store = await self.store.in_namespace(namespace)
        with self._missing(choice):
            return await store.get_model(choice.model or self.default_model, version=choice.version, alias=choice.alias)

    async def ids(self, namespace: str, entities: Mapping[str, Any], choice: ModelChoice) -> list[str | None]:
        """The ids of rows of keys of the model's entity type, None for a row that names no entity. InvalidInput for a
        column that is no key.
        """
        model = await self.model(namespace, choice)
        store = await self.store.in_namespace(namespace)
        ids = await store.make_entity_ids(model.entity_type, entities)
        if (codec := (await store.get_entity_type(model.entity_type)).id_keys) is not None:
            codec.check_only(entities)
        return ids

    async def row(
        self,
        namespace: str,
        entity_id: str | None,
        features: dict[str, Json] | None,
        choice: ModelChoice,
        *,
        id_field: str,
        keys: Mapping[str, Any] | None = None,
    ) -> Predictions:
        """One prediction, or the error of its row. id_field: the field of the request that holds the id. keys: instead
        of the id.
        """
        if keys is not None:
            if entity_id is not None:
                raise InvalidInput(f"give {id_field} or keys, not both", field="keys")
            store = await self.store.in_namespace(namespace)
            entity_id = await store.make_entity_id((await self.model(namespace, choice)).entity_type, keys)
        if entity_id is None and not features:
            raise InvalidInput(f"give {id_field}, features, or both", field=id_field)
        if entity_id is not None and (problem := entity_id_problem(entity_id)):
            raise InvalidInput(
                problem.replace("entity_id", id_field, 1), reason=Reason.INVALID_ENTITY_ID, field=id_field
            )
        made = await self.rows(namespace, None if entity_id is None else [entity_id], features, choice)
        for error in made.errors:
            raise _RowFailed(error.message, reason=error.reason, field=error.field or id_field)
        return made

    @contextmanager
    def _missing(self, choice: ModelChoice) -> Iterator[None]:
        """A default model that does not exist is no error of the request."""
        try:
            yield
        except Unknown as error:
            if error.reason is Reason.UNKNOWN_MODEL and choice.is_default:
                raise ModelMissing(error.message) from error
            raise
