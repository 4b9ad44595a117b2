"""The one way by which an alias gets another version: it is tried first, the move is recorded, no other move is lost.

To try a version is to read its artefact and let the checking process look at size, hash and structure, load it and
predict. A server tries it where it keeps its models; what has no server opens a checking process of its own (`trying`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import check_name
from featurama_model.manifest import ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.registry import CHAMPION, ModelRegistry, Trial
from featurama_model.structure import Structure


@dataclass(frozen=True, slots=True)
class Promotion:
    """What an alias names now, and the version that it named before; 0: none."""

    manifest: ModelManifest
    previous: int


async def promote(
    registry: ModelRegistry,
    trial: Trial,
    name: str,
    version: int,
    *,
    alias: str = CHAMPION,
    expected: int | None = None,
    by: str,
    note: str = "",
) -> Promotion:
    """Point `alias` at a version that can be used. by: who asked, for the audit log.

    expected: what it must name until then, 0 for nothing; None: whatever it names. Durable and recorded when it
    returns; safe to repeat. Raises Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE), Conflict
    (ALIAS_MOVED), and then the alias has not moved.
    """
    check_name(name, "name")
    check_name(alias, "alias")
    if version < 1:
        raise InvalidInput("version must be a whole number from 1", field="version")
    if expected is not None and expected < 0:
        raise InvalidInput("expected_version must be a whole number from 0, or absent", field="expected_version")
    manifest = await registry.get(name, version=version)
    await trial(manifest)
    move = await registry.set_alias(name, alias, version, by=by, note=note, expected=expected)
    return Promotion(manifest, move.previous)


async def tried(registry: ModelRegistry, checker: ModelChecker, manifest: ModelManifest) -> tuple[bytes, Structure]:
    """Read the artefact of a version and try it. -> its bytes, and what they are.

    Raises FailedPrecondition (MODEL_UNUSABLE), StoreUnavailable.
    """
    artefact = await registry.artefact(manifest)
    return artefact, await asyncio.to_thread(checker.check, manifest, artefact)


@asynccontextmanager
async def trying(registry: ModelRegistry, checker: ModelChecker | None = None) -> AsyncIterator[Trial]:
    """A trial by a checking process, which ends with the context. checker: one that is shared and stays open."""
    process = checker or ModelChecker()

    async def trial(manifest: ModelManifest) -> None:
        await tried(registry, process, manifest)

    try:
        yield trial
    finally:
        if checker is None:
            await asyncio.to_thread(process.close)
