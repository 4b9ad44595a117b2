"""The columns of the roles of a request: `home` and `away` hold a team each.

By default the column of a role has its name. A type with one key column has keys there, a type with several has a
column `<role>_<key>` for each. A column named entity_id holds ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from featurama_core.frames.entities import EntityColumns
from featurama_core.types.entity_keys import EntityKeys
from featurama_core.types.errors import InvalidInput
from featurama_core.types.roles import Role, checked_roles

RoleGiven = str | Mapping[str, Any]
"""The entity type of a role, or {"type": its entity type, "columns": its column or columns}."""
RolesGiven = Mapping[str, RoleGiven]


@dataclass(frozen=True, slots=True)
class RoleColumns:
    """A role and its columns. given: the columns that the request names, () for the default ones. keys: the codec of a
    type with key columns.
    """

    role: Role
    given: tuple[str, ...] = ()
    keys: EntityKeys | None = None

    @property
    def entity(self) -> EntityColumns:
        """The columns with the entity of a row."""
        keys = None if self.given == ("entity_id",) else self.keys
        if self.given:
            return EntityColumns(self.given, keys)
        if keys is None or len(keys.columns) == 1:
            return EntityColumns((self.role.name,), keys)
        return EntityColumns(tuple(f"{self.role.name}_{each}" for each in keys.names), keys)

    def with_keys(self, keys: EntityKeys | None) -> RoleColumns:
        """The columns of a type with this codec. InvalidInput unless there is one column per key, or one of ids."""
        found = replace(self, keys=keys)
        wanted = ("the ids",) if found.entity.keys is None else found.entity.keys.names
        if len(found.entity.columns) != len(wanted):
            needs = (
                f"needs one for each of {', '.join(wanted)}"
                if keys is not None
                else "has no keys; name one, of its ids"
            )
            raise InvalidInput(
                f"the role {self.role.name!r} has the columns {', '.join(self.given)};"
                f" a {self.role.entity_type} {needs}",
                field="roles",
            )
        return found


def role_columns(roles: Any, entity_columns: Any = None) -> tuple[RoleColumns, ...]:
    """The roles of a request from its arguments, in their order. Raises InvalidInput.

    roles: see `RolesGiven`. entity_columns: {entity type: column or columns}, short for roles that are named like their
    types.
    """
    if entity_columns is not None:
        if roles is not None:
            raise InvalidInput("roles and entity_columns exclude each other; use roles", field="entity_columns")
        pairs = entity_columns.items() if isinstance(entity_columns, Mapping) else [(None, None)]
        try:
            found = [_given(each, {"type": each, "columns": columns}) for each, columns in pairs]
        except InvalidInput as error:
            raise InvalidInput(
                'entity_columns must map entity types to columns; write {"driver": "driver_id"}, or'
                ' {"shop": ["chain", "number"]} for several keys',
                field="entity_columns",
            ) from error
    elif isinstance(roles, Mapping):
        found = [_given(name, declared) for name, declared in roles.items()]
    elif roles is None:
        return ()
    else:
        raise _invalid(roles)
    checked_roles(each.role for each in found)
    return tuple(found)


def _given(name: Any, declared: Any) -> RoleColumns:
    if isinstance(declared, str):
        declared = {"type": declared}
    if not isinstance(name, str) or not isinstance(declared, Mapping) or not {*declared} <= {"type", "columns"}:
        raise _invalid({name: declared})
    entity_type, columns = declared.get("type"), declared.get("columns", ())
    listed = (columns,) if isinstance(columns, str) else columns
    is_list = isinstance(listed, (list, tuple)) and all(isinstance(each, str) and each for each in listed)
    if not isinstance(entity_type, str) or not is_list:
        raise _invalid({name: declared})
    return RoleColumns(Role(name, entity_type), tuple(listed))


def _invalid(given: Any) -> InvalidInput:
    return InvalidInput(
        f"roles are {given!r:.140}; map each role to its entity type, or to its type and columns:"
        ' {"home": "team", "away": {"type": "team", "columns": "visitor"}}',
        field="roles",
    )
