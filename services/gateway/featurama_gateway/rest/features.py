"""GET /features/{entity_id} and POST /features: the newest values of one entity, or of many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import orjson
from fastapi import APIRouter, Query, Request, Response
from starlette.types import Scope

from featurama import Column, FeatureStore, OnlineFeatures, Status, entity_id_problem
from featurama.errors import FeaturamaError, InvalidInput, Reason
from featurama_gateway.rest.answers import LargeIntegersQuery, NamespaceHeader
from featurama_gateway.rest.bodies import EntityFeatures, FeatureColumns, FeatureRows, FeaturesBody
from featurama_gateway.rest.fields import NO_CONTROLS, EntityId, LargeIntegers, NameParameter, ReferenceLists
from featurama_gateway.rest.json_body import JsonRoute
from featurama_gateway.rest.json_values import rfc3339, statuses_of, times_of, values_of
from featurama_gateway.rest.plain_read import PlainRead, Question
from featurama_gateway.rest.query import keys_of, takes_keys

MAX_VALUES = 100_000
_KEY_PARAMETERS = {
    "parameters": [
        {
            "name": "keys",
            "in": "query",
            "required": True,
            "style": "form",
            "explode": True,
            "description": "The keys of the entity: a parameter per key column of its type, such as `film_id=1`. A key"
            " with the name of another parameter is written with `key.`: `key.entity_type=film`.",
            "schema": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 8,
                "propertyNames": {"pattern": r"^(key\.)?[a-z][a-z0-9_]{0,62}$"},
                "additionalProperties": {"type": "string", "pattern": NO_CONTROLS},
            },
        }
    ]
}
_NOT_FOUND = Status.NOT_FOUND


def features(store: FeatureStore) -> APIRouter:
    """The routes that read features."""
    router = APIRouter(tags=["features"], route_class=JsonRoute)

    @router.post("/features", response_model=FeatureColumns | FeatureRows)
    async def read_features(
        body: FeaturesBody, namespace: NamespaceHeader = "default", large_integers: LargeIntegersQuery = "string"
    ) -> Response:
        """The newest values of up to 1,000 rows: of an entity, or of one entity per role. An unknown entity has the
        status NOT_FOUND in every feature.
        """
        if (body.feature_names is None) == (body.feature_service is None):
            raise InvalidInput("give either feature_names or feature_service", field="feature_names")
        if (body.entity_ids is None) == (body.entities is None):
            raise InvalidInput("give either entity_ids, or entities with a column per role", field="entity_ids")
        if body.entity_ids is not None and body.roles is not None:
            raise InvalidInput("roles are of entities; entity_ids name one entity per row", field="roles")
        scoped = await store.in_namespace(namespace)
        with _named("feature_names"):
            read = await scoped.get_online_features(
                body.entity_ids if body.entities is None else body.entities,
                body.feature_names,
                service=body.feature_service,
                roles=body.roles,
                event_times=body.event_times,
            )
        if len(read) * len(read.columns) > MAX_VALUES:
            raise InvalidInput(
                f"entity_ids: {len(read)} entities of {len(read.columns)} features are more than {MAX_VALUES} values; "
                "read fewer entities at once",
                reason=Reason.LIMIT_EXCEEDED,
                field="entity_ids",
            )
        made = _rows(read, body, large_integers) if body.format == "rows" else _columns(read, body, large_integers)
        return _json({**made, "timestamp": rfc3339(read.as_of_time)})

    @router.get("/features", response_model=EntityFeatures, openapi_extra=_KEY_PARAMETERS)
    @takes_keys
    async def get_features_by_keys(
        request: Request,
        namespace: NamespaceHeader = "default",
        feature_names: Annotated[
            ReferenceLists, Query(description="References, separated by commas or repeated. Default: all of the type.")
        ] = None,
        entity_type: Annotated[
            NameParameter, Query(description="Type of the entity. Required without feature_names.")
        ] = None,
        large_integers: LargeIntegersQuery = "string",
    ) -> Response:
        """The newest values of an entity that is named by its keys: a query parameter per key column of its type."""
        keys = keys_of(request)
        scoped = await store.in_namespace(namespace)
        if entity_type is None:
            names = _names(feature_names) if feature_names is not None else []
            kinds = await scoped.list_entity_types(features=names) if names else []
            if len(kinds) != 1:
                raise InvalidInput("entity_type is missing; name the type of the entity", field="entity_type")
            entity_type = kinds[0].name
        entity_id = await scoped.make_entity_id(entity_type, keys)
        return await _one(scoped, entity_id, feature_names, large_integers, {"keys": keys})

    @router.get("/features/{entity_id:path}", response_model=EntityFeatures)
    async def get_features(
        request: Request,
        entity_id: EntityId,
        namespace: NamespaceHeader = "default",
        feature_names: Annotated[
            ReferenceLists,
            Query(description="References, separated by commas or repeated. Default: all features of the type."),
        ] = None,
        large_integers: LargeIntegersQuery = "string",
    ) -> Response:
        """The newest values of an entity. Its id may contain any characters."""
        return await _by_id(store, request.scope, entity_id, namespace, feature_names, large_integers)

    return router


def plain_read(store: FeatureStore) -> PlainRead:
    """The route of GET /features/{entity_id} for most requests."""

    async def read(scope: Scope, entity_id: str, namespace: str, question: Question) -> Response:
        names = None if question.feature_names is None else [question.feature_names]
        return await _by_id(store, scope, entity_id, namespace, names, question.large_integers)

    return PlainRead("/features/{entity_id:path}", read)


async def _by_id(
    store: FeatureStore,
    scope: Scope,
    entity_id: str,
    namespace: str,
    feature_names: list[str] | None,
    large_integers: LargeIntegers,
) -> Response:
    _check_encoding(scope)
    if problem := entity_id_problem(entity_id):
        raise InvalidInput(problem, reason=Reason.INVALID_ENTITY_ID, field="entity_id")
    scoped = await store.in_namespace(namespace)
    return await _one(scoped, entity_id, feature_names, large_integers, {"entity_id": entity_id})


async def _one(
    scoped: FeatureStore,
    entity_id: str,
    feature_names: list[str] | None,
    large_integers: LargeIntegers,
    named: dict[str, Any],
) -> Response:
    """The newest values of one entity. named: how the request names it."""
    if feature_names is None:
        read = await scoped.get_all_features(entity_id)
    else:
        with _named("feature_names"):
            read = await scoped.get_online_features([entity_id], _names(feature_names))
        if all(column.status[0] == _NOT_FOUND for column in read.columns):
            # No value was found: this read raises for an unknown entity.
            await scoped.get_all_features(entity_id)
    (features,) = _values_of_rows(read, large_integers)
    return _json({**named, "features": features, "timestamp": rfc3339(read.as_of_time)})


def _json(content: dict[str, Any]) -> Response:
    """The answer in the form of its `response_model`, without an object per value."""
    return Response(orjson.dumps(content), media_type="application/json")


def _columns(read: OnlineFeatures, body: FeaturesBody, large_integers: LargeIntegers) -> dict[str, Any]:
    features = []
    for column in read.columns:
        feature: dict[str, Any] = {"feature_name": column.name, "version": column.version}
        feature["values"] = values_of(column, large_integers)
        if body.event_times:
            feature["timestamps"] = times_of(column)
        if body.statuses:
            feature["statuses"] = statuses_of(column)
        features.append(feature)
    named = {"entity_ids": read.entity_ids} if body.entities is None else {"entities": body.entities}
    return named | {"features": features}


def _rows(read: OnlineFeatures, body: FeaturesBody, large_integers: LargeIntegers) -> dict[str, Any]:
    rows = _values_of_rows(read, large_integers, event_times=body.event_times, statuses=body.statuses)
    return {"rows": [_named_row(read, body, row) | {"features": values} for row, values in enumerate(rows)]}


def _named_row(read: OnlineFeatures, body: FeaturesBody, row: int) -> dict[str, Any]:
    if body.entities is None:
        return {"entity_id": read.entity_ids[row]}
    return {"entities": {name: values[row] for name, values in body.entities.items()}}


def _values_of_rows(
    read: OnlineFeatures, large_integers: LargeIntegers, *, event_times: bool = True, statuses: bool = True
) -> Sequence[Sequence[dict[str, Any]]]:
    """The values of each row, with what is said of them."""
    if not read.columns:
        return [()] * len(read)
    return list(zip(*(_values(each, large_integers, event_times, statuses) for each in read.columns), strict=True))


def _values(column: Column, large_integers: LargeIntegers, event_times: bool, statuses: bool) -> list[dict[str, Any]]:
    name, version = column.name, column.version
    values: list[dict[str, Any]] = [
        {"feature_name": name, "value": value, "version": version} for value in values_of(column, large_integers)
    ]
    if event_times:
        for value, time in zip(values, times_of(column), strict=True):
            value["timestamp"] = time
    if statuses:
        for value, status in zip(values, statuses_of(column), strict=True):
            value["status"] = status
    return values


def _check_encoding(scope: Scope) -> None:
    """Refuse bytes that are not UTF-8. The server has replaced them, so they would name another entity."""
    try:
        unquote_to_bytes(scope["raw_path"]).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "entity_id is not UTF-8; percent-encode its UTF-8 bytes",
            reason=Reason.INVALID_ENTITY_ID,
            field="entity_id",
        ) from error


def _names(feature_names: list[str]) -> list[str]:
    names = [name.strip() for text in feature_names for name in text.split(",")]
    if not all(names):
        raise InvalidInput(
            "feature_names must be names separated by commas", reason=Reason.EMPTY_REQUEST, field="feature_names"
        )
    return names


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Errors of the store about `features` name the field of the request."""
    try:
        yield
    except FeaturamaError as error:
        if error.metadata.get("field") == "features":
            error.metadata["field"] = field
            error.args = (re.sub("^features", field, error.message),)
        raise
