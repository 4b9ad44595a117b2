"""A model for jobs that load one and keep it: found by its reference, tried in the limited child process, then loaded.

Servers use `model_cache`, which follows aliases; both load only what `ModelChecker` let through.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import check_name
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.loading import LoadedModel, load_checked
from featurama_model.manifest import ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.promotion import tried
from featurama_model.registry import CHAMPION, ModelRegistry
from featurama_model.structure import Structure

if TYPE_CHECKING:
    from featurama_core.store import FeatureStore

_DIGITS = re.compile(r"[1-9]\d{0,9}")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """`version` 0: the one that `alias` names."""

    name: str
    version: int = 0
    alias: str = CHAMPION

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """`delivery_time` (its champion), `delivery_time@challenger` or `delivery_time@3`. Raises InvalidInput."""
        name, at, which = text.partition("@")
        check_name(name, "model")
        if not at:
            return cls(name)
        if _DIGITS.fullmatch(which):
            return cls(name, int(which))
        if which[:1].isdigit() or not which:
            raise InvalidInput("model must be a name, name@alias or name@version, such as eta@3", field="model")
        return cls(name, 0, check_name(which, "alias"))


@dataclass(frozen=True, slots=True, eq=False)
class CheckedModel:
    """A version that survived its trial: what a process needs to load it, and may send to others."""

    manifest: ModelManifest
    artefact: bytes
    structure: Structure

    def load(self) -> LoadedModel:
        """The model in memory, for one thread a prediction. Takes up to a second; blocks."""
        return load_checked(self.manifest, self.artefact, self.structure)


async def checked_model(
    store: FeatureStore,
    reference: ModelReference,
    *,
    artefacts: ArtefactDirectory | None = None,
    checker: ModelChecker | None = None,
) -> CheckedModel:
    """The version that is meant, tried. checker: stays open; None: one of its own.

    Raises Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE).
    """
    registry = ModelRegistry(store.storage, artefacts=artefacts)
    manifest = await registry.get(reference.name, version=reference.version, alias=reference.alias)
    with ExitStack() as resources:
        process = checker or resources.enter_context(ModelChecker())
        return CheckedModel(manifest, *await tried(registry, process, manifest))
