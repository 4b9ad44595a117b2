"""Rows that cannot be predicted: their entity is of another type than the model's, or is unknown to the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from featurama_core.store import EmbeddedStore
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.values import BoolArray, Status

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

_FEATURES_PER_READ = 500


async def unknown_entities(
    namespace: Namespace, entity_ids: Sequence[str], entity_type: str, candidates: BoolArray
) -> dict[int, str]:
    """Row -> problem, for candidates (bool[n]) whose entity is of another type than the model's, or is neither
    registered nor has any value.
    """
    rows = np.flatnonzero(candidates).tolist()
    if not rows:
        return {}
    distinct = list(dict.fromkeys(entity_ids[row] for row in rows))
    registered = await namespace.storage.get_entities(distinct)
    valueless = await _without_values(namespace, entity_type, [each for each in distinct if each not in registered])
    problems = {each: f"{entity_type} {each!r} is neither registered nor has any value" for each in valueless}
    if entity_type != DEFAULT_ENTITY_TYPE:
        problems |= {
            each: f"{each!r} is registered as {entity.entity_type}, the model predicts for a {entity_type}"
            for each, entity in registered.items()
            if entity.entity_type != entity_type
        }
    return {row: problems[entity_ids[row]] for row in rows if entity_ids[row] in problems}


async def _without_values(namespace: Namespace, entity_type: str, entity_ids: Sequence[str]) -> set[str]:
    """The entities without a value of any feature of their possible types."""
    empty = set(entity_ids)
    features = [
        feature.reference
        for kind in dict.fromkeys((entity_type, DEFAULT_ENTITY_TYPE))
        for feature in await EmbeddedStore(namespace).list_features(entity_type=kind, all_versions=True)
    ]
    for first in range(0, len(features), _FEATURES_PER_READ):
        if not empty:
            break
        left = sorted(empty)
        read = await EmbeddedStore(namespace).get_online_features(left, features[first : first + _FEATURES_PER_READ])
        found = np.any([column.status != Status.NOT_FOUND for column in read.columns], axis=0)
        empty -= {each for each, there in zip(left, found.tolist(), strict=True) if there}
    return empty
