"""What a model cannot be predicted for: entities of another type than its own or unknown to the store, and features of
another type than its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from featurama_core.registry.roles import check_one_type
from featurama_core.store import EmbeddedStore
from featurama_core.types.errors import InvalidInput, Unknown
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.values import Status
from featurama_model.manifest import ModelManifest

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

_IDS_PER_READ = 5_000
_FEATURES_PER_READ = 500


async def check_features(namespace: Namespace, manifest: ModelManifest) -> None:
    """Raise FailedPrecondition (MODEL_UNUSABLE) unless all features of a model are registered and can be read of the
    entity of a row, whichever of them a request gives.
    """
    if manifest.roles:
        return
    try:
        check_one_type(await namespace.resolve(manifest.selection), manifest.entity_type)
    except Unknown as error:
        raise manifest.unusable(f"one of its features is not registered: {error.message}") from error
    except InvalidInput as error:
        raise manifest.unusable(error.message) from error


async def unknown_entities(
    namespace: Namespace, entity_ids: Iterable[str | None], entity_type: str
) -> dict[str | None, str]:
    """Entity -> problem, for entities of another type than the model's, or that are neither registered nor have any
    value; and for None, a row that names no entity.
    """
    given = dict.fromkeys(entity_ids)
    distinct = [each for each in given if each is not None]
    problems: dict[str | None, str] = {}
    if None in given:
        problems[None] = "the row names no entity: a key is null, or no id can hold the keys"
    # In pieces, because one read of the store is bounded.
    for first in range(0, len(distinct), _IDS_PER_READ):
        some = distinct[first : first + _IDS_PER_READ]
        registered = await namespace.storage.get_entities(some)
        valueless = await _without_values(namespace, entity_type, [each for each in some if each not in registered])
        problems |= {each: f"{entity_type} {each!r} is neither registered nor has any value" for each in valueless}
        if entity_type != DEFAULT_ENTITY_TYPE:
            problems |= {
                each: f"{each!r} is registered as {entity.entity_type}, the model predicts for a {entity_type}"
                for each, entity in registered.items()
                if entity.entity_type != entity_type
            }
    return problems


async def _without_values(namespace: Namespace, entity_type: str, entity_ids: Sequence[str]) -> set[str]:
    """The entities without a value of any feature of their possible types."""
    empty = set(entity_ids)
    types = (entity_type, DEFAULT_ENTITY_TYPE)
    held = await namespace.features_of(entity_ids) if entity_ids else []
    features = [each.reference for each in held if each.entity_type in types]
    for first in range(0, len(features), _FEATURES_PER_READ):
        if not empty:
            break
        left = sorted(empty)
        read = await EmbeddedStore(namespace).get_online_features(left, features[first : first + _FEATURES_PER_READ])
        found = np.any([column.status != Status.NOT_FOUND for column in read.columns], axis=0)
        empty -= {each for each, there in zip(left, found.tolist(), strict=True) if there}
    return empty
