"""Roles: the names of the entities of a row, for rows that name several (`home` and `away`, both of type `team`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_entity_ids, check_list, check_name

MAX_ROLES = 32
NO_ROLE = ""
"""Stands for the role in requests without roles."""

Ids = Sequence[str | None]
"""One entity id per row; None for a row without an entity."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role of a request or a feature service, and the type of its entities."""

    name: str
    entity_type: str


def checked_roles(roles: Iterable[Role]) -> tuple[Role, ...]:
    """Return the roles if their names are valid and different. They may have one type."""
    listed = tuple(roles)
    for each in listed:
        check_name(each.name, "role")
        check_name(each.entity_type, "entity_type")
    if len({each.name for each in listed}) != len(listed):
        raise InvalidInput("roles names a role twice; name it once", field="roles")
    if len(listed) > MAX_ROLES:
        raise InvalidInput(
            f"roles names {len(listed)} roles; at most {MAX_ROLES} are possible",
            reason=Reason.LIMIT_EXCEEDED,
            field="roles",
        )
    return listed


def roles_of(given: Any) -> tuple[Role, ...]:
    """The roles of a mapping {role: entity type}; () for None."""
    if given is None:
        return ()
    is_mapping = isinstance(given, Mapping) and all(isinstance(each, str) for pair in given.items() for each in pair)
    if not is_mapping:
        raise InvalidInput(
            'roles must map roles to entity types; write {"home": "team", "away": "team"}', field="roles"
        )
    return checked_roles(Role(name, entity_type) for name, entity_type in given.items())


@dataclass(frozen=True, slots=True, eq=False)
class RowEntities:
    """The entities of n rows. of_role: n ids per role; those of `NO_ROLE` in a request without roles."""

    of_role: Mapping[str, Ids]

    @classmethod
    def of(cls, entity_ids: Ids) -> RowEntities:
        """Rows of one entity each."""
        return cls({NO_ROLE: entity_ids})

    def check(self, *, limit: int | None = None) -> None:
        """Raise InvalidInput for no rows, an invalid id, roles of unequal length, or more than `limit` ids."""
        if not self.of_role:
            raise InvalidInput(
                "the rows name no entities; give one per row", reason=Reason.EMPTY_REQUEST, field="entities"
            )
        for role, ids in self.of_role.items():
            check_list(ids, role or "entity_ids")
        if limit is not None and len(self.of_role) > 1 and self.size > limit:
            raise InvalidInput(
                f"the roles hold {self.size} ids; at most {limit} fit one call, split the rows",
                reason=Reason.LIMIT_EXCEEDED,
                field="entities",
            )
        for role, ids in self.of_role.items():
            if role != NO_ROLE and len(ids) != len(self):
                raise InvalidInput(
                    f"the role {role} has {len(ids)} ids, another {len(self)}; give one per row", field=role
                )
            check_entity_ids(ids, limit=limit, field=role or "entity_ids", may_lack=True)

    @property
    def unnamed(self) -> int:
        """The number of rows without an entity in a role."""
        if not any(None in ids for ids in self.of_role.values()):
            return 0
        return sum(None in row for row in zip(*self.of_role.values(), strict=True))

    def __len__(self) -> int:
        return len(next(iter(self.of_role.values()), ()))

    @property
    def size(self) -> int:
        """The number of ids in all roles."""
        return len(self) * len(self.of_role)

    def cut(self, start: int, stop: int) -> RowEntities:
        """A run of rows."""
        return RowEntities({role: ids[start:stop] for role, ids in self.of_role.items()})
