"""Requests that are answered by several calls read the same versions in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from featurama.client.answers import concurrently
from featurama_core.api import FeatureStore
from featurama_core.types.column import Column
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.revisions import in_force
from featurama_core.types.roles import RowEntities
from featurama_core.types.times import KnownAt


def pinned(features: FeatureSelection, columns: Sequence[Column]) -> FeatureSelection:
    """The versions that a response has. The features themselves if a server names none, or for a service with a role
    that the request does not declare, so that its type is not known here; a service is pinned.
    """
    references = tuple(column.reference for column in columns)
    if not all(references):
        return features
    if features.service is not None:
        declared = {"", *(each.name for each in features.roles)}
        if not {FeatureRef.parse_pinned(each).role for each in references} <= declared:
            return features
    return replace(features, references=references, service=None)


async def pinned_ttls(
    store: FeatureStore, features: FeatureSelection, references: Sequence[str], moment: int
) -> FeatureSelection:
    """The same features with the revisions of their groups whose ttl is in force at a moment, microseconds.

    references: of the response, pinned.
    """
    steps = {step for text in references for step in FeatureRef.parse_pinned(text).steps}
    found = await concurrently([partial(store.get_feature, each.name, each.version) for each in steps])
    groups = await concurrently([partial(store.get_feature_group, each) for each in {each.group for each in found}])
    pins = {each.name: in_force(each, moment).revision for each in groups} | dict(features.ttl_revisions)
    return replace(features, ttl_revisions=tuple(sorted(pins.items())))


async def pinned_at(
    store: FeatureStore,
    features: FeatureSelection,
    newest: int,
    roles: Iterable[str],
    *,
    known_at: KnownAt = "label",
) -> FeatureSelection:
    """The versions of rows of which the newest is at this time, microseconds. One call.

    roles: of the rows, `NO_ROLE` for rows of one entity.
    """
    read = await store.point_in_time(
        any_row(roles),
        np.array([newest], dtype=np.int64),
        features=features.references or None,
        service=features.service,
        roles={each.name: each.entity_type for each in features.roles},
        known_at=known_at,
        ttl_revisions=dict(features.ttl_revisions),
    )
    return pinned(features, read.columns)


def any_row(roles: Iterable[str]) -> RowEntities:
    """A row for a request of which only the names and types of the columns are used: any id will do."""
    return RowEntities({each: ["-"] for each in roles})
