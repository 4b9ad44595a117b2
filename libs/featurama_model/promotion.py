"""Moving an alias while a server serves: the version is tried first, the move leaves an audit record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurama_core.model.errors import InvalidInput
from featurama_core.model.names import check_name
from featurama_model.manifest import Manifest
from featurama_model.model_cache import ModelCache
from featurama_model.registry import ModelRegistry

if TYPE_CHECKING:
    from featurama_core.store import FeatureStore


@dataclass(frozen=True, slots=True)
class Promotion:
    """What an alias names now, and the version that it named before; 0: none."""

    manifest: Manifest
    previous: int


async def set_alias(
    store: FeatureStore, models: ModelCache, name: str, alias: str, version: int, *, by: str
) -> Promotion:
    """Point `alias` at a version that can be used here. by: who asked, for the audit log.

    Durable and recorded when it returns; safe to repeat. Raises Unknown (UNKNOWN_MODEL), FailedPrecondition
    (MODEL_UNUSABLE), and then nothing has changed.
    """
    check_name(name, "name")
    check_name(alias, "alias")
    if version < 1:
        raise InvalidInput("version must be a whole number from 1", field="version")
    await models.get(store, name, version=version)
    registry = ModelRegistry(store.storage)
    previous = (await registry.aliases(name)).get(alias, 0)
    manifest = await registry.set_alias(name, alias, version, by=by)
    await models.expire(store, name)
    return Promotion(manifest, previous)
