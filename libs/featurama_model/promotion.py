"""Promotion: the only way to point an alias at another version. The version is checked first, the move is recorded, and
no concurrent move is lost.

A check reads the artefact; the checking process verifies its size, hash and structure, loads it and predicts. A server
checks a version by loading it into its model cache; other programs open a checking process (`trying`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import check_name
from featurama_model.alias_history import AliasMove
from featurama_model.manifest import ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.registry import CHAMPION, ModelRegistry, Trial
from featurama_model.structure import Structure


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
) -> AliasMove:
    """Point `alias` at a version that can be used. by: the user, for the audit log.

    expected: the version that the alias must name before, 0 for none; None for any. The move is durable and recorded
    when the call returns, and safe to repeat. The alias has not moved if it raises Unknown (UNKNOWN_MODEL),
    FailedPrecondition (MODEL_UNUSABLE) or Conflict (ALIAS_MOVED).
    """
    check_name(name, "name")
    check_name(alias, "alias")
    if version < 1:
        raise InvalidInput("version must be a whole number from 1", field="version")
    if expected is not None and expected < 0:
        raise InvalidInput("expected_version must be a whole number from 0, or absent", field="expected_version")
    await trial(await registry.get(name, version=version))
    return await registry.set_alias(name, alias, version, by=by, note=note, expected=expected)


async def tried(registry: ModelRegistry, checker: ModelChecker, manifest: ModelManifest) -> tuple[bytes, Structure]:
    """Read the artefact of a version and check it. -> its bytes and their structure.

    Raises FailedPrecondition (MODEL_UNUSABLE), StoreUnavailable.
    """
    artefact = await registry.artefact(manifest)
    return artefact, await asyncio.to_thread(checker.check, manifest, artefact)


@asynccontextmanager
async def trying(registry: ModelRegistry, checker: ModelChecker | None = None) -> AsyncIterator[Trial]:
    """A trial by a checking process, which ends with the context. checker: a shared one, which stays open."""
    process = checker or ModelChecker()

    async def trial(manifest: ModelManifest) -> None:
        await tried(registry, process, manifest)

    try:
        yield trial
    finally:
        if checker is None:
            await asyncio.to_thread(process.close)
