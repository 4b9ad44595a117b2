"""The store's methods on models: predictions, versions and aliases. A model runs in the online service.

A store without servers raises FailedPrecondition from these methods. The command `featurama` and the package
`featurama_model` predict and manage models there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from featurama_core.api.definitions import DefinitionMethods
from featurama_core.frames.cells import frame_kind, open_frame
from featurama_core.frames.predictions import Predictions, given_columns
from featurama_core.frames.spine import row_entities
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.models import Model
from featurama_core.types.names import check_entity_ids, check_unicode
from featurama_core.types.roles import NO_ROLE
from featurama_core.types.schema import check_version


@dataclass(frozen=True, slots=True, eq=False)
class PredictionQuery:
    """n rows to predict: entity_ids (n, or () for rows of request features only) and n-row columns of request features.

    model "", alias "" and version 0 select the defaults of the server.
    """

    entity_ids: Sequence[str]
    given: Sequence[Column]
    rows: int
    model: str
    version: int
    alias: str
    include_features: bool
    include_contributions: bool
    keys: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    """The key columns of the rows, as texts; `entity_ids` has their ids then, "" for none."""


class ModelServer(Protocol):
    """The calls on models behind the public methods. Empty texts and version 0 select the defaults of the server."""

    async def predict(self, query: PredictionQuery) -> Predictions:
        """Predictions for any number of rows."""

    async def list_models(self, name: str) -> list[Model]:
        """Versions of one model, or of all for "", sorted by name and version."""

    async def get_model(self, name: str, version: int, alias: str) -> Model:
        """One version, with its manifest; name: "" for the default model."""

    async def set_alias(self, name: str, alias: str, version: int, expected_version: int | None) -> Model:
        """Move an alias. Returns the version that it names now."""


class ModelMethods(DefinitionMethods):
    """Predicting, listing and getting models, and moving aliases."""

    async def predict(
        self,
        entity_ids: Any = None,
        features: Any = None,
        *,
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        include_features: bool = True,
        include_contributions: bool = False,
    ) -> Predictions:
        """Predict from the newest stored features of entities, from request features, or from both.

        Args:
            entity_ids: One entity per row (a list, an array or a pandas Series); or a frame, a mapping of columns or a
                list of mappings with either the column entity_id or the key columns of the model's entity type, which
                need `model`; None if every row consists of request features.
            features: Request features, which override stored ones: a frame, mapping of columns or list of mappings with
                one row per prediction, or a mapping of single values for all rows. An empty cell leaves the stored
                feature. A list of `Column` is sent unchanged, and a status NULL_VALUE in it sets a null.
            model: Name of the model; None for the default model of the server.
            version: Version of the model; None for the one that `alias` names.
            alias: Name of an alias; None for "champion".
            include_features: Whether the result contains the features passed to the model.
            include_contributions: Whether the result contains the contribution of each feature. Computing them takes
                many times longer than the predictions.

        Returns:
            One prediction per row. A failed row is listed in `Predictions.errors` and does not affect other rows.

        Raises:
            FailedPrecondition: The store has no servers, or the model cannot be used (MODEL_UNUSABLE).
            Unknown: The model does not exist (UNKNOWN_MODEL).
        """
        keys = None if frame_kind(entity_ids) is None else open_frame(entity_ids)
        ids: list[str] = []
        texts: dict[str, list[str | None]] = {}
        if keys is not None and list(keys.columns) != ["entity_id"]:
            ids, texts = await self._by_keys(keys, model, version, alias)
        elif entity_ids is not None:
            listed: Any = entity_ids if keys is None else row_entities(keys, ())[0].of_role[NO_ROLE]
            check_entity_ids(listed)
            ids = list(listed)
        check_unicode(model=model, alias=alias)
        given, rows = given_columns(features, len(ids) if entity_ids is not None else None)
        if not rows:
            raise InvalidInput("name entities, or give features", reason=Reason.EMPTY_REQUEST, field="entity_ids")
        predicted = await self._model_server("predict").predict(
            PredictionQuery(
                ids,
                given,
                rows,
                model or "",
                _number(version),
                alias or "",
                include_features=include_features,
                include_contributions=include_contributions,
                keys=texts,
            )
        )
        if keys is None or not texts:
            return predicted
        return replace(predicted, labels={name: keys.columns[name] for name in texts})

    async def _by_keys(
        self, rows: Any, model: str | None, version: int | None, alias: str | None
    ) -> tuple[list[str], dict[str, list[str | None]]]:
        """(the ids of rows of keys, "" for none, and their key columns as texts)."""
        if model is None:
            given = ", ".join(open_frame(rows).columns)[:140]
            raise InvalidInput(
                f"name the model whose entity type has the keys {given}; give entity_id alone for ids, and the features"
                " of rows as features=",
                field="model",
            )
        kind = await self.get_entity_type((await self.get_model(model, version=version, alias=alias)).entity_type)
        ids = await self.make_entity_ids(kind.name, rows)
        codec = kind.id_keys
        assert codec is not None  # checked by `make_entity_ids`
        codec.check_only(open_frame(rows).columns, "give the features of rows as features=")
        decoded = [codec.decode(each) if each is not None else None for each in ids]
        texts = {
            name: [None if keys is None else str(keys[at]) for keys in decoded] for at, name in enumerate(codec.names)
        }
        return [each or "" for each in ids], texts

    async def list_models(self, name: str | None = None) -> list[Model]:
        """Versions of models, sorted by name and version. `Model.problem` says why a version cannot be used.

        Args:
            name: Name of one model; None for all models.

        Raises:
            FailedPrecondition: The store has no servers.
        """
        check_unicode(name=name)
        return await self._model_server("list_models").list_models(name or "")

    async def get_model(
        self, name: str | None = None, *, version: int | None = None, alias: str | None = None
    ) -> Model:
        """One version, with its manifest.

        Args:
            name: Name of the model; None for the default model of the server.
            version: A whole number from 1; None for the version that `alias` names.
            alias: Name of an alias; None for "champion".

        Raises:
            FailedPrecondition: The store has no servers.
            Unknown: The model does not exist (UNKNOWN_MODEL).
        """
        check_unicode(name=name, alias=alias)
        return await self._model_server("get_model").get_model(name or "", _number(version), alias or "")

    async def set_alias(self, name: str, alias: str, version: int, *, expected_version: int | None = None) -> Model:
        """Move an alias to a version. Servers use it within seconds and drop no request.

        Args:
            name: Name of the model.
            alias: Name of the alias, such as "champion".
            version: Version to name. It is loaded first; the alias stays where it is if that fails.
            expected_version: Version that the alias must name now, 0 if the alias must not exist; None for no
                condition.

        Returns:
            The version that the alias names.

        Raises:
            Conflict: The alias does not name `expected_version` (ALIAS_MOVED).
            FailedPrecondition: The store has no servers, or the version cannot be used (MODEL_UNUSABLE).
        """
        check_unicode(name=name, alias=alias)
        expected = None if expected_version is None else check_version(expected_version, least=0)
        return await self._model_server("set_alias").set_alias(name, alias, _number(version), expected)

    def _model_server(self, method: str) -> ModelServer:
        """The server of models, for a public method. Raises FailedPrecondition where there is none."""
        raise FailedPrecondition(
            f"{method} needs servers, and this store is opened without them; connect to grpc://host:port, or use the "
            "command `featurama` or the package featurama_model",
            reason=Reason.INVALID_ARGUMENT,
            method=method,
        )


def _number(version: int | None) -> int:
    return 0 if version is None else check_version(version)
