"""The current definitions of one namespace: cached with bounded staleness, and read again on a miss.

The storage numbers every change of a definition: a refresh reads the changes after the number that is known, and an
unchanged snapshot stays the same object, with all that is cached in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from featurama_core.registry.keyed_types import refuse_ids_in_use
from featurama_core.registry.rules import Draft
from featurama_core.registry.snapshot import Snapshot
from featurama_core.registry.uses import uses_in
from featurama_core.storage.port import AuditRecord, NamespaceStorage
from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, DEFAULT_GROUP
from featurama_core.types.references import FeatureRef
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    Use,
    kind_name,
    shown,
)

T = TypeVar("T")
P = ParamSpec("P")

_TURNS = 5
_SHOWN_USES = 5
_DEFAULTS = ((EntityType, DEFAULT_ENTITY_TYPE), (FeatureGroup, DEFAULT_GROUP))
_ON_THE_LOOP = 100
"""Definitions that are judged or indexed on the event loop; more would delay other calls and are left to a thread."""


class Registry:
    """The current snapshot of one namespace, and the way to add to it."""

    def __init__(self, storage: NamespaceStorage, *, staleness: float, now: Callable[[], int]) -> None:
        self._storage = storage
        self._staleness = staleness
        self._now = now
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0
        self._reading: asyncio.Task[tuple[Snapshot, float]] | None = None

    async def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """The definitions, at most `staleness` seconds old. fresh: whether they are read after this call began."""
        current = self._snapshot
        if not fresh and current is not None and time.monotonic() - self._read_at <= self._staleness:
            return current
        called_at = time.monotonic()
        while True:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            # Shielded: the deadline of one caller must not fail others that wait for the same read.
            snapshot, read_at = await asyncio.shield(self._reading)
            if not fresh or read_at >= called_at:
                return snapshot

    async def _read(self) -> tuple[Snapshot, float]:
        read_at = time.monotonic()
        before = self._snapshot
        found = await self._storage.load_definitions(0 if before is None else before.revision)
        changes = sum(map(len, (found.entity_types, found.groups, found.features, found.services)))
        if before is None or changes or found.revision != before.revision:
            before = await _apart(changes, Snapshot, found, before)
        self._snapshot, self._read_at = before, read_at
        return before, read_at

    async def resolving(self, look_up: Callable[[Snapshot], T]) -> T:
        """`look_up` on the cached snapshot, and again on a fresh one if it raises Unknown."""
        snapshot = await self.snapshot()
        try:
            return look_up(snapshot)
        except Unknown:
            return look_up(await self.snapshot(fresh=True))

    async def define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        """Register definitions, in one batch. -> as they are stored, in order.

        They may name each other, in whatever order they are given. If one is refused, nothing is stored. The same ones
        again change nothing.
        """
        for _ in range(_TURNS):
            draft = Draft(await self.snapshot(fresh=True), self._now())
            made = await _apart(len(definitions), draft.define_all, definitions)
            await refuse_ids_in_use(self._storage, draft)
            stored = await self._storage.put_definitions(draft.new) if draft.new else []
            if stored != draft.new:
                continue  # another process registers the same names: its definitions are judged now
            for changed in draft.changed:
                await self._storage.update_definition(changed)
            if draft.new or draft.changed:
                await self._refuse_deleted_meanwhile(await self.snapshot(fresh=True), stored)
            there = {id(new): each for new, each in zip(draft.new, stored, strict=True)}
            return [there.get(id(each), each) for each in made]
        raise Conflict("the same names are being registered by others; send the request again", field="name")

    async def set_deprecated(self, definition: Definition, *, deprecated: bool) -> Definition:
        """Mark a definition as deprecated, so that new definitions cannot use it, or restore it."""
        changed = replace(definition, deprecated=deprecated)
        await self._storage.update_definition(changed)
        return await self._noted(changed, "deprecate" if deprecated else "restore")

    async def delete(self, definition: Definition) -> Definition:
        """Delete a definition that nothing uses. Its row stays, marked. FailedPrecondition names what uses it."""
        if (type(definition), definition.name) in _DEFAULTS:
            raise InvalidInput(
                f"{definition.name!r} is the default of new features; it cannot be deleted", field="name"
            )
        _refuse_used(definition, await self.uses(definition))
        deleted = replace(definition, deleted=True)
        await self._storage.update_definition(deleted)
        # A definition that was stored meanwhile is seen now, or its registration sees the mark.
        if uses := await self.uses(definition):
            await self._storage.update_definition(definition)
            _refuse_used(definition, uses)
        return await self._noted(deleted, "delete")

    async def uses(self, definition: Definition) -> list[Use]:
        """What uses a definition, first of all."""
        models = await self._storage.list_models()
        found = list(uses_in(await self.snapshot(fresh=True), definition, models))
        if isinstance(definition, EntityType) and (await self._storage.list_entities(definition.name, None, 1))[0]:
            found.append(Use("entities", definition.name))
        return found

    async def _noted(self, definition: Definition, action: str) -> Definition:
        subject = f"{kind_name(type(definition))} {shown(definition)}"
        await self._storage.append_audit(AuditRecord(self._now(), f"{action}_definition", subject))
        await self.snapshot(fresh=True)
        return definition

    async def _refuse_deleted_meanwhile(self, snapshot: Snapshot, stored: Sequence[Definition]) -> None:
        """Delete new definitions that name a deleted one: its deletion could not see them."""
        gone: list[tuple[type[Definition], str, int]] = []
        for each in stored:
            if any(key in gone or snapshot.is_deleted(*key) for key in _named_by(each)):
                await self._storage.update_definition(replace(each, deleted=True))
                gone.append((type(each), each.name, each.version if isinstance(each, FeatureDefinition) else 0))
        if gone:
            raise Conflict(f"what {gone[0][1]!r} names was deleted meanwhile; it is not registered", field="name")


def _named_by(definition: Definition) -> list[tuple[type[Definition], str, int]]:
    """(kind, name, version) of the definitions that one names; version 0 of kinds without versions."""
    if isinstance(definition, FeatureService):
        steps = [step for text in definition.features for step in FeatureRef.parse_pinned(text).steps]
        of_roles = ((EntityType, role.entity_type, 0) for role in definition.roles)
        return [*((FeatureDefinition, step.name, step.version or 0) for step in steps), *of_roles]
    if isinstance(definition, FeatureDefinition):
        types = [definition.entity_type, *([definition.references] if definition.references else [])]
        return [(FeatureGroup, definition.group, 0), *((EntityType, each, 0) for each in types)]
    return [(EntityType, definition.entity_type, 0)] if isinstance(definition, FeatureGroup) else []


def _refuse_used(definition: Definition, uses: Sequence[Use]) -> None:
    if uses:
        first = ", ".join(f"{each.kind} {each.name}" for each in uses[:_SHOWN_USES])
        more = f" and {len(uses) - _SHOWN_USES} more" if len(uses) > _SHOWN_USES else ""
        raise FailedPrecondition(
            f"{kind_name(type(definition))} {shown(definition)!r} is used by {first}{more}; delete these first, or"
            " deprecate it",
            reason=Reason.DEFINITION_USED,
            field="name",
        )


async def _apart(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return work(*args, **kwargs) if size <= _ON_THE_LOOP else await asyncio.to_thread(work, *args, **kwargs)
