"""Models in the store: integer versions that never change, and aliases that point at a version.

The storage assigns a version number atomically. Version numbers are never reused, even after a deletion. A reader of a
version gets the published bytes or an error, because the manifest holds their hash. Every move of an alias and every
deletion is in the audit log, from which a rollback reads the previous version of the alias.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import AuditRecord, StoredModel
from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import (
    Conflict,
    CorruptData,
    FailedPrecondition,
    InvalidInput,
    Reason,
    Unknown,
)
from featurama_core.types.names import check_name
from featurama_core.types.times import Clock
from featurama_model.alias_history import DELETED, MOVED, ROLLED_BACK, AliasMove, made, moves, versions_before
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.loading import check_artefact
from featurama_model.manifest import MAX_ARTEFACT_BYTES, Artefact, ModelManifest, unusable

CHAMPION = "champion"
"""The default alias."""
CHUNK_BYTES = 256 * 1024

Trial = Callable[[ModelManifest], Awaitable[object]]
"""Checks a version. Raises FailedPrecondition (MODEL_UNUSABLE) if it cannot serve."""

_ATTEMPTS = 32
_AUDIT_RECORDS = 100_000
_HIGHEST_DELETED = "versions.deleted"
"""The highest deleted version, stored as a row among the aliases. The name is not a valid alias."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A version in a list. manifest: None if it cannot be read; problem: the reason."""

    stored: StoredModel
    manifest: ModelManifest | None
    problem: str = ""


class ModelRegistry:
    """Models of one namespace. The registry has no state: every answer is read from the storage.

    artefacts: the directory of artefacts, to which new ones are written; None keeps artefacts in the storage.
    """

    def __init__(
        self,
        storage: NamespaceStorage,
        *,
        clock: Clock = time.time_ns,
        artefacts: ArtefactDirectory | None = None,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._artefacts = artefacts

    async def publish(self, manifest: ModelManifest, artefact: bytes) -> ModelManifest:
        """Store a new version. -> the manifest as stored, with version, hash, size and time.

        Raises InvalidInput for an inconsistent manifest or more than 64 MiB, FailedPrecondition (MODEL_UNUSABLE) for an
        artefact that serving would refuse.
        """
        if not 1 <= len(artefact) <= MAX_ARTEFACT_BYTES:
            raise InvalidInput(
                f"artefact has {len(artefact)} bytes; 1 to {MAX_ARTEFACT_BYTES} are allowed",
                reason=Reason.LIMIT_EXCEEDED,
                field="artefact",
            )
        now = self._now()
        facts = Artefact.of(artefact)
        draft = replace(manifest, artefact=facts, created_at=now)
        draft.check()
        await asyncio.to_thread(check_artefact, draft, artefact)
        chunks = [artefact[start : start + CHUNK_BYTES] for start in range(0, len(artefact), CHUNK_BYTES)]
        if self._artefacts is not None:
            draft, chunks = replace(draft, artefact=await self._artefacts.put(draft.name, artefact)), []
        for _ in range(_ATTEMPTS):
            taken = [model.version for model in await self._storage.list_models(manifest.name)]
            deleted = (await self._storage.list_aliases(manifest.name)).get((manifest.name, _HIGHEST_DELETED), 0)
            published = replace(draft, version=max([*taken, deleted]) + 1)
            stored = StoredModel(published.name, published.version, published.to_json(), now, len(artefact))
            if await self._storage.put_model(stored, chunks):
                return published
        raise Conflict(
            f"model {manifest.name!r} is being published concurrently; publish again",
            field="model",
        )

    async def get(self, name: str, *, version: int = 0, alias: str = CHAMPION) -> ModelManifest:
        """The manifest of a version; with version 0, of the version that the alias names.

        Raises Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE) for a manifest that cannot be read.
        """
        check_name(name, "model")
        number = version or await self._aliased(name, alias)
        models = await self._storage.list_models(name)
        for stored in models:
            if stored.version == number:
                return read_manifest(stored)
        versions = [stored.version for stored in models]
        raise await unknown_model(self._storage, name, number, alias, versions=versions, known=())

    async def list(self, name: str | None = None) -> list[ListedModel]:
        """All versions of one model or of all models, by name and version. An unreadable version has a `problem`."""
        return [_listed(stored) for stored in await self._storage.list_models(name)]

    async def artefact(self, manifest: ModelManifest) -> bytes:
        """The bytes of a version, unchecked. Raises FailedPrecondition (MODEL_UNUSABLE) if they are not complete."""
        try:
            if manifest.artefact is None or not manifest.artefact.location:
                return await self._storage.read_artefact(manifest.name, manifest.version)
            if self._artefacts is None:
                raise manifest.unusable("its artefact lies in an artefact directory; set FEATURAMA_..._ARTEFACTS to it")
            return await self._artefacts.read(manifest.artefact)
        except FileNotFoundError as error:
            raise manifest.unusable("its artefact is not in the artefact directory") from error
        except (Unknown, CorruptData) as error:
            raise manifest.unusable("its artefact in the store is not complete") from error

    async def set_alias(
        self, name: str, alias: str, version: int, *, by: str = "", note: str = "", expected: int | None = None
    ) -> AliasMove:
        """Point `alias` at an existing version and record the move. `promotion.promote` checks the version first.

        expected: the version that the alias must name before, 0 for none; None for any. Raises Unknown, Conflict
        (ALIAS_MOVED) if it names another.
        """
        check_name(alias, "alias")
        if version < 1:
            raise InvalidInput("version must be a whole number from 1", field="version")
        await self.get(name, version=version)
        return await self._move(name, alias, version, MOVED, by, note, expected)

    async def rollback(
        self, name: str, alias: str = CHAMPION, *, by: str = "", trial: Trial | None = None
    ) -> AliasMove:
        """Point `alias` at the version that it named before. -> the move. A repeated call goes further back.

        trial: checks that version first. Raises FailedPrecondition if no earlier version of the alias exists, Conflict
        (ALIAS_MOVED) if the alias moves concurrently.
        """
        current = await self._aliased(check_name(name, "model"), check_name(alias, "alias"))
        earlier = await self.earlier(name, alias, current)
        if not earlier:
            raise FailedPrecondition(
                f"{alias} of {name!r} is version {current} and has no earlier version that still exists; "
                "promote one by its number",
                reason=Reason.UNKNOWN_MODEL,
                field="alias",
            )
        if trial is not None:
            await trial(await self.get(name, version=earlier[0]))
        return await self._move(name, alias, earlier[0], ROLLED_BACK, by, "", current)

    async def earlier(self, name: str, alias: str, current: int) -> Sequence[int]:
        """The existing versions that `alias` named before `current`, most recent first."""
        there = {stored.version for stored in await self._storage.list_models(name)}
        return versions_before(await self._recorded(name, alias), current, there)

    async def history(self, name: str, alias: str = CHAMPION) -> Sequence[AliasMove]:
        """The moves of an alias, oldest first."""
        current = (await self.aliases(name)).get(alias, 0)
        return made(await self._recorded(name, alias), current)

    async def delete(self, name: str, version: int, *, by: str = "") -> None:
        """Remove a version and its artefact permanently. Its number is never reused.


        Raises Unknown, or FailedPrecondition while an alias names it.
        """
        listed = {model.stored.version: model for model in await self.list(check_name(name, "model"))}
        if version not in listed:
            raise await unknown_model(self._storage, name, version, "", versions=listed, known=())
        names = [alias for alias, named in (await self.aliases(name)).items() if named == version]
        if names:
            raise FailedPrecondition(
                f"{', '.join(names)} of {name!r} is version {version}; point it at another one before deleting this",
                reason=Reason.INVALID_ARGUMENT,
                field="version",
            )
        detail = json.dumps({"version": version, "by": by})
        await self._storage.append_audit(AuditRecord(self._now(), DELETED, name, detail))
        await self._retire(name, version)
        await self._storage.remove_model(name, version)
        others = {_location(model) for model in listed.values() if model.stored.version != version}
        gone = listed[version].manifest
        if self._artefacts is not None and gone is not None and _location(listed[version]) not in {"", *others}:
            assert gone.artefact is not None  # it has a location
            await self._artefacts.remove(gone.artefact)

    async def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version, sorted by alias."""
        return named_versions(await self._storage.list_aliases(check_name(name, "model")))

    async def _move(
        self, name: str, alias: str, version: int, action: str, by: str, note: str, expected: int | None
    ) -> AliasMove:
        for _ in range(_ATTEMPTS):
            previous = (await self.aliases(name)).get(alias, 0)
            if expected is not None and previous not in (expected, version):
                raise _moved(name, alias, previous, expected)
            move = AliasMove(self._now(), action, name, alias, version, previous, by, note)
            # Recorded first: every move must have a record. A record of a move that was not made is harmless.
            await self._storage.append_audit(move.record())
            if await self._storage.put_alias(name, alias, version, expected=previous):
                return move
        raise Conflict(
            f"{alias} of {name!r} is being moved concurrently; try again",
            reason=Reason.ALIAS_MOVED,
            field="alias",
        )

    async def _recorded(self, name: str, alias: str) -> Sequence[AliasMove]:
        return moves(await self._storage.list_audit(_AUDIT_RECORDS), name, alias)

    async def _retire(self, name: str, version: int) -> None:
        """Prevent reuse of this number: raise the highest deleted version to it, also under concurrent deletions."""
        while True:
            deleted = (await self._storage.list_aliases(name)).get((name, _HIGHEST_DELETED), 0)
            highest = max(deleted, version)
            if await self._storage.put_alias(name, _HIGHEST_DELETED, highest, expected=deleted):
                return

    def _now(self) -> int:
        return self._clock() // 1_000

    async def _aliased(self, name: str, alias: str) -> int:
        aliases = await self.aliases(name)
        if alias in aliases:
            return aliases[alias]
        versions = [stored.version for stored in await self._storage.list_models(name)]
        raise await unknown_model(self._storage, name, 0, alias, versions=versions, known=aliases)


def named_versions(stored: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Alias -> version of one model, sorted, from the rows of the storage."""
    return {alias: version for (_, alias), version in sorted(stored.items()) if alias != _HIGHEST_DELETED}


def read_manifest(stored: StoredModel) -> ModelManifest:
    """The manifest of a stored version. Raises FailedPrecondition (MODEL_UNUSABLE) if it belongs to another version."""
    manifest = ModelManifest.from_json(stored.manifest)
    if (manifest.name, manifest.version) != (stored.name, stored.version) or manifest.artefact is None:
        raise unusable("its manifest is of another version", model=stored.name, version=stored.version)
    return manifest


async def model_names(storage: NamespaceStorage) -> set[str]:
    """The models that an alias names; where there is none, all models."""
    served = {model for model, alias in await storage.list_aliases() if alias != _HIGHEST_DELETED}
    return served or {stored.name for stored in await storage.list_models()}


async def unknown_model(
    storage: NamespaceStorage, name: str, version: int, alias: str, *, versions: Collection[int], known: Collection[str]
) -> Unknown:
    """The error for a version that does not exist or, with version 0, an alias that is not set.

    versions, known: the versions and the aliases that the model has.
    """
    if not versions:
        fix = did_you_mean(name, await model_names(storage) - {name}, "check its name or train it")
        return Unknown(f"model {name!r} does not exist; {fix}", reason=Reason.UNKNOWN_MODEL, field="model")
    if version:
        return Unknown(
            f"model {name!r} has no version {version}; name one that it has",
            reason=Reason.UNKNOWN_MODEL,
            field="version",
        )
    have = ", ".join(sorted(known)) or "none"
    return Unknown(
        f"model {name!r} has no alias {alias[:80]!r}, it has {have}; set it or name a version",
        reason=Reason.UNKNOWN_MODEL,
        field="alias",
    )


def _moved(name: str, alias: str, current: int, expected: int) -> Conflict:
    named, wanted = (f"version {each}" if each else "nothing" for each in (current, expected))
    return Conflict(
        f"{alias} of {name!r} is {named}, not {wanted} as expected: it was moved; compare with its current version",
        reason=Reason.ALIAS_MOVED,
        field="alias",
    )


def _location(model: ListedModel) -> str:
    """The location of its artefact in the artefact directory; "" if it is elsewhere or unknown."""
    facts = model.manifest.artefact if model.manifest else None
    return facts.location if facts else ""


def _listed(stored: StoredModel) -> ListedModel:
    try:
        return ListedModel(stored, read_manifest(stored))
    except FailedPrecondition as error:
        return ListedModel(stored, None, error.message)
