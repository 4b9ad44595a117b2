"""A model for jobs, which load one version and keep it: resolved by its reference, checked in the child process,
loaded.

Servers use `model_cache`, which follows aliases. Both load only versions that passed `ModelChecker`.
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
    from featurama_core.namespace import Namespace

_DIGITS = re.compile(r"[1-9]\d{0,9}")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A version of a model. version: 0 for the version that `alias` names."""

    name: str
    version: int = 0
    alias: str = CHAMPION

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """`eta` (its champion), `eta@challenger` or `eta@3`. Raises InvalidInput."""
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
    """A version that passed the check, with all that a process needs to load it or to send it to another process."""

    manifest: ModelManifest
    artefact: bytes
    structure: Structure

    def load(self) -> LoadedModel:
        """The model in memory; a prediction uses one thread. Blocks for up to a second."""
        return load_checked(self.manifest, self.artefact, self.structure)


async def checked_model(
    namespace: Namespace,
    reference: ModelReference,
    *,
    artefacts: ArtefactDirectory | None = None,
    checker: ModelChecker | None = None,
) -> CheckedModel:
    """Resolve and check a version. checker: stays open; None starts one for this call.

    Raises Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE).
    """
    registry = ModelRegistry(namespace.storage, artefacts=artefacts)
    manifest = await registry.get(reference.name, version=reference.version, alias=reference.alias)
    with ExitStack() as resources:
        process = checker or resources.enter_context(ModelChecker())
        return CheckedModel(manifest, *await tried(registry, process, manifest))
