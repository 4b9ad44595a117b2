"""The current definitions of one namespace: cached with bounded staleness, and read again on a miss.

The storage numbers every change of a definition: a refresh reads the changes after the number that is known, and an
unchanged snapshot stays the same object, with all that is cached in it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from featurama_core.registry.rules import Draft, someone_else_changed
from featurama_core.registry.snapshot import Snapshot
from featurama_core.registry.uses import uses_in
from featurama_core.storage.port import AuditRecord, NamespaceStorage
from featurama_core.types.errors import (
    Conflict,
    FailedPrecondition,
    InvalidInput,
    OutcomeUnknown,
    Reason,
    StoreUnavailable,
    Unknown,
)
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, DEFAULT_GROUP
from featurama_core.types.references import FeatureRef
from featurama_core.types.revisions import revised, revisions
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
from featurama_core.types.times import SECOND

T = TypeVar("T")
D = TypeVar("D", bound=Definition)
P = ParamSpec("P")

_TURNS = 5
_SHOWN_USES = 5
_DEFAULTS = ((EntityType, DEFAULT_ENTITY_TYPE), (FeatureGroup, DEFAULT_GROUP))
_ON_THE_LOOP = 100
"""Definitions that are judged or indexed on the event loop; more would delay other calls and are left to a thread."""


class Registry:
    """The current snapshot of one namespace, and the way to add to it."""

    def __init__(
        self, storage: NamespaceStorage, *, staleness: float, now: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self._storage = storage
        self._monotonic = monotonic
        self._staleness = staleness
        self._now = now
        self._snapshot: Snapshot | None = None
        self._read_at = self._tried_at = 0.0
        self._failed = False
        self._reading: asyncio.Task[tuple[Snapshot, float]] | None = None

    async def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """The definitions, at most `staleness` seconds old. fresh: whether they are read after this call began.

        While they cannot be read, the last known ones are returned instead, unless fresh ones are wanted.
        """
        current = self._snapshot
        if not fresh and current is not None and self._monotonic() - self._tried_at <= self._staleness:
            return current
        called_at = self._monotonic()
        while True:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            # Shielded: the deadline of one caller must not fail others that wait for the same read.
            try:
                snapshot, read_at = await asyncio.shield(self._reading)
            except StoreUnavailable:
                if fresh or current is None:
                    raise
                return current
            if not fresh or read_at >= called_at:
                return snapshot

    async def _read(self) -> tuple[Snapshot, float]:
        read_at = self._tried_at = self._monotonic()
        before = self._snapshot
        try:
            found = await self._storage.load_definitions(0 if before is None else before.revision)
        except StoreUnavailable:
            self._failed = True
            raise
        changes = sum(map(len, (found.entity_types, found.groups, found.features, found.services)))
        if before is None or changes or found.revision != before.revision:
            before = await _apart(changes, Snapshot, found, before)
        self._snapshot, self._read_at, self._failed = before, read_at, False
        return before, read_at

    def is_behind(self, lead: int) -> bool:
        """Whether the definitions could not be read for more than `lead` microseconds: revisions may have started that
        are not known here.
        """
        return self._failed and self._snapshot is not None and self._monotonic() - self._read_at > lead / SECOND

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
            stored = await self._storage.put_definitions(draft.new) if draft.new else []
            if stored != draft.new:
                continue  # another process registers the same names: its definitions are judged now
            if draft.new:
                await self._refuse_deleted_meanwhile(await self.snapshot(fresh=True), stored)
            there = {id(new): each for new, each in zip(draft.new, stored, strict=True)}
            return [there.get(id(each), each) for each in made]
        raise Conflict("the same names are being registered by others; send the request again", field="name")

    async def set_deprecated(self, definition: Definition, *, deprecated: bool) -> Definition:
        """Mark a definition as deprecated, so that new definitions cannot use it, or restore it."""
        changed = replace(definition, deprecated=deprecated)
        await self._storage.update_definition(changed)
        return await self._noted(changed, "deprecate" if deprecated else "restore")

    async def revise(self, before: D, changes: Mapping[str, Any], *, lead: int) -> D:
        """Append a revision to a definition as it was read. It starts `lead` microseconds from now.

        Conflict (REVISION_CONFLICT) if someone else has changed it since.
        """
        after = before
        for _ in range(_TURNS):
            after = revised(after, changes, max(self._now() + lead, after.start + 1))
            await self._put_revision(after)
            # A start that has passed may have been unknown to others: a further revision starts after them all know it.
            if self._now() < after.start:
                break
        changed = {name: [getattr(each, name) for each in (before, after)] for name in changes}
        detail = {"revision": after.revision, "start_us": after.start, "changes": changed}
        return await self._noted(after, "update", json.dumps(detail, ensure_ascii=False))

    async def _put_revision(self, wanted: Definition) -> None:
        """Store the newest revision of `wanted`. An unknown outcome is settled by reading what is stored."""
        try:
            stored = await self._storage.put_revision(wanted)
        except OutcomeUnknown:
            there = revisions(await self._storage.read_definition(wanted))
            stored = wanted.revision <= len(there) and _is_same(there[wanted.revision - 1], wanted)
            if wanted.revision > len(there):
                raise StoreUnavailable("the change was not stored; send it again") from None
        if not stored:
            raise someone_else_changed(wanted, wanted.revision - 1)

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

    async def _noted(self, definition: D, action: str, detail: str = "{}") -> D:
        noted: Definition = definition
        subject = f"{kind_name(type(noted))} {shown(noted)}"
        await self._storage.append_audit(AuditRecord(self._now(), f"{action}_definition", subject, detail))
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
        steps = [step for text in definition.features for step in FeatureRef.parse(text).steps]
        return [(FeatureDefinition, step.name, step.version or 0) for step in steps]
    if isinstance(definition, FeatureDefinition):
        types = [definition.entity_type, *([definition.references] if definition.references else [])]
        return [(FeatureGroup, definition.group, 0), *((EntityType, each, 0) for each in types)]
    return [(EntityType, definition.entity_type, 0)] if isinstance(definition, FeatureGroup) else []


def _is_same(stored: Definition, wanted: Definition) -> bool:
    return (stored, stored.start) == (wanted, wanted.start)


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
