"""The rules for adding definitions to those that are registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeGuard

from featurama_core.registry.roles import check_declared, in_roles
from featurama_core.registry.snapshot import Snapshot
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import Conflict, FailedPrecondition, FeaturamaError, InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, DEFAULT_GROUP, is_name
from featurama_core.types.references import FeatureRef, ResolvedFeature
from featurama_core.types.revisions import REVISED
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    in_order,
    kind_name,
    shown,
)
from featurama_core.types.times import MIN_TIME, SECOND, duration_text

LEAST_LOWERED_RETENTION = 3_600 * SECOND
"""Lowering a retention removes values: an hour or more cannot be a slip of units."""


class Draft(Snapshot):
    """A copy of a snapshot to which definitions are added, before anything is stored.

    stored: all versions of the features with a name among `names_in` the definitions. new: what is to be stored, in
    order. now: microseconds, the time of registration.
    """

    def __init__(self, before: Snapshot, stored: Iterable[FeatureDefinition], now: int) -> None:
        super().__init__(Definitions(before.incarnation, (), (), (), changed_features=None), before)
        self.hold((), stored)
        self.new: list[Definition] = []
        self._now = now

    def missing(self, names: Iterable[str]) -> list[str]:  # noqa: ARG002 - whatever they are
        """Nothing: a feature that is not held is not registered."""
        return []

    def define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        """Add definitions, in whatever order they are given. -> as they are stored. An error names the definition."""
        made: dict[int, Definition] = {}
        for at in sorted(range(len(definitions)), key=lambda at: in_order(definitions[at])):
            try:
                made[at] = self.define(definitions[at])
            except FeaturamaError as error:
                if len(definitions) == 1:
                    raise
                named = f"{shown(definitions[at])}: {error.message}"
                raise type(error)(named, reason=error.reason, **error.metadata) from error
        return [made[at] for at in range(len(definitions))]

    def define(self, definition: Definition) -> Definition:
        """Add a definition. -> as it is stored. The same one again changes nothing; another with its key is refused."""
        wanted = self.completed(definition)
        stored = self.registered(wanted)
        if stored is None:
            self._refuse_deleted(wanted)
            self._add(wanted)
            return wanted
        if stored != wanted:
            raise _conflict(wanted, stored)
        return stored

    def completed(self, definition: Definition) -> Definition:
        """The definition with its defaults and pinned versions, checked against what it names."""
        wanted = replace(definition, created_at=self._now, deprecated=False, deleted=False)
        wanted = replace(wanted, revision=1, start=MIN_TIME, earlier=())
        if isinstance(wanted, FeatureDefinition):
            wanted = self._with_group(wanted)
            self._bring_defaults(wanted)
            _check_feature(wanted, self)
        elif isinstance(wanted, FeatureGroup):
            wanted.check()
            if wanted.entity_type == DEFAULT_ENTITY_TYPE:
                self._bring_default_type()
            else:
                kind = self.entity_type(wanted.entity_type)
                if wanted.name not in self.groups:
                    _refuse_deprecated(kind, "entity_type")
        elif isinstance(wanted, FeatureService):
            wanted = _pinned(wanted, self)
        else:
            wanted.check()
            _check_keys(wanted, self)
        return wanted

    def registered(self, wanted: Definition) -> Definition | None:
        """The definition with the key of `wanted`."""
        if isinstance(wanted, FeatureDefinition):
            same = (each for each in self.features.get(wanted.name, ()) if each.version == wanted.version)
            return next(same, None)
        found: Definition | None = self.table(type(wanted)).get(wanted.name)
        return found

    def _refuse_deleted(self, wanted: Definition) -> None:
        """The name of a deleted definition is never given again; of a feature, its versions, entity type and group."""
        deleted = self.deleted.get((type(wanted), wanted.name))
        if not deleted:
            return
        problem = "was deleted; choose another name"
        if isinstance(wanted, FeatureDefinition):
            _check_same_in_all_versions(wanted, next(iter(deleted.values())))
            if wanted.version > max(deleted):
                return
            problem = f"was deleted up to version {max(deleted)}; register a higher version"
        raise Conflict(f"{kind_name(type(wanted))} {wanted.name!r} {problem}", field="name")

    def _add(self, definition: Definition) -> None:
        self.new.append(definition)
        self._lists.clear()
        if isinstance(definition, FeatureDefinition):
            self._put_features([definition])
        else:
            self._put(definition)
            self.__dict__.pop("id_rules", None)

    def _with_group(self, feature: FeatureDefinition) -> FeatureDefinition:
        """Fill an empty entity type or group: from the other, or with the default."""
        entity_type, group = feature.entity_type, feature.group
        if not group:
            group = DEFAULT_GROUP if entity_type in ("", DEFAULT_ENTITY_TYPE) else entity_type
        if not entity_type:
            entity_type = DEFAULT_ENTITY_TYPE if group == DEFAULT_GROUP else self.group(group).entity_type
        return replace(feature, entity_type=entity_type, group=group)

    def _bring_defaults(self, feature: FeatureDefinition) -> None:
        """Add the type `entity`, and the group with the name of a feature's entity type, on first use."""
        if DEFAULT_ENTITY_TYPE in (feature.entity_type, feature.references):
            self._bring_default_type()
        own_group = DEFAULT_GROUP if feature.entity_type == DEFAULT_ENTITY_TYPE else feature.entity_type
        if feature.group == own_group and own_group not in self.groups:
            self.entity_type(feature.entity_type)
            group = FeatureGroup(own_group, feature.entity_type, created_at=self._now)
            group.check()
            self._refuse_deleted(group)
            self._add(group)

    def _bring_default_type(self) -> None:
        if DEFAULT_ENTITY_TYPE not in self.entity_types:
            about = "Anything: its features take any id"
            self._add(EntityType(DEFAULT_ENTITY_TYPE, about, created_at=self._now))


def names_in(definitions: Iterable[Definition]) -> set[str]:
    """Names of the features that these definitions are or name. What cannot be read is refused by `Draft`."""
    names: set[str] = set()
    for each in definitions:
        with suppress(InvalidInput):
            names.update(name for kind, name, _ in named_by(each) if kind is FeatureDefinition)
        if isinstance(each, FeatureDefinition) and is_name(each.name):
            names.add(each.name)
        # A role, and a key, is not named like a feature.
        if isinstance(each, FeatureService):
            names.update(role.name for role in each.roles if is_name(role.name))
        if isinstance(each, EntityType):
            names.update(key.name for key in each.keys if is_name(key.name))
    return names


def named_by(definition: Definition) -> list[tuple[type[Definition], str, int]]:
    """(kind, name, version) of the definitions that one names; version 0 of kinds and references without versions."""
    if isinstance(definition, FeatureService):
        roles = [each.name for each in definition.roles]
        steps = [step for text in definition.features for step in FeatureRef.parse(text, roles).steps]
        of_roles = ((EntityType, each.entity_type, 0) for each in definition.roles)
        return [*((FeatureDefinition, step.name, step.version or 0) for step in steps), *of_roles]
    if isinstance(definition, FeatureDefinition):
        types = [definition.entity_type, *([definition.references] if definition.references else [])]
        return [(FeatureGroup, definition.group, 0), *((EntityType, each, 0) for each in types)]
    return [(EntityType, definition.entity_type, 0)] if isinstance(definition, FeatureGroup) else []


def _check_feature(feature: FeatureDefinition, snapshot: Snapshot) -> None:
    feature.check()
    kind = snapshot.entity_type(feature.entity_type)
    # Rows of any type may have features of `entity`, and a column is either a key or a feature.
    keyed = snapshot.id_rules.of.values() if kind.name == DEFAULT_ENTITY_TYPE else [kind.id_keys]
    for each in keyed:
        if each is not None and feature.name in each.names:
            raise _named_alike(feature.name, each.entity_type, "name")
    group = snapshot.group(feature.group)
    if group.entity_type != feature.entity_type:
        raise InvalidInput(
            f"group {group.name!r} is of entity type {group.entity_type!r}, the feature of {feature.entity_type!r}",
            reason=Reason.INVALID_DEFINITION,
            field="entity_type",
        )
    target = None if feature.references is None else snapshot.entity_type(feature.references)
    versions = snapshot.features.get(feature.name, [])
    is_new = all(each.version != feature.version for each in versions)
    if is_new:
        _refuse_deprecated(kind, "entity_type")
        _refuse_deprecated(group, "group")
        if target is not None:
            _refuse_deprecated(target, "references")
    if not versions:
        return
    newest = versions[-1]
    _check_same_in_all_versions(feature, newest)
    if is_new and feature.version < newest.version:
        raise Conflict(
            f"feature {feature.name!r} is at version {newest.version}; a new version must be higher",
            field="version",
        )


def _check_same_in_all_versions(feature: FeatureDefinition, other: Any) -> None:
    for name in ("entity_type", "group", "references"):
        if getattr(other, name) != getattr(feature, name):
            raise Conflict(
                f"{name} of {feature.name!r} is {getattr(other, name)!r} in all versions; register another feature",
                field=name,
            )


def _check_keys(kind: EntityType, snapshot: Snapshot) -> None:
    for each in kind.keys:
        feature = snapshot.newest(each.name)
        if feature is not None and feature.entity_type == DEFAULT_ENTITY_TYPE:
            raise _named_alike(feature.name, kind.name, "keys")


def _named_alike(feature: str, kind: str, field: str) -> InvalidInput:
    problem = f"feature {feature!r} is named like a key column of {kind!r}; choose another name"
    return InvalidInput(problem, reason=Reason.INVALID_DEFINITION, field=field)


def _refuse_deprecated(used: EntityType | FeatureGroup, field: str) -> None:
    """Registered definitions may keep using a deprecated one; new ones may not."""
    if used.deprecated:
        raise FailedPrecondition(
            f"{field} {used.name!r} is deprecated; use another one", reason=Reason.DEPRECATED, field=field
        )


def _pinned(service: FeatureService, snapshot: Snapshot) -> FeatureService:
    service.check()
    existing = snapshot.services.get(service.name)
    parsed = [FeatureRef.parse(each, [one.name for one in service.roles]) for each in service.features]
    found = [snapshot.resolve(each) for each in parsed]
    types = {each.entity_type for each in found} - {DEFAULT_ENTITY_TYPE}
    if not service.roles and len(types) > 1:
        raise InvalidInput(
            f"features describe {', '.join(sorted(types))}; one service reads one entity type, and paths from it, or"
            " declares roles",
            reason=Reason.INVALID_DEFINITION,
            field="features",
        )
    # What was registered since, such as a feature with the name of a role, changes nothing for a service that is there.
    if existing is not None and _same_but_for_versions(existing, service, in_roles(parsed, found, service.roles)):
        return replace(service, features=existing.features)
    if existing is None:
        check_declared(service.roles, snapshot)
    resolved = snapshot.resolve_all(service.features, roles=service.roles)
    for each in resolved:
        for definition in (step.definition for step in each.steps):
            if definition.deprecated:
                raise FailedPrecondition(
                    f"feature {definition.reference!r} is deprecated; use a newer version",
                    reason=Reason.DEPRECATED,
                    field=definition.name,
                )
    pinned = replace(service, features=tuple(each.reference for each in resolved))
    pinned.check()
    return pinned


def _same_but_for_versions(
    existing: FeatureService, service: FeatureService, resolved: Sequence[ResolvedFeature]
) -> bool:
    """Whether two services differ in versions only. A repeated registration without versions keeps the pinned ones."""
    if existing.roles != service.roles or len(existing.features) != len(service.features):
        return False
    for old, new, feature in zip(existing.features, service.features, resolved, strict=True):
        before, after = FeatureRef.parse_pinned(old), FeatureRef.parse(new, [each.name for each in service.roles])
        if before.column != feature.name:
            return False
        for pinned, given in zip(before.steps, after.steps, strict=True):
            if given.version not in (None, pinned.version):
                return False
    return True


def changes_to(stored: Definition, wanted: Definition) -> dict[str, Any] | None:
    """The fields that a revision of `stored` must change to make it `wanted`; None if it cannot."""
    changes = {name: getattr(wanted, name) for name in REVISED[type(stored)]}
    if type(stored) is not type(wanted) or replace(stored, **changes) != wanted:
        return None
    return {name: value for name, value in changes.items() if value != getattr(stored, name)}


def checked_changes(before: Definition, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the given fields, which may change, that differ. InvalidInput if a field cannot change in this way."""
    after = replace(before, **changes)
    after.check()
    if isinstance(before, FeatureGroup) and isinstance(after, FeatureGroup):
        if after.buckets < before.buckets:
            raise InvalidInput(
                f"buckets of {before.name!r} are {before.buckets}; give more, periods that hold values keep theirs",
                reason=Reason.INVALID_DEFINITION,
                field="buckets",
            )
        if (before.history, after.history) == ("packed", "rows"):
            raise InvalidInput(
                f"history of {before.name!r} is packed and stays so; register another group to store rows",
                reason=Reason.INVALID_DEFINITION,
                field="history",
            )
        retention: int | None = after.retention
        if is_lower(retention, before) and retention < LEAST_LOWERED_RETENTION:
            raise InvalidInput(
                f"retention {duration_text(retention)} is too short to lower to; give at least"
                f" {duration_text(LEAST_LOWERED_RETENTION)}",
                reason=Reason.INVALID_DEFINITION,
                field="retention",
            )
    return {name: getattr(after, name) for name in changes if getattr(after, name) != getattr(before, name)}


def is_lower(retention: int | None, group: FeatureGroup) -> TypeGuard[int]:
    """Whether a retention is lower than that of the group."""
    return retention is not None and (group.retention is None or retention < group.retention)


def someone_else_changed(definition: Definition, expected: int | None) -> Conflict:
    """The error for a change of a revision that is not the newest one any more."""
    return Conflict(
        f"someone else changed {kind_name(type(definition))} {shown(definition)!r} since revision {expected};"
        " look at it and change it again",
        reason=Reason.REVISION_CONFLICT,
        field="expected_revision",
    )


def _conflict(wanted: Definition, stored: Definition) -> Conflict:
    changes = changes_to(stored, wanted)
    fields = list(changes or ()) or [
        each for each in ("entity_type", "value_type", "vector_length", "group", "references", "features",
                          "roles", "keys")
        if hasattr(wanted, each) and getattr(wanted, each) != getattr(stored, each)
    ]  # fmt: skip
    fix = "register a new version" if isinstance(wanted, FeatureDefinition) else "choose another name"
    if changes:
        fix = f"change it with update_{kind_name(type(wanted)).replace(' ', '_')}"
    return Conflict(
        f"{shown(wanted)!r} is registered with another {', '.join(fields)}; {fix}",
        field=fields[0],
    )
