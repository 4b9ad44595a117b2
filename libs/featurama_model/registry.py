"""Models in the store: integer versions that never change, and aliases that point at one.

A version is taken atomically by the storage; publishing again gives the next number. Whoever reads a
version gets the bytes that were published, or an error, never others: the manifest holds their hash.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from featurama_core.model.errors import (
    Conflict,
    CorruptData,
    FailedPrecondition,
    InvalidInput,
    Reason,
    Unknown,
)
from featurama_core.model.names import check_name
from featurama_core.model.times import Clock
from featurama_core.storage.port import NamespaceStorage, StoredModel
from featurama_model.loading import check_artefact
from featurama_model.manifest import MAX_ARTEFACT_BYTES, Artefact, Manifest, unusable

CHAMPION = "champion"
"""The alias that serves when none is named."""
CHUNK_BYTES = 256 * 1024

_PUBLISH_ATTEMPTS = 32


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A version in a list; `manifest` is None if it cannot be read, and `problem` says why."""

    name: str
    version: int
    created_at: int
    artefact_bytes: int
    manifest: Manifest | None
    problem: str = ""


class ModelRegistry:
    """Models of one namespace. Holds no state: every answer is read from the storage."""

    def __init__(self, storage: NamespaceStorage, *, clock: Clock = time.time_ns) -> None:
        self._storage = storage
        self._clock = clock

    async def publish(self, manifest: Manifest, artefact: bytes) -> Manifest:
        """Store a new version. -> the manifest as stored: version, hash, size and time set.

        Raises InvalidInput for an inconsistent manifest or more than 64 MiB, FailedPrecondition
        (MODEL_UNUSABLE) for an artefact that serving would refuse.
        """
        if not 1 <= len(artefact) <= MAX_ARTEFACT_BYTES:
            raise InvalidInput(
                f"artefact has {len(artefact)} bytes; 1 to {MAX_ARTEFACT_BYTES} are allowed",
                reason=Reason.LIMIT_EXCEEDED,
                field="artefact",
            )
        now = self._clock() // 1_000
        facts = Artefact.of(artefact)
        draft = replace(manifest, artefact=facts, created_at=now)
        draft.check()
        await asyncio.to_thread(check_artefact, draft, artefact)
        chunks = [artefact[start : start + CHUNK_BYTES] for start in range(0, len(artefact), CHUNK_BYTES)]
        for _ in range(_PUBLISH_ATTEMPTS):
            taken = await self._storage.list_models(manifest.name)
            published = replace(draft, version=max((model.version for model in taken), default=0) + 1)
            stored = StoredModel(published.name, published.version, published.to_json(), now, len(artefact))
            if await self._storage.put_model(stored, chunks):
                return published
        raise Conflict(
            f"model {manifest.name!r} is being published by others all the time; publish again",
            field="model",
        )

    async def get(self, name: str, *, version: int = 0, alias: str = CHAMPION) -> Manifest:
        """The manifest of a version, or with version 0 of the one that the alias names.

        Raises Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE) for a manifest that cannot be
        read.
        """
        check_name(name, "model")
        number = version or await self._aliased(name, alias)
        for stored in await self._storage.list_models(name):
            if stored.version == number:
                return read_manifest(stored)
        raise unknown_version(name, number)

    async def list(self, name: str | None = None) -> list[ListedModel]:
        """All versions of one model, or of all, by name and version; one that cannot be read says why."""
        return [_listed(stored) for stored in await self._storage.list_models(name)]

    async def artefact(self, manifest: Manifest) -> bytes:
        """The bytes of a version, not yet checked. Raises FailedPrecondition (MODEL_UNUSABLE) if they are
        not whole.
        """
        try:
            return await self._storage.read_artefact(manifest.name, manifest.version)
        except (Unknown, CorruptData) as error:
            raise unusable(
                "its artefact is not whole in the store", model=manifest.name, version=manifest.version
            ) from error

    async def set_alias(self, name: str, alias: str, version: int) -> Manifest:
        """Point `alias` at a version that is there. -> its manifest."""
        check_name(alias, "alias")
        if version < 1:
            raise InvalidInput("version must be a whole number from 1", field="version")
        manifest = await self.get(name, version=version)
        await self._storage.put_alias(name, alias, version)
        return manifest

    async def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version, sorted by alias."""
        found = await self._storage.list_aliases(check_name(name, "model"))
        return {alias: version for (_, alias), version in sorted(found.items())}

    async def _aliased(self, name: str, alias: str) -> int:
        aliases = await self.aliases(name)
        if alias in aliases:
            return aliases[alias]
        raise unknown_alias(name, alias, aliases, trained=bool(await self._storage.list_models(name)))


def read_manifest(stored: StoredModel) -> Manifest:
    """The manifest of a stored version. Raises FailedPrecondition (MODEL_UNUSABLE) unless it is that
    version's.
    """
    manifest = Manifest.from_json(stored.manifest)
    if (manifest.name, manifest.version) != (stored.name, stored.version) or manifest.artefact is None:
        raise unusable("its manifest is of another version", model=stored.name, version=stored.version)
    return manifest


def unknown_version(name: str, version: int) -> Unknown:
    """The error for a version that is not there."""
    return Unknown(
        f"model {name!r} has no version {version}; see `featurama models list`",
        reason=Reason.UNKNOWN_MODEL,
        field="version",
    )


def unknown_alias(name: str, alias: str, known: Collection[str], *, trained: bool) -> Unknown:
    """The error for an alias that is not set; `trained`: whether the model has any version."""
    if not trained:
        return Unknown(
            f"model {name!r} is not there; train it with `featurama train`",
            reason=Reason.UNKNOWN_MODEL,
            field="model",
        )
    have = ", ".join(sorted(known)) or "none"
    return Unknown(
        f"model {name!r} has no alias {alias[:80]!r}, it has {have}; set it or name a version",
        reason=Reason.UNKNOWN_MODEL,
        field="alias",
    )


def _listed(stored: StoredModel) -> ListedModel:
    facts = (stored.name, stored.version, stored.created_at, stored.artefact_bytes)
    try:
        return ListedModel(*facts, read_manifest(stored))
    except FailedPrecondition as error:
        return ListedModel(*facts, None, error.message)
