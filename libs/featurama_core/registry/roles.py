"""The roles that a request or a feature service declares, and the role of each of its features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import FeatureRef, ResolvedFeature
from featurama_core.types.roles import Role, checked_roles
from featurama_core.types.schema import EntityType, FeatureDefinition


class SeveralTypes(InvalidInput):
    """Features of several entity types without roles. The fix of the message, after a semicolon, is to declare some."""

    reason = Reason.INVALID_REFERENCE


class Registered(Protocol):
    """What is registered now."""

    @property
    def entity_types(self) -> dict[str, EntityType]:
        """By name."""

    def entity_type(self, name: str) -> EntityType:
        """An entity type by name. Raises Unknown."""

    def newest(self, name: str) -> FeatureDefinition | None:
        """The newest version of a feature."""


def check_declared(roles: Sequence[Role], registered: Registered) -> None:
    """Raise InvalidInput for a role whose name is that of a feature, so that a reference could be read in two ways, or
    of another entity type.
    """
    types = {DEFAULT_ENTITY_TYPE, *(each.entity_type for each in checked_roles(roles))}
    for role in roles:
        if role.entity_type != DEFAULT_ENTITY_TYPE:
            registered.entity_type(role.entity_type)
        if role.name != role.entity_type and role.name in registered.entity_types:
            raise _invalid(f"the role {role.name!r} is named like an entity type, so it must be of this type")
        feature = registered.newest(role.name)
        if feature is not None and feature.entity_type in types:
            raise _invalid(
                f"the role {role.name!r} is named like a feature of {feature.entity_type}; choose another name"
            )


def check_one_type(resolved: Iterable[ResolvedFeature], entity_type: str = DEFAULT_ENTITY_TYPE) -> None:
    """Raise InvalidInput for features of several entity types, which rows of one entity cannot have.

    entity_type: of the rows. `entity`, as the rows' type or as that of a feature, fits every type.
    """
    described = {each.entity_type for each in resolved} - {DEFAULT_ENTITY_TYPE}
    types = sorted(described | ({entity_type} - {DEFAULT_ENTITY_TYPE}))
    if len(types) < 2:
        return
    if len(described) < 2:
        problem = f"the features describe {described.pop()}, the rows {entity_type}; name features of {entity_type}"
        raise InvalidInput(problem, reason=Reason.INVALID_REFERENCE, field="features")
    every = ", ".join(f"{each!r}: {each!r}" for each in types)
    problem = f"the features describe {', '.join(types)}; declare a role for the entity of each: roles={{{every}}}"
    raise SeveralTypes(problem, field="features")


def in_roles(
    references: Sequence[FeatureRef], resolved: Sequence[ResolvedFeature], roles: Sequence[Role]
) -> tuple[ResolvedFeature, ...]:
    """The features, each in its role. Without roles they describe one entity type, and `entity`.

    references: as written. InvalidInput for a feature without a role, and for a role without a feature.
    """
    if not roles:
        check_one_type(resolved)
        return tuple(resolved)
    found = tuple(
        replace(feature, role=_role(reference, feature, roles))
        for reference, feature in zip(references, resolved, strict=True)
    )
    unused = [each.name for each in roles if each not in {feature.role for feature in found}]
    if unused:
        raise _invalid(f"no requested feature is of the role {unused[0]!r}; name one, or leave the role out")
    return found


def _role(reference: FeatureRef, feature: ResolvedFeature, roles: Sequence[Role]) -> Role:
    if reference.role:
        (role,) = (each for each in roles if each.name == reference.role)
        if feature.entity_type not in (role.entity_type, DEFAULT_ENTITY_TYPE):
            raise InvalidInput(
                f"the role {role.name!r} is a {role.entity_type}, but {feature.name!r} describes a"
                f" {feature.entity_type}",
                reason=Reason.INVALID_REFERENCE,
                field=reference.column,
            )
        return role
    possible = list(roles)
    if feature.entity_type != DEFAULT_ENTITY_TYPE:
        possible = [each for each in roles if each.entity_type == feature.entity_type]
        if len(possible) == 1:
            return possible[0]
    if not possible:
        declared = ", ".join(f"{each.name} ({each.entity_type})" for each in roles)
        problem = f"describes a {feature.entity_type}, which no role names; the roles are {declared}"
    else:
        written = " or ".join(f"{each.name}.{reference.column}" for each in possible[:3])
        problem = f"needs its role: write {written}"
    raise InvalidInput(f"{feature.name!r} {problem}", reason=Reason.INVALID_REFERENCE, field=feature.name)


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(problem, field="roles")
