"""The store's methods on models: predictions, versions and aliases. A model runs in the online service.

A store that is opened without servers has these methods too, so that one type names every store, and refuses them: the
command and the package `featurama_model` predict and manage models there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from featurama_core.api.primitives import Primitives
from featurama_core.frames.predictions import Predictions, given_columns
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.models import Model
from featurama_core.types.names import check_entity_ids


@dataclass(frozen=True, slots=True, eq=False)
class PredictionQuery:
    """n rows to predict: entity_ids (n, or () for rows of given features alone) and the given columns of n rows.

    model, alias "" and version 0: not said.
    """

    entity_ids: Sequence[str]
    given: Sequence[Column]
    rows: int
    model: str
    version: int
    alias: str
    include_features: bool
    include_contributions: bool


class ModelServer(Protocol):
    """The calls on models that the public methods are made of. Empty texts and version 0: not said."""

    async def predict(self, query: PredictionQuery) -> Predictions:
        """Any number of rows."""

    async def list_models(self, name: str) -> list[Model]:
        """By name and version."""

    async def get_model(self, name: str, version: int, alias: str) -> Model:
        """One version, with its manifest."""

    async def set_alias(self, name: str, alias: str, version: int, expected_version: int | None) -> Model:
        """The version that the alias names now."""


class ModelMethods(Primitives):
    """Predictions by a model, models listed and shown, and promoted by moving an alias. A store that is opened without
    servers raises FailedPrecondition.
    """

    async def predict(
        self,
        entity_ids: Sequence[str] | None = None,
        features: Any = None,
        *,
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        include_features: bool = True,
        include_contributions: bool = False,
    ) -> Predictions:
        """Predict a row per entity, on its newest features, on given `features`, or both: the given ones override.

        Args:
            entity_ids: the rows; None if the features are the rows themselves.
            features: a frame or mapping of columns with as many rows, or a mapping of single values for every row; an
                empty cell is not given. Or a list of `Column`, sent as they are: status NULL_VALUE gives a null.
            model: its name; None: the server's.
            version: of the model; None: the one that `alias` names.
            alias: None: "champion".
            include_features: whether the result holds the features that the model was given.
            include_contributions: whether each row is explained, which costs many times the prediction itself.

        Returns:
            A prediction per row. One bad row never fails the rest: see `Predictions.errors`.

        Raises:
            FailedPrecondition: this store has no servers; or the model cannot be used (MODEL_UNUSABLE).
            Unknown: there is no such model (UNKNOWN_MODEL).
        """
        if entity_ids is not None:
            check_entity_ids(entity_ids)
        ids = list(entity_ids or ())
        given, rows = given_columns(features, len(ids) if entity_ids is not None else None)
        if not rows:
            raise InvalidInput("name entities, or give features", reason=Reason.EMPTY_REQUEST, field="entity_ids")
        return await self._model_server("predict").predict(
            PredictionQuery(
                ids,
                given,
                rows,
                model or "",
                _number(version),
                alias or "",
                include_features=include_features,
                include_contributions=include_contributions,
            )
        )

    async def list_models(self, name: str | None = None) -> list[Model]:
        """All versions of one model, or of all, by name and version; one that cannot be used says why."""
        return await self._model_server("list_models").list_models(name or "")

    async def get_model(self, name: str, *, version: int | None = None, alias: str | None = None) -> Model:
        """One version, with its manifest.

        Args:
            name: of the model.
            version: a whole number from 1; None: the one that `alias` names.
            alias: None: "champion".

        Raises:
            Unknown: there is no such model (UNKNOWN_MODEL).
        """
        return await self._model_server("get_model").get_model(name, _number(version), alias or "")

    async def set_alias(self, name: str, alias: str, version: int, *, expected_version: int | None = None) -> Model:
        """Point an alias at a version; servers follow within seconds, without dropping a request.

        Args:
            name: of the model.
            alias: such as "champion".
            version: it is tried first, and nothing changes if it cannot be used.
            expected_version: move the alias only if it names this version (0: none) until then; None: whatever it
                names.

        Raises:
            Conflict: others moved the alias meanwhile (ALIAS_MOVED).
            FailedPrecondition: this store has no servers; or the version cannot be used (MODEL_UNUSABLE).
        """
        expected = None if expected_version is None else _number(expected_version, least=0)
        return await self._model_server("set_alias").set_alias(name, alias, _number(version), expected)

    def _model_server(self, method: str) -> ModelServer:
        """What runs models, for a public method. FailedPrecondition where there is none."""
        raise FailedPrecondition(
            f"{method} needs servers, and this store is opened without them; connect to grpc://host:port, or use the "
            "command `featurama` or the package featurama_model",
            reason=Reason.INVALID_ARGUMENT,
            method=method,
        )


def _number(version: int | None, *, least: int = 1) -> int:
    # On the wire 0 stands for "not given": a caller's own 0 must not become that.
    if version is None:
        return 0
    if isinstance(version, bool) or not least <= version < 2**31:
        raise InvalidInput(f"version must be a whole number from {least}", field="version")
    return version
