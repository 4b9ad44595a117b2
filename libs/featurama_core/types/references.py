"""Feature references: `distance`, `distance@2`, `delivery_metrics:distance@2`, and paths of one step
(`destination.traffic_level`, `destination@1.traffic_level@2`). Where roles are declared, a role may stand before either
(`home.rating`, `home.city.population@2`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_list, check_unicode
from featurama_core.types.revisions import with_ttl_of
from featurama_core.types.roles import Role
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

MAX_FEATURES_PER_READ = 1_000
_PART = r"(?:([a-z][a-z0-9_]{0,62}):)?([a-z][a-z0-9_]{0,62})(?:@([1-9][0-9]{0,8}))?"
_REFERENCE = re.compile(_PART)
_PATH = re.compile(rf"({_PART})\.({_PART})")


@dataclass(frozen=True, slots=True)
class FeatureRef:
    """A reference as written. version: None for the newest. group: None if omitted. via: the reference it follows.
    role: "" if omitted.
    """

    name: str
    version: int | None = None
    group: str | None = None
    via: FeatureRef | None = None
    role: str = ""

    @property
    def steps(self) -> tuple[FeatureRef, ...]:
        """The references of a path, the first one first; of another reference, itself."""
        return (self,) if self.via is None else (*self.via.steps, self)

    @property
    def is_pinned(self) -> bool:
        """Whether every step has a version, so that its first part can only be read in one way."""
        return all(each.version is not None for each in self.steps)

    @property
    def column(self) -> str:
        """The column's name: `distance`, `home.city.population` (no versions)."""
        return ".".join([*([self.role] if self.role else []), *(each.name for each in self.steps)])

    @classmethod
    def parse(cls, text: str, roles: Collection[str] = ()) -> FeatureRef:
        """Parse a reference or a path. A first part that is one of `roles` is the role. Only the syntax is checked."""
        first, dot, rest = text.partition(".")
        if dot and first in roles:
            return replace(cls.parse(rest), role=first)
        if match := _REFERENCE.fullmatch(text):
            return cls._of(match.groups())
        if match := _PATH.fullmatch(text):
            groups = match.groups()
            return FeatureRef(*_fields(groups[5:]), via=cls._of(groups[1:4]))
        after = f", after a role ({', '.join(roles)}) if there are several" if roles else ""
        raise InvalidInput(
            f"feature reference {text[:140]!r} cannot be read; write name, name@2, group:name@2 or reference.name"
            f"{after}",
            reason=Reason.INVALID_REFERENCE,
            field="features",
        )

    @classmethod
    def parse_pinned(cls, text: str) -> FeatureRef:
        """Parse a pinned reference, as of services and manifests. Every step has a version, and a role has none."""
        first, dot, _ = text.partition(".")
        return cls.parse(text, (first,) if dot and "@" not in first else ())

    @classmethod
    def _of(cls, groups: tuple[str | None, ...]) -> FeatureRef:
        return cls(*_fields(groups))


@dataclass(frozen=True, slots=True)
class ResolvedFeature:
    """A reference bound to definitions: the feature, its group, and the reference that a path follows.

    role: whose feature it is; None in a request without roles. `via` has none.
    """

    definition: FeatureDefinition
    group: FeatureGroup
    via: ResolvedFeature | None = None
    role: Role | None = None

    def pinned(self, ttl_revisions: Mapping[str, int]) -> ResolvedFeature:
        """The feature with the ttl of these revisions (of groups), not of later ones."""
        via = None if self.via is None else self.via.pinned(ttl_revisions)
        revision = ttl_revisions.get(self.group.name, self.group.revision)
        return ResolvedFeature(self.definition, with_ttl_of(self.group, revision), via, self.role)

    @property
    def name(self) -> str:
        """The column's name: `distance`, `destination.traffic_level`, `home.rating` (no versions)."""
        return self._joined([each.definition.name for each in self.steps])

    @property
    def reference(self) -> str:
        """The pinned reference: `distance@1`, `destination@1.traffic_level@2`, `home.rating@1`."""
        return self._joined([each.definition.reference for each in self.steps])

    @property
    def steps(self) -> tuple[ResolvedFeature, ...]:
        """The features of a path, the first one first; of another reference, itself."""
        return (self,) if self.via is None else (*self.via.steps, self)

    @property
    def entity_type(self) -> str:
        """The type of the requested entity; for a path the type of the entity that owns the reference."""
        return self.definition.entity_type if self.via is None else self.via.definition.entity_type

    @property
    def value_type(self) -> ValueType:
        """Type of the values read."""
        return self.definition.value_type

    def _joined(self, parts: list[str]) -> str:
        return ".".join(parts if self.role is None else [self.role.name, *parts])


@dataclass(frozen=True, slots=True)
class FeatureSelection:
    """The features of a read: references in order, or a feature service (then `references` is ()).

    ttl_revisions: (group, the newest revision whose ttl applies), of the groups whose ttl is pinned. roles: declared by
    the request; a service may declare its own.
    """

    references: tuple[str, ...] = ()
    service: str | None = None
    ttl_revisions: tuple[tuple[str, int], ...] = ()
    roles: tuple[Role, ...] = ()

    @classmethod
    def of(
        cls,
        features: Sequence[str] | None,
        service: str | None,
        ttl_revisions: Mapping[str, int] | None = None,
        roles: tuple[Role, ...] = (),
    ) -> FeatureSelection:
        """The selection of the arguments of public methods. A text is one reference."""
        if ttl_revisions is None:
            return cls(*cls._named(features, service), (), roles)
        pins: Any = ttl_revisions
        if not isinstance(pins, Mapping) or not all(isinstance(group, str) for group in pins):
            problem = f"ttl_revisions must map groups to revisions, not {pins!r:.40}; write {{'weather': 2}}"
            raise InvalidInput(problem, field="ttl_revisions")
        if len(pins) > MAX_FEATURES_PER_READ:
            problem = f"ttl_revisions names {len(pins)} groups; at most {MAX_FEATURES_PER_READ} are possible"
            raise InvalidInput(problem, reason=Reason.LIMIT_EXCEEDED, field="ttl_revisions")
        for group, revision in pins.items():
            check_unicode(ttl_revisions=group)
            is_whole = isinstance(revision, Integral) and not isinstance(revision, bool)
            if not is_whole or not 1 <= revision < 2**31:
                problem = f"ttl_revisions: {group!r} must have a whole number from 1, not {revision!r:.40}"
                raise InvalidInput(problem, field="ttl_revisions")
        return cls(*cls._named(features, service), tuple(sorted(pins.items())), roles)

    @staticmethod
    def _named(features: Sequence[str] | None, service: str | None) -> tuple[tuple[str, ...], str | None]:
        if (features is None) == (service is None):
            raise InvalidInput("name either features or a feature service", field="features")
        if service is not None:
            check_unicode(service=service)
            return (), service
        given: Any = features
        features = list(given) if isinstance(given, Iterator) else given
        if not isinstance(features, str):
            check_list(features, "features")
        references = (features,) if isinstance(features, str) else tuple(features)
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
        try:
            if "".join(references).isascii():
                return references, None
        except TypeError as error:
            problem = "features must be texts such as 'distance' or 'distance@2'"
            raise InvalidInput(problem, field="features") from error
        for reference in references:
            FeatureRef.parse(reference)  # raises here: a lone surrogate could not be encoded later
        return references, None


def own_feature(reference: str) -> str:
    """The name of the feature of the row's own entity: the first one of a path. "" for a text that is no reference."""
    try:
        return FeatureRef.parse(reference).steps[0].name
    except InvalidInput:
        return ""


def _fields(groups: tuple[str | None, ...]) -> tuple[str, int | None, str | None]:
    group, name, version = groups
    assert name is not None  # the pattern always has it
    return name, None if version is None else int(version), group
