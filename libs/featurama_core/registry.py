"""Definitions of one namespace as an immutable snapshot: cached with bounded staleness, and read again on a miss.

References are resolved against a snapshot. Resolved lists are cached with it, so a repeated request costs one lookup.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from featurama_core.storage.port import Definitions, NamespaceStorage
from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, DEFAULT_GROUP
from featurama_core.types.references import FeatureRef, ResolvedFeature
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)

T = TypeVar("T")

MAX_FEATURES_PER_READ = 1_000
_REMEMBERED_LISTS = 1_024


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All definitions at one moment."""

    catalogue: Definitions
    read_at: float
    entity_types: dict[str, EntityType] = field(init=False)
    groups: dict[str, FeatureGroup] = field(init=False)
    services: dict[str, FeatureService] = field(init=False)
    features: dict[str, list[FeatureDefinition]] = field(init=False)
    newest_of_group: dict[str, list[FeatureDefinition]] = field(init=False)
    _lists: dict[tuple[tuple[str, ...], int | None], tuple[ResolvedFeature, ...]] = field(
        init=False, default_factory=dict
    )
    _compiled: dict[tuple[Any, ...], Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        catalogue = self.catalogue
        features: dict[str, list[FeatureDefinition]] = {}
        for definition in sorted(catalogue.features, key=lambda each: each.key):
            features.setdefault(definition.name, []).append(definition)
        newest: dict[str, list[FeatureDefinition]] = {}
        for versions in features.values():
            newest.setdefault(versions[-1].group, []).append(versions[-1])
        set_field = object.__setattr__
        set_field(self, "entity_types", {each.name: each for each in catalogue.entity_types})
        set_field(self, "groups", {each.name: each for each in catalogue.groups})
        set_field(self, "services", {each.name: each for each in catalogue.services})
        set_field(self, "features", features)
        set_field(self, "newest_of_group", newest)

    def feature(self, name: str, version: int | None = None, known_at: int | None = None) -> FeatureDefinition:
        """One version, or the newest one registered at or before `known_at` (microseconds; None for no bound)."""
        versions = self.features.get(name)
        if versions is None:
            raise Unknown(f"feature {name!r} is not registered; check its name or register it", field=name)
        if version is None:
            for definition in reversed(versions):
                if known_at is None or definition.created_at <= known_at:
                    return definition
        else:
            for definition in versions:
                if definition.version == version:
                    return definition
        have = ", ".join(str(each.version) for each in versions)
        wanted = f"version {version}" if version is not None else "no version registered by known_at"
        raise Unknown(
            f"feature {name!r} has {wanted if version is None else 'no ' + wanted}; it has {have}",
            reason=Reason.UNKNOWN_FEATURE_VERSION,
            field=name,
        )

    def resolve(self, reference: FeatureRef, known_at: int | None = None) -> ResolvedFeature:
        """Bind a reference or path to definitions."""
        via = None if reference.via is None else self.resolve(reference.via, known_at)
        definition = self.feature(reference.name, reference.version, known_at)
        if reference.group is not None and reference.group != definition.group:
            raise Unknown(
                f"feature {reference.name!r} belongs to group {definition.group!r}, not {reference.group!r}",
                field=reference.name,
            )
        if via is not None:
            target = via.definition.references
            if target is None:
                raise InvalidInput(
                    f"{via.name!r} refers to no entity type, so the path cannot follow it; "
                    "register it with references=<entity type>",
                    reason=Reason.INVALID_REFERENCE,
                    field=via.name,
                )
            if definition.entity_type not in (target, DEFAULT_ENTITY_TYPE):
                raise InvalidInput(
                    f"{via.name!r} refers to a {target}, but {definition.name!r} describes a {definition.entity_type}",
                    reason=Reason.INVALID_REFERENCE,
                    field=definition.name,
                )
        return ResolvedFeature(definition, self.groups[definition.group], via)

    def resolve_all(self, references: Sequence[str], known_at: int | None = None) -> tuple[ResolvedFeature, ...]:
        """Bind a list of references or paths. The result is cached with the snapshot."""
        key = (tuple(references), known_at)
        if (found := self._lists.get(key)) is not None:
            return found
        if not references:
            raise InvalidInput(
                "features is empty; name at least one feature or a feature service",
                reason=Reason.EMPTY_REQUEST,
                field="features",
            )
        if len(references) > MAX_FEATURES_PER_READ:
            raise InvalidInput(
                f"features names {len(references)} features; at most {MAX_FEATURES_PER_READ} fit one call",
                reason=Reason.LIMIT_EXCEEDED,
                field="features",
            )
        resolved = tuple(self.resolve(FeatureRef.parse(text), known_at) for text in references)
        if len({each.reference for each in resolved}) != len(resolved):
            raise InvalidInput("features names a feature twice; name it once", field="features")
        if len(self._lists) >= _REMEMBERED_LISTS:
            self._lists.clear()
        self._lists[key] = resolved
        return resolved

    def compiled(
        self,
        references: tuple[str, ...],
        known_at: int | None,
        compile_features: Callable[[tuple[ResolvedFeature, ...]], T],
    ) -> T:
        """The result of a function on a resolved list, cached with the snapshot."""
        key = compile_features, references, known_at
        if key not in self._compiled:
            if len(self._compiled) >= _REMEMBERED_LISTS:
                self._compiled.clear()
            self._compiled[key] = compile_features(self.resolve_all(references, known_at))
        made: T = self._compiled[key]
        return made

    def service(self, name: str) -> FeatureService:
        """A feature service by name."""
        return _named(self.services, name, "feature service", Reason.UNKNOWN_FEATURE_SERVICE)

    def entity_type(self, name: str) -> EntityType:
        """An entity type by name."""
        return _named(self.entity_types, name, "entity type", Reason.UNKNOWN_ENTITY_TYPE)

    def group(self, name: str) -> FeatureGroup:
        """A feature group by name."""
        return _named(self.groups, name, "feature group", Reason.UNKNOWN_FEATURE_GROUP)


def _named(table: dict[str, T], name: str, kind: str, reason: Reason, fix: str = "register it first") -> T:
    if name not in table:
        raise Unknown(f"{kind} {name!r} is not registered; {fix}", reason=reason, field=kind.replace(" ", "_"))
    return table[name]


class Registry:
    """The current snapshot of one namespace, and the rules for adding to it."""

    def __init__(
        self,
        storage: NamespaceStorage,
        *,
        staleness: float,
        now: Callable[[], int],
    ) -> None:
        self._storage = storage
        self._staleness = staleness
        self._now = now
        self._snapshot: Snapshot | None = None
        self._reading: asyncio.Task[Snapshot] | None = None

    async def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """The definitions, at most `staleness` seconds old. fresh: whether they are read after this call began."""
        current = self._snapshot
        if not fresh and current is not None and time.monotonic() - current.read_at <= self._staleness:
            return current
        called_at = time.monotonic()
        while True:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            # Shielded: the deadline of one caller must not fail others that wait for the same read.
            snapshot = await asyncio.shield(self._reading)
            if not fresh or snapshot.read_at >= called_at:
                return snapshot

    async def _read(self) -> Snapshot:
        read_at = time.monotonic()
        self._snapshot = Snapshot(await self._storage.load_definitions(), read_at)
        return self._snapshot

    async def resolving(self, look_up: Callable[[Snapshot], T]) -> T:
        """`look_up` on the cached snapshot, and again on a fresh one if it raises Unknown."""
        snapshot = await self.snapshot()
        try:
            return look_up(snapshot)
        except Unknown:
            return look_up(await self.snapshot(fresh=True))

    async def define(self, definition: Definition) -> Definition:
        """Register a definition. The same one again changes nothing; another one with the same key is refused."""
        snapshot = await self.snapshot(fresh=True)
        definition = replace(definition, created_at=self._now(), deprecated=False)
        if isinstance(definition, FeatureDefinition):
            snapshot = await self._define_defaults(definition, snapshot)
            definition = _checked_feature(definition, snapshot)
        elif isinstance(definition, FeatureGroup):
            definition.check()
            if definition.entity_type == DEFAULT_ENTITY_TYPE:
                await self._storage.put_definition(_default_type(self._now()))
            else:
                kind = snapshot.entity_type(definition.entity_type)
                if definition.name not in snapshot.groups:
                    _refuse_deprecated(kind, "entity_type")
        elif isinstance(definition, FeatureService):
            definition = _pinned(definition, snapshot)
        else:
            definition.check()
        stored = await self._storage.put_definition(definition)
        if isinstance(definition, FeatureGroup) and stored != definition:
            assert isinstance(stored, FeatureGroup)  # the storage returns the kind that it is given
            stored = _changed_group(stored, definition)
            await self._storage.update_definition(stored)
        elif stored != definition:
            raise _conflict(definition, stored)
        await self.snapshot(fresh=True)
        return stored

    async def deprecate(self, definition: Definition) -> Definition:
        """Mark a definition as deprecated: new definitions cannot use it."""
        marked = replace(definition, deprecated=True)
        await self._storage.update_definition(marked)
        await self.snapshot(fresh=True)
        return marked

    async def _define_defaults(self, feature: FeatureDefinition, snapshot: Snapshot) -> Snapshot:
        """Create the type `entity`, and the group with the name of a feature's entity type, on first use."""
        missing: list[Definition] = []
        if feature.entity_type == DEFAULT_ENTITY_TYPE and DEFAULT_ENTITY_TYPE not in snapshot.entity_types:
            missing.append(_default_type(self._now()))
        own_group = DEFAULT_GROUP if feature.entity_type == DEFAULT_ENTITY_TYPE else feature.entity_type
        if feature.group == own_group and own_group not in snapshot.groups:
            if feature.entity_type != DEFAULT_ENTITY_TYPE:
                snapshot.entity_type(feature.entity_type)
            missing.append(FeatureGroup(own_group, feature.entity_type, created_at=self._now()))
        for definition in missing:
            definition.check()
            await self._storage.put_definition(definition)
        return await self.snapshot(fresh=True) if missing else snapshot


def _default_type(now: int) -> EntityType:
    return EntityType(DEFAULT_ENTITY_TYPE, "Anything: its features take any id", created_at=now)


def _checked_feature(feature: FeatureDefinition, snapshot: Snapshot) -> FeatureDefinition:
    feature.check()
    kind = snapshot.entity_type(feature.entity_type)
    group = snapshot.group(feature.group)
    if group.entity_type != feature.entity_type:
        raise InvalidInput(
            f"group {group.name!r} is of entity type {group.entity_type!r}, the feature of {feature.entity_type!r}",
            reason=Reason.INVALID_DEFINITION,
            field="entity_type",
        )
    target = None if feature.references is None else snapshot.entity_type(feature.references)
    versions = snapshot.features.get(feature.name, [])
    if all(each.version != feature.version for each in versions):
        _refuse_deprecated(kind, "entity_type")
        _refuse_deprecated(group, "group")
        if target is not None:
            _refuse_deprecated(target, "references")
    if not versions:
        return feature
    first, newest = versions[0], versions[-1]
    for name in ("entity_type", "group", "references"):
        if getattr(first, name) != getattr(feature, name):
            raise Conflict(
                f"{name} of {feature.name!r} is {getattr(first, name)!r} in all versions; register another feature",
                field=name,
            )
    if feature.version < newest.version and all(each.version != feature.version for each in versions):
        raise Conflict(
            f"feature {feature.name!r} is at version {newest.version}; a new version must be higher",
            field="version",
        )
    return feature


def _refuse_deprecated(used: EntityType | FeatureGroup, field: str) -> None:
    """Registered definitions may keep using a deprecated one; new ones may not."""
    if used.deprecated:
        raise FailedPrecondition(
            f"{field} {used.name!r} is deprecated; use another one", reason=Reason.DEPRECATED, field=field
        )


def _pinned(service: FeatureService, snapshot: Snapshot) -> FeatureService:
    service.check()
    existing = snapshot.services.get(service.name)
    resolved = snapshot.resolve_all(service.features)
    if existing is not None and _same_but_for_versions(existing, service):
        return replace(service, features=existing.features)
    for each in resolved:
        for definition in (each.definition, *([each.via.definition] if each.via else [])):
            if definition.deprecated:
                raise FailedPrecondition(
                    f"feature {definition.reference!r} is deprecated; use a newer version",
                    reason=Reason.DEPRECATED,
                    field=definition.name,
                )
    types = {each.entity_type for each in resolved} - {DEFAULT_ENTITY_TYPE}
    if len(types) > 1:
        raise InvalidInput(
            f"features describe {', '.join(sorted(types))}; one service reads one entity type, and paths from it",
            reason=Reason.INVALID_DEFINITION,
            field="features",
        )
    pinned = replace(service, features=tuple(each.reference for each in resolved))
    pinned.check()
    return pinned


def _same_but_for_versions(existing: FeatureService, service: FeatureService) -> bool:
    """Whether two services differ in versions only. A repeated registration without versions keeps the pinned ones."""
    if len(existing.features) != len(service.features):
        return False
    for old, new in zip(existing.features, service.features, strict=True):
        before, after = FeatureRef.parse(old), FeatureRef.parse(new)
        for pinned, given in ((before, after), (before.via, after.via)):
            if (pinned is None) != (given is None):
                return False
            if pinned is None or given is None:
                continue
            if pinned.name != given.name or given.version not in (None, pinned.version):
                return False
    return True


def _changed_group(stored: FeatureGroup, wanted: FeatureGroup) -> FeatureGroup:
    """The group with its permitted changes: the description, a lower retention, more buckets."""
    for name in ("entity_type", "ttl"):
        if getattr(stored, name) != getattr(wanted, name):
            raise _conflict(wanted, stored, name)
    if wanted.retention is None and stored.retention is not None:
        raise _conflict(wanted, stored, "retention")
    if wanted.retention is not None and stored.retention is not None and wanted.retention > stored.retention:
        raise _conflict(wanted, stored, "retention")
    if wanted.buckets < stored.buckets:
        raise _conflict(wanted, stored, "buckets")
    return replace(wanted, created_at=stored.created_at, deprecated=stored.deprecated)


def _conflict(wanted: Definition, stored: Definition, name: str | None = None) -> Conflict:
    fields = [name] if name else [
        each for each in ("value_type", "vector_length", "entity_type", "group", "references", "description", "tags",
                          "owner", "features", "retention", "buckets")
        if hasattr(wanted, each) and getattr(wanted, each) != getattr(stored, each)
    ]  # fmt: skip
    fix = "register a new version" if isinstance(wanted, FeatureDefinition) else "choose another name"
    what = wanted.reference if isinstance(wanted, FeatureDefinition) else wanted.name
    return Conflict(
        f"{what!r} is registered with another {', '.join(fields)}; {fix}",
        field=fields[0] if fields else "name",
    )
