"""Feature references: `distance`, `distance@2`, `delivery_metrics:distance@2`, and paths of one step
(`destination.traffic_level`, `destination@1.traffic_level@2`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

_PART = r"(?:([a-z][a-z0-9_]{0,62}):)?([a-z][a-z0-9_]{0,62})(?:@([1-9][0-9]{0,8}))?"
_REFERENCE = re.compile(_PART)
_PATH = re.compile(rf"({_PART})\.({_PART})")


@dataclass(frozen=True, slots=True)
class FeatureRef:
    """A reference as written. version: None for the newest. group: None if omitted. via: the reference it follows."""

    name: str
    version: int | None = None
    group: str | None = None
    via: FeatureRef | None = None

    @property
    def steps(self) -> tuple[FeatureRef, ...]:
        """The references of a path, the first one first; of another reference, itself."""
        return (self,) if self.via is None else (*self.via.steps, self)

    @classmethod
    def parse(cls, text: str) -> FeatureRef:
        """Parse a reference or a path. Only the syntax is checked."""
        if match := _REFERENCE.fullmatch(text):
            return cls._of(match.groups())
        if match := _PATH.fullmatch(text):
            groups = match.groups()
            return FeatureRef(*_fields(groups[5:]), via=cls._of(groups[1:4]))
        raise InvalidInput(
            f"feature reference {text[:140]!r} cannot be read; write name, name@2, group:name@2 or reference.name",
            reason=Reason.INVALID_REFERENCE,
            field="features",
        )

    @classmethod
    def _of(cls, groups: tuple[str | None, ...]) -> FeatureRef:
        return cls(*_fields(groups))


@dataclass(frozen=True, slots=True)
class ResolvedFeature:
    """A reference bound to definitions: the feature, its group, and the reference that a path follows."""

    definition: FeatureDefinition
    group: FeatureGroup
    via: ResolvedFeature | None = None

    @property
    def name(self) -> str:
        """The column's name: `distance`, `destination.traffic_level` (no versions)."""
        own = self.definition.name
        return own if self.via is None else f"{self.via.name}.{own}"

    @property
    def reference(self) -> str:
        """The pinned reference: `distance@1`, `destination@1.traffic_level@2`."""
        own = self.definition.reference
        return own if self.via is None else f"{self.via.reference}.{own}"

    @property
    def entity_type(self) -> str:
        """The type of the requested entity; for a path the type of the entity that owns the reference."""
        return self.definition.entity_type if self.via is None else self.via.definition.entity_type

    @property
    def value_type(self) -> ValueType:
        """Type of the values read."""
        return self.definition.value_type


@dataclass(frozen=True, slots=True)
class FeatureSelection:
    """The features of a read: references in order, or a feature service (then `references` is ())."""

    references: tuple[str, ...] = ()
    service: str | None = None

    @classmethod
    def of(cls, features: Sequence[str] | None, service: str | None) -> FeatureSelection:
        """The selection of the `features` and `service` arguments of public methods. A text is one reference."""
        if (features is None) == (service is None):
            raise InvalidInput("name either features or a feature service", field="features")
        if service is not None:
            return cls((), service)
        references = (features,) if isinstance(features, str) else tuple(features or ())
        if not references:
            raise InvalidInput(
                "features is empty; name at least one feature or a feature service",
                reason=Reason.EMPTY_REQUEST,
                field="features",
            )
        for reference in references:
            if not isinstance(reference, str):
                raise InvalidInput("features must be texts such as 'distance' or 'distance@2'", field="features")
            if not reference.isascii():
                FeatureRef.parse(reference)  # raises here: a lone surrogate could not be encoded later
        return cls(references)


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
