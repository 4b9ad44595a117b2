"""GET /features/{entity_id}: the newest values of one entity, whatever characters its id holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from featurama import AsyncClient, OnlineFeatures, Status
from featurama.errors import InvalidInput, Reason
from featurama_gateway.rest.answers import NamespaceHeader, answer
from featurama_gateway.rest.bodies import EntityFeatures, FeatureValue
from featurama_gateway.rest.json_values import rfc3339, value_at


def features(client: AsyncClient) -> APIRouter:
    """The routes that read features."""
    router = APIRouter(tags=["features"])

    @router.get("/features/{entity_id:path}", response_model=EntityFeatures)
    async def get_features(
        entity_id: str,
        namespace: NamespaceHeader = "default",
        feature_names: Annotated[
            str | None, Query(description="References, separated by commas. Default: all features of the type.")
        ] = None,
    ) -> Response:
        """The newest values of an entity."""
        scoped = client.in_namespace(namespace)
        if feature_names is None:
            read = await scoped.get_all_features(entity_id)
        else:
            names = [name.strip() for name in feature_names.split(",")]
            if not all(names):
                raise InvalidInput(
                    "feature_names must be names separated by commas",
                    reason=Reason.EMPTY_REQUEST,
                    field="feature_names",
                )
            read = await scoped.get_online_features([entity_id], names)
            if all(column.status[0] == Status.NOT_FOUND for column in read.columns):
                # Nothing of what was asked: tell an entity without these values from one that nobody knows.
                await scoped.get_all_features(entity_id)
        return answer(_body(entity_id, read))

    return router


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


_TIMED = (Status.PRESENT, Status.NULL_VALUE, Status.OUTSIDE_MAX_AGE)
