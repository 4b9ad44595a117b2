"""Definitions of one namespace at one moment. References are resolved against a snapshot.

A snapshot holds all entity types, groups and services, and the features that were needed so far. A feature that it does
not hold raises `NotHeld`, and the registry adds it: what was found before stays as it was. Resolved lists are cached
with the snapshot, so a repeated request costs one lookup.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from featurama_core.registry.roles import check_declared, in_roles
from featurama_core.storage.records import Definitions
from featurama_core.types.alike import did_you_mean
from featurama_core.types.entity_keys import EntityKeys, IdRules
from featurama_core.types.errors import InvalidInput, Reason, Unknown
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, is_name
from featurama_core.types.references import MAX_FEATURES_PER_READ, FeatureRef, ResolvedFeature, own_feature
from featurama_core.types.roles import Role
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import to_rfc3339

T = TypeVar("T")

UNKNOWN_NAME = "check its name or register it"
"""The fix for an unknown feature that is like no other."""
_REMEMBERED_LISTS = 1_024
_GUESSED_NAMES = 32


class NotHeld(LookupError):
    """Features that a snapshot does not hold: whether they are registered is not known."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(names)
        self.names = names


class Snapshot:
    """Definitions at one moment. features: the versions of each name that is held, ascending; none if no feature of
    this name is registered. fixes: what to do about unknown names. revision: of the newest change that is known not to
    change what is held, or is in it.
    """

    def __init__(self, found: Definitions, before: Snapshot | None = None) -> None:
        """found: all definitions or, with `before`, those that changed since. The lists of `before` are shared, without
        the features that changed.
        """
        self.incarnation = found.incarnation
        self.revision = found.revision
        self.entity_types: dict[str, EntityType] = dict(before.entity_types) if before else {}
        self.groups: dict[str, FeatureGroup] = dict(before.groups) if before else {}
        self.services: dict[str, FeatureService] = dict(before.services) if before else {}
        self.features: dict[str, list[FeatureDefinition]] = {}
        if before is not None and found.changed_features is not None:
            self.features = {name: each for name, each in before.features.items() if name not in found.changed_features}
        self.deleted: dict[tuple[type[Definition], str], dict[int, Definition]] = {
            (kind, name): each
            for (kind, name), each in (before.deleted if before else {}).items()
            if kind is not FeatureDefinition or name in self.features
        }
        self.fixes: dict[str, str] = dict(before.fixes) if before and self.features else {}
        self._lists: dict[tuple[tuple[str, ...], tuple[Role, ...], int | None], tuple[ResolvedFeature, ...]] = {}
        self._compiled: dict[tuple[Any, ...], Any] = {}
        self._guessed = 0
        for kind in (found.entity_types, found.groups, found.services):
            for each in kind:
                self._put(each)

    def is_outdated(self, found: Definitions) -> bool:
        """Whether `found` changes anything that is held."""
        changed = found.changed_features
        return bool(
            found.entity_types
            or found.groups
            or found.services
            or (self.features if changed is None else not changed.isdisjoint(self.features))
        )

    def missing(self, names: Iterable[str]) -> list[str]:
        """The names that are not held and that a feature may have."""
        return [name for name in names if name not in self.features and is_name(name)]

    def require(self, names: Iterable[str]) -> None:
        """Raise NotHeld unless all features are held."""
        if missing := self.missing(names):
            raise NotHeld(missing)

    def hold(
        self,
        names: Iterable[str],
        found: Iterable[FeatureDefinition],
        fixes: Mapping[str, str] | None = None,
    ) -> None:
        """Add features that were not held. found: all their versions. fixes: what to do about unknown names."""
        for name in names:
            self.features[name] = []
        # A group that is not there yet comes with the next changes, and its features with it.
        self._put_features(each for each in found if each.deleted or self._of_kind(FeatureGroup, each.group))
        self.fixes.update(fixes or {})

    def is_deleted(self, kind: type[Definition], name: str, version: int = 0) -> bool:
        """version: of a feature."""
        return version in self.deleted.get((kind, name), ())

    def all_groups(self) -> dict[str, FeatureGroup]:
        """Groups by name, deleted ones too: these may have left values."""
        deleted = (each for versions in self.deleted.values() for each in versions.values())
        return self.groups | {each.name: each for each in deleted if isinstance(each, FeatureGroup)}

    @cached_property
    def id_rules(self) -> IdRules:
        """To which entity types ids belong."""
        return IdRules({each.name: each.id_keys for each in self.entity_types.values() if each.id_keys is not None})

    def types_of(self, references: Sequence[str]) -> list[EntityType]:
        """The entity types that features describe, without `entity`. Names that are no features are left out."""
        kinds = {
            self.features[name][-1].entity_type for name in map(own_feature, references) if self.features.get(name)
        }
        found = (self._of_kind(EntityType, each) for each in sorted(kinds - {DEFAULT_ENTITY_TYPE}))
        return [each for each in found if each is not None]

    def group_of(self, feature: FeatureDefinition) -> FeatureGroup:
        """The group of a feature that is held."""
        group: FeatureGroup | None = self._of_kind(FeatureGroup, feature.group)
        return self.group(feature.group) if group is None else group

    def _of_kind(self, kind: type[Definition], name: str) -> Any:
        """A group or type that a feature names, None if it is not known. A deletion that meets a new feature has marked
        it as deleted and withdraws the mark: reads and writes of the feature go on meanwhile.
        """
        return self.table(kind).get(name) or self.deleted.get((kind, name), {}).get(0)

    def table(self, kind: type[Definition]) -> dict[str, Any]:
        """Name -> definition, of a kind without versions."""
        tables: dict[type[Definition], dict[str, Any]] = {
            EntityType: self.entity_types, FeatureGroup: self.groups, FeatureService: self.services
        }  # fmt: skip
        return tables[kind]

    def _put(self, definition: Definition) -> None:
        table = self.table(type(definition))
        table.pop(definition.name, None)
        if not definition.deleted:
            table[definition.name] = definition
        self._note_deletion(definition, 0)

    def _note_deletion(self, definition: Definition, version: int) -> None:
        """Keep a deleted definition, or forget one whose mark was withdrawn."""
        key = type(definition), definition.name
        if definition.deleted:
            self.deleted[key] = {**self.deleted.get(key, {}), version: definition}
        elif version in self.deleted.get(key, {}):
            self.deleted[key] = {each: kept for each, kept in self.deleted[key].items() if each != version}

    def _put_features(self, features: Iterable[FeatureDefinition]) -> None:
        for definition in features:
            versions = [each for each in self.features.get(definition.name, ()) if each.version != definition.version]
            if not definition.deleted:
                versions.insert(bisect_left(versions, definition.version, key=lambda each: each.version), definition)
            self.features[definition.name] = versions
            self._note_deletion(definition, definition.version)

    def feature(self, name: str, version: int | None = None, known_at: int | None = None) -> FeatureDefinition:
        """One version, or the newest one registered at or before `known_at` (microseconds; None for no bound).

        The first version counts as registered since for ever.
        """
        versions = self.features.get(name)
        if versions is None:
            self.require((name,))
        if not versions:
            fix = self.fixes.get(name, UNKNOWN_NAME)
            raise Unknown(f"feature {name!r} is not registered; {fix}", field=name)
        if version is None:
            for definition in reversed(versions):
                if known_at is None or definition.created_at <= known_at:
                    return definition
            if all(versions[0].version < each for each in self.deleted.get((FeatureDefinition, name), ())):
                return versions[0]
        else:
            for definition in versions:
                if definition.version == version:
                    return definition
        if version is None:
            first = versions[0]
            problem = (
                f"had a version that is deleted at known_at, the next is of {to_rfc3339(first.created_at)};"
                f" name {first.reference!r}"
            )
        else:
            problem = f"has no version {version}; it has {', '.join(str(each.version) for each in versions[-20:])}"
        raise Unknown(f"feature {name!r} {problem}", reason=Reason.UNKNOWN_FEATURE_VERSION, field=name)

    def newest(self, name: str) -> FeatureDefinition | None:
        """The newest version of a feature, None if it is not registered."""
        self.require((name,))
        versions = self.features.get(name)
        return versions[-1] if versions else None

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
        return ResolvedFeature(definition, self.group_of(definition), via)

    def resolve_all(
        self, references: Sequence[str], known_at: int | None = None, roles: tuple[Role, ...] = ()
    ) -> tuple[ResolvedFeature, ...]:
        """Bind a list of references or paths. The result is cached with the snapshot.

        roles: declared by the request or its service; () for references to one entity.
        """
        key = (tuple(references), roles, known_at)
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
        parsed = [FeatureRef.parse(text, [each.name for each in roles]) for text in references]
        self.require({step.name for each in parsed for step in each.steps})
        if roles and not all(each.is_pinned for each in parsed):
            # Pinned references are read in one way, whatever is registered later.
            self.require({each.name for each in roles})
            check_declared(roles, self)
        resolved = in_roles(parsed, [self.resolve(each, known_at) for each in parsed], roles)
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
        ttl_revisions: tuple[tuple[str, int], ...] = (),
        roles: tuple[Role, ...] = (),
    ) -> T:
        """The result of a function on a resolved list with these ttls (`ResolvedFeature.pinned`), cached with the
        snapshot.
        """
        key = compile_features, references, roles, known_at, ttl_revisions
        if key not in self._compiled:
            if len(self._compiled) >= _REMEMBERED_LISTS:
                self._compiled.clear()
            resolved = self.resolve_all(references, known_at, roles)
            if ttl_revisions:
                resolved = tuple(each.pinned(dict(ttl_revisions)) for each in resolved)
            self._compiled[key] = compile_features(resolved)
        made: T = self._compiled[key]
        return made

    def service(self, name: str) -> FeatureService:
        """A feature service by name."""
        return self._named(self.services, name, "feature service", Reason.UNKNOWN_FEATURE_SERVICE)

    def entity_type(self, name: str) -> EntityType:
        """An entity type by name."""
        return self._named(self.entity_types, name, "entity type", Reason.UNKNOWN_ENTITY_TYPE)

    def keys_of(self, entity_type: str) -> EntityKeys | None:
        """The codec of the ids of a type; None for a type without keys."""
        return None if entity_type == DEFAULT_ENTITY_TYPE else self.entity_type(entity_type).id_keys

    def group(self, name: str) -> FeatureGroup:
        """A feature group by name."""
        return self._named(self.groups, name, "feature group", Reason.UNKNOWN_FEATURE_GROUP)

    def _named(self, table: dict[str, T], name: str, kind: str, reason: Reason, fix: str = "register it first") -> T:
        if name not in table:
            fix = self._meant(name, table, fix)
            raise Unknown(f"{kind} {name!r} is not registered; {fix}", reason=reason, field=kind.replace(" ", "_"))
        return table[name]

    def _meant(self, name: str, known: Collection[str], otherwise: str) -> str:
        """`did_you_mean`, for the first unknown names of this snapshot: a request may name a thousand."""
        self._guessed += 1
        return did_you_mean(name, known, otherwise) if self._guessed <= _GUESSED_NAMES else otherwise
