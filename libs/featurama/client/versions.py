"""Requests that are answered by several calls read the same versions in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from featurama.client.answers import concurrently
from featurama_core.api import FeatureStore
from featurama_core.types.column import Column
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.revisions import in_force


def pinned(features: FeatureSelection, columns: Sequence[Column]) -> FeatureSelection:
    """The versions that a response has; the features themselves if a server names none."""
    references = tuple(column.reference for column in columns)
    return replace(features, references=references, service=None) if all(references) else features


async def pinned_ttls(store: FeatureStore, features: FeatureSelection, moment: int) -> FeatureSelection:
    """The same features with the revisions of their groups whose ttl is in force at a moment, microseconds."""
    steps = {step for text in features.references for step in FeatureRef.parse(text).steps}
    found = await concurrently([partial(store.get_feature, each.name, each.version) for each in steps])
    groups = await concurrently([partial(store.get_feature_group, each) for each in {each.group for each in found}])
    pins = {each.name: in_force(each, moment).revision for each in groups} | dict(features.ttl_revisions)
    return replace(features, ttl_revisions=tuple(sorted(pins.items())))


async def pinned_at(store: FeatureStore, features: FeatureSelection, newest: int) -> FeatureSelection:
    """The versions of rows with `known_at="label"`, the newest of which is at this time, microseconds. One call."""
    # Any id will do: only the references of the columns are used.
    row = ["-"], np.array([newest], dtype=np.int64)
    read = await store.point_in_time(
        *row,
        features=features.references or None,
        service=features.service,
        known_at="label",
        ttl_revisions=dict(features.ttl_revisions),
    )
    return pinned(features, read.columns)
