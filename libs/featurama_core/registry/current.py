"""The current definitions of one namespace: cached with bounded staleness, and read again on a miss.

The storage numbers every change of a definition: a refresh reads what changed after the number that is known, and a
snapshot that holds nothing of it stays the same object, with all that is cached in it. Features are read when they are
first needed, all those of a request at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar, TypeVarTuple

from featurama_core.registry.keyed_types import refuse_ids_in_use
from featurama_core.registry.near import fixes
from featurama_core.registry.rules import Draft, named_by, names_in, someone_else_changed
from featurama_core.registry.snapshot import NotHeld, Snapshot
from featurama_core.registry.uses import uses_in
from featurama_core.storage.port import FeaturesOf, NamespaceStorage
from featurama_core.storage.records import AuditRecord, Definitions
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
Ts = TypeVarTuple("Ts")

_TURNS = 5
_TRIES = 50
_SHOWN_USES = 5
_DEFAULTS = ((EntityType, DEFAULT_ENTITY_TYPE), (FeatureGroup, DEFAULT_GROUP))
_MOST_HELD = 50_000
"""Names of features in a snapshot. One more, and the next snapshot begins with none."""
_COUNTED_USES = 1_000
"""Features that use a definition and are looked for."""
_WHOLE_GROUP = 1_000
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
        self._registering = asyncio.Lock()
        self._wanted: set[str] = set()
        self._reading: asyncio.Task[tuple[Snapshot, float]] | None = None
        self._whole: dict[str, tuple[int, list[FeatureDefinition]]] = {}

    async def snapshot(self, *, fresh: bool = False, names: Collection[str] = ()) -> Snapshot:
        """The definitions, at most `staleness` seconds old. fresh: whether they are read after this call began. names:
        of features that it holds.

        While they cannot be read, the last known ones are returned instead, unless fresh ones are wanted.
        """
        if not fresh and (known := self.current()) is not None and not known.missing(names):
            return known
        current = self._snapshot
        called_at = self._monotonic()
        while True:
            self._wanted.update(names)
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            # Shielded: the deadline of one caller must not fail others that wait for the same read.
            try:
                snapshot, read_at = await asyncio.shield(self._reading)
            except StoreUnavailable:
                if fresh or current is None or current.missing(names):
                    raise
                return current
            if (not fresh or read_at >= called_at) and not snapshot.missing(names):
                return snapshot

    async def _read(self) -> tuple[Snapshot, float]:
        """One read at a time: a feature is never older than the changes that were read before it."""
        read_at = self._tried_at = self._monotonic()
        try:
            self._snapshot = await self._read_again()
        except StoreUnavailable:
            self._failed = True
            raise
        self._read_at, self._failed = read_at, False
        return self._snapshot, read_at

    @property
    def _revision(self) -> int:
        return 0 if self._snapshot is None else self._snapshot.revision

    async def _read_again(self) -> Snapshot:
        """The definitions as they are now."""
        names, self._wanted = self._wanted, set()
        snapshot = self._snapshot
        found = await self._storage.load_definitions(self._revision)
        if snapshot is None or snapshot.is_outdated(found):
            size = _size(found) + (len(snapshot.features) // 100 if snapshot else 0)
            snapshot = await _apart(size, Snapshot, found, snapshot)
        snapshot.revision = found.revision
        missing = snapshot.missing(names)
        if missing and len(snapshot.features) + len(missing) > _MOST_HELD:
            nothing = Definitions(found.incarnation, (), (), (), revision=found.revision, changed_features=None)
            snapshot = Snapshot(nothing, snapshot)
            missing = snapshot.missing(names)
        if missing:
            features = await self._storage.read_features(missing)
            unknown = sorted(set(missing) - {each.name for each in features if not each.deleted})
            snapshot.hold(missing, features, await fixes(self._storage, unknown) if unknown else None)
        return snapshot

    def is_behind(self, lead: int) -> bool:
        """Whether the definitions could not be read for more than `lead` microseconds: revisions may have started that
        are not known here.
        """
        return self._failed and self._snapshot is not None and self._monotonic() - self._read_at > lead / SECOND

    def current(self) -> Snapshot | None:
        """The cached snapshot, if it is not older than `staleness` seconds."""
        return self._snapshot if self._monotonic() - self._tried_at <= self._staleness else None

    async def resolving(self, look_up: Callable[[Snapshot], T]) -> T:
        """`look_up` on the cached snapshot, again after adding features that it does not hold, and on a fresh one if it
        raises Unknown.
        """
        snapshot, fresh = self.current() or await self.snapshot(), False
        while True:
            names: Collection[str] = ()
            try:
                return look_up(snapshot)
            except NotHeld as missing:
                names = missing.names
            except Unknown:
                if fresh:
                    raise
            snapshot, fresh = await self.snapshot(fresh=True, names=names), True

    async def page_features(
        self, of: FeaturesOf | None, first: str, limit: int
    ) -> tuple[list[FeatureDefinition], str | None]:
        """All versions of the features whose names are not less than `first`, at most `limit` names; and the first name
        of the next page, None after the last.
        """
        while True:
            listed = await self._storage.list_feature_names(of, first, limit + 1)
            after = listed[limit] if len(listed) > limit else None
            found = await self._storage.read_features(listed[:limit])
            features = [each for each in found if not each.deleted and _belongs(each, of)]
            if features or after is None:
                return features, after
            first = after

    async def whole_group(self, group: str) -> list[FeatureDefinition]:
        """The newest version of every feature of a group; nothing if it has more than one write may hold."""
        if group not in self._whole or self._whole[group][0] != self._revision:
            revision = self._revision
            features, after = await self.page_features(("feature_group", group), "", _WHOLE_GROUP)
            whole = [] if after is not None else list({each.name: each for each in features}.values())
            self._whole[group] = revision, whole
        return self._whole[group][1]

    async def define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        """Register definitions, in one batch. -> as they are stored, in order.

        They may name each other, in whatever order they are given. If one is refused, nothing is stored. The same ones
        again change nothing.
        """
        for _ in range(_TRIES):
            # Registrations of one process would only make each other begin again.
            async with self._registering:
                draft = await self._draft(definitions)
                made = await _apart(len(definitions), draft.define_all, definitions)
                await refuse_ids_in_use(self._storage, draft)
                stored = await self._storage.put_definitions(draft.new, draft.revision) if draft.new else []
            if stored != draft.new:
                continue  # another process registers or changes definitions, with which these are compared now
            if draft.new:
                await self._refuse_ids_meanwhile(draft, stored)
                await self._refuse_deleted_meanwhile(stored)
            there = {id(new): each for new, each in zip(draft.new, stored, strict=True)}
            return [there.get(id(each), each) for each in made]
        raise Conflict("definitions are being changed by others all the time; send the request again", field="name")

    async def _draft(self, definitions: Sequence[Definition]) -> Draft:
        snapshot = await self.snapshot(fresh=True)
        # Before features are read: whatever changes from here on makes the draft outdated.
        revision = snapshot.revision
        stored = await self._storage.read_features(sorted(names_in(definitions)))
        draft = await _apart(len(stored), Draft, snapshot, stored, self._now())
        draft.revision = revision
        return draft

    async def set_deprecated(self, definition: Definition, *, deprecated: bool) -> Definition:
        """Mark a definition as deprecated, so that new definitions cannot use it, or restore it."""
        changed = replace(definition, deprecated=deprecated)
        await self._storage.put_flag(changed, "deprecated")
        return await self._noted(changed, "deprecate" if deprecated else "restore")

    async def revise(self, before: D, changes: Mapping[str, Any], *, lead: int) -> D:
        """Append a revision to a definition as it was read. It starts `lead` microseconds from now.

        Conflict (REVISION_CONFLICT) if someone else has changed it since.
        """
        after = before
        for _ in range(_TURNS):
            wanted = revised(after, changes, max(self._now() + lead, after.start + 1))
            try:
                await self._put_revision(wanted)
            except Conflict:
                if after is before:
                    raise
                break  # the change is stored, and someone else has revised it since
            after = wanted
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
        await self._storage.put_flag(deleted, "deleted")
        # A definition that was stored meanwhile is seen now, or its registration sees the mark.
        if uses := await self.uses(definition):
            await self._storage.put_flag(definition, "deleted")
            await self.snapshot(fresh=True)
            _refuse_used(definition, uses)
        return await self._noted(deleted, "delete")

    async def uses(self, definition: Definition) -> list[Use]:
        """What uses a definition; of features, the first 1,000."""
        models = await self._storage.list_models()
        features = await self._features_naming(definition)
        found = list(uses_in(await self.snapshot(fresh=True), features, definition, models))
        if isinstance(definition, EntityType) and (await self._storage.list_entities(definition.name, None, 1))[0]:
            found.append(Use("entities", definition.name))
        return found

    async def _features_naming(self, definition: Definition) -> list[FeatureDefinition]:
        if isinstance(definition, EntityType):
            return (await self.page_features(("references_type", definition.name), "", _COUNTED_USES))[0]
        if isinstance(definition, FeatureGroup):
            return (await self.page_features(("feature_group", definition.name), "", _COUNTED_USES))[0]
        return []

    async def _noted(self, definition: D, action: str, detail: str = "{}") -> D:
        noted: Definition = definition
        subject = f"{kind_name(type(noted))} {shown(noted)}"
        await self._storage.append_audit(AuditRecord(self._now(), f"{action}_definition", subject, detail))
        await self.snapshot(fresh=True)
        return definition

    async def _refuse_ids_meanwhile(self, draft: Draft, stored: Sequence[Definition]) -> None:
        """Delete new types with keys, and what names them, if an entity of another type was registered with an id of
        theirs: its registration could not see the type.
        """
        try:
            await refuse_ids_in_use(self._storage, draft)
        except Conflict:
            for each in stored:
                if isinstance(each, EntityType) and each.keys:
                    await self._storage.put_flag(replace(each, deleted=True), "deleted")
            with suppress(Conflict):
                await self._refuse_deleted_meanwhile(stored)
            raise

    async def _refuse_deleted_meanwhile(self, stored: Sequence[Definition]) -> None:
        """Delete new definitions that name a deleted one: its deletion could not see them."""
        snapshot = await self._draft([each for each in stored if isinstance(each, FeatureService)])
        gone: list[tuple[type[Definition], str, int]] = []
        for each in stored:
            if any(key in gone or snapshot.is_deleted(*key) for key in named_by(each)):
                await self._storage.put_flag(replace(each, deleted=True), "deleted")
                gone.append((type(each), each.name, each.version if isinstance(each, FeatureDefinition) else 0))
        if gone:
            await self.snapshot(fresh=True)
            raise Conflict(f"what {gone[0][1]!r} names was deleted meanwhile; it is not registered", field="name")


def _belongs(feature: FeatureDefinition, of: FeaturesOf | None) -> bool:
    held = {"entity_type": feature.entity_type, "feature_group": feature.group, "references_type": feature.references}
    return of is None or held[of[0]] == of[1]


def _size(found: Definitions) -> int:
    return sum(map(len, (found.entity_types, found.groups, found.services)))


def _is_same(stored: Definition, wanted: Definition) -> bool:
    return (stored, stored.start) == (wanted, wanted.start)


def _refuse_used(definition: Definition, uses: Sequence[Use]) -> None:
    if uses:
        first = ", ".join(f"{each.kind} {each.name}" for each in uses[:_SHOWN_USES])
        others = len(uses) - _SHOWN_USES
        more = f" and {others if len(uses) < _COUNTED_USES else 'many'} more" if others > 0 else ""
        raise FailedPrecondition(
            f"{kind_name(type(definition))} {shown(definition)!r} is used by {first}{more}; delete these first, or"
            " deprecate it",
            reason=Reason.DEFINITION_USED,
            field="name",
        )


async def _apart(size: int, work: Callable[[*Ts], T], *args: *Ts) -> T:
    return work(*args) if size <= _ON_THE_LOOP else await asyncio.to_thread(work, *args)
