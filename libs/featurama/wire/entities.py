"""The entities of the rows of a request: ids of one entity per row, or a column per role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from featurama.v1 import online_service_pb2
from featurama_core.types.errors import InvalidInput
from featurama_core.types.roles import NO_ROLE, Role, RowEntities, checked_roles


def put_entities(message: Any, entities: RowEntities, roles: Sequence[Role]) -> None:
    """Set the entities of a request. roles: with their types, which a feature service declares too."""
    types = {each.name: each.entity_type for each in roles}
    for role, ids in entities.of_role.items():
        if role == NO_ROLE and None not in ids:
            message.entity_ids.extend(ids)
            continue
        column = online_service_pb2.EntityColumn(role=role, entity_type=types.get(role, ""))
        column.entity_ids.extend(each or "" for each in ids)
        message.entities.append(column)


def entities_of(message: Any) -> tuple[RowEntities, tuple[Role, ...]]:
    """The entities of a request, and the roles that it declares: those of which it names the type."""
    columns = message.entities
    if not columns:
        return RowEntities.of(list(message.entity_ids)), ()
    if message.entity_ids:
        raise InvalidInput(
            f"entity_ids are of rows that name one entity; the request has the roles"
            f" {', '.join(each.role for each in columns)[:500]}, send these only",
            field="entity_ids",
        )
    if [each.role for each in columns] == [NO_ROLE]:
        return RowEntities.of([id_ or None for id_ in columns[0].entity_ids]), ()
    if not message.feature_service and not all(each.entity_type for each in columns):
        raise InvalidInput("entities: entity_type of a role is empty; name it", field="entities")
    of_role = {each.role: [id_ or None for id_ in each.entity_ids] for each in columns}
    roles = checked_roles(Role(each.role, each.entity_type or each.role) for each in columns)
    declared = all(each.entity_type for each in columns)
    return RowEntities(of_role), roles if declared else ()
