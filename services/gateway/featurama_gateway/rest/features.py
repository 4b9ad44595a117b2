"""GET /features/{entity_id}: the newest values of one entity. An id may contain any characters."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Query, Request, Response

from featurama import FeatureStore, OnlineFeatures, Status, entity_id_problem
from featurama.errors import InvalidInput, Reason
from featurama_gateway.rest.answers import NamespaceHeader, answer
from featurama_gateway.rest.bodies import EntityFeatures, FeatureValue
from featurama_gateway.rest.json_values import rfc3339, value_at

_TIMED = (Status.PRESENT, Status.NULL_VALUE, Status.OUTSIDE_MAX_AGE)


def features(store: FeatureStore) -> APIRouter:
    """The routes that read features."""
    router = APIRouter(tags=["features"])

    @router.get("/features/{entity_id:path}", response_model=EntityFeatures)
    async def get_features(
        request: Request,
        entity_id: str,
        namespace: NamespaceHeader = "default",
        feature_names: Annotated[
            list[str] | None,
            Query(description="References, separated by commas or repeated. Default: all features of the type."),
        ] = None,
    ) -> Response:
        """The newest values of an entity."""
        _check_encoding(request)
        if problem := entity_id_problem(entity_id):
            raise InvalidInput(problem, reason=Reason.INVALID_ENTITY_ID, field="entity_id")
        scoped = await store.in_namespace(namespace)
        if feature_names is None:
            read = await scoped.get_all_features(entity_id)
        else:
            read = await scoped.get_online_features([entity_id], _names(feature_names))
            if all(column.status[0] == Status.NOT_FOUND for column in read.columns):
                # No value was found: this read raises for an unknown entity.
                await scoped.get_all_features(entity_id)
        return answer(_body(entity_id, read))

    return router


def _check_encoding(request: Request) -> None:
    """Refuse bytes that are not UTF-8. The server has replaced them, so they would name another entity."""
    try:
        unquote_to_bytes(request.scope["raw_path"]).decode()
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


def _body(entity_id: str, read: OnlineFeatures) -> EntityFeatures:
    return EntityFeatures(
        entity_id=entity_id,
        features=[
            FeatureValue(
                feature_name=column.name,
                value=value_at(column, 0),
                timestamp=rfc3339(column.event_time[0]) if column.status[0] in _TIMED else None,
                status=Status(int(column.status[0])).name,
                version=column.version,
            )
            for column in read.columns
        ],
        timestamp=rfc3339(read.as_of_time),
    )
