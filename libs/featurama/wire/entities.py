"""The entities of the rows of a request: ids of one entity per row, or a column per role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from featurama.v1 import columns_pb2, online_service_pb2
from featurama.wire.public import columns_from_proto, columns_to_proto
from featurama_core.frames.cells import Cells
from featurama_core.types.column import Column
from featurama_core.types.entity_keys import MAX_KEYS, EntityName
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.roles import MAX_ROLES, NO_ROLE, Ids, Role, RowEntities, checked_roles
from featurama_core.types.values import Status, ValueType

_KEY_TYPES = (columns_pb2.VALUE_TYPE_TEXT, columns_pb2.VALUE_TYPE_INT)


class SentEntities(NamedTuple):
    """The entities of the rows of a request, as they were sent. roles: those that the request declares.

    keys: the key columns of each role that has keys in place of ids (then `ids` has none), of `NO_ROLE` without roles.
    """

    ids: RowEntities
    roles: tuple[Role, ...] = ()
    keys: Mapping[str, Mapping[str, Cells]] = {}

    @property
    def rows(self) -> int:
        """The number of rows."""
        if not self.keys:
            return len(self.ids)
        of_keys = (len(cells) for columns in self.keys.values() for cells in columns.values())
        return max(len(self.ids), next(of_keys, 0))


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


def keys_of(columns: Sequence[columns_pb2.Column]) -> dict[str, Cells]:
    """The key columns of a request, by name; a key is null where its status is not PRESENT. InvalidInput for columns of
    different lengths.
    """
    if len(columns) > MAX_KEYS:
        raise InvalidInput(
            f"keys holds {len(columns)} columns; at most {MAX_KEYS} are possible",
            reason=Reason.LIMIT_EXCEEDED,
            field="keys",
        )
    for each in columns:
        if each.value_type not in _KEY_TYPES:
            raise InvalidInput(f"the key {each.name} must be TEXT or INT", field=each.name)
    rows = max(map(_length, columns), default=0)
    found: dict[str, Cells] = {}
    for column in columns_from_proto(columns, rows):
        if column.name in found:
            raise InvalidInput(f"keys holds the column {column.name} twice; send it once", field="keys")
        found[column.name] = Cells(column.values, column.status != Status.PRESENT)
    return found


def _single_keys(columns: Sequence[columns_pb2.Column]) -> dict[str, object]:
    """The keys of one entity. InvalidInput unless there is one row."""
    found = keys_of(columns)
    if any(len(cells) != 1 for cells in found.values()):
        raise InvalidInput("keys must have one row: they name one entity", field="keys")
    return {name: None if _is_missing(cells) else cells.values.tolist()[0] for name, cells in found.items()}


def entity_name(message: Any) -> EntityName:
    """The one entity of a request: its id, or its keys."""
    if not message.keys:
        name: str = message.entity_id
        return name
    if message.entity_id:
        raise InvalidInput("keys are sent instead of entity_id; send one of the two", field="keys")
    return _single_keys(message.keys)


def keys_to_proto(keys: Mapping[str, Sequence[str | None]]) -> list[columns_pb2.Column]:
    """Key columns as texts, in which an int is in its decimal form."""
    return columns_to_proto(
        [
            Column(
                name,
                ValueType.TEXT,
                np.array([each or "" for each in texts], dtype=np.object_),
                np.array([Status.NULL_VALUE if each is None else Status.PRESENT for each in texts], dtype=np.uint8),
                np.zeros(len(texts), dtype=np.int64),
            )
            for name, texts in keys.items()
        ]
    )


def _length(column: columns_pb2.Column) -> int:
    return max(len(column.statuses), len(column.text_values), len(column.int_values))


def _is_missing(cells: Cells) -> bool:
    return cells.missing is not None and bool(cells.missing[0])


def entities_of(message: Any) -> SentEntities:
    """The entities of a request, and the roles that it declares: those of which it names the type. InvalidInput for two
    columns of one role, or for ids beside others.
    """
    columns = message.entities
    if not columns and not message.keys:
        return SentEntities(RowEntities.of(list(message.entity_ids)))
    # The twin has the bytes of each column.
    keys = [columns_pb2.Column.FromString(each) if isinstance(each, bytes) else each for each in message.keys]
    if not columns:
        return _one_per_row(message.entity_ids, keys)
    if len(columns) > MAX_ROLES:
        raise InvalidInput(
            f"entities holds {len(columns)} columns; at most {MAX_ROLES} roles are possible",
            reason=Reason.LIMIT_EXCEEDED,
            field="entities",
        )
    for name, sent in (("entity_ids", message.entity_ids), ("keys", keys)):
        if sent:
            raise InvalidInput(
                f"{name} are of rows that name one entity; the request has the roles"
                f" {', '.join(each.role for each in columns)[:500]}, send these only",
                field=name,
            )
    if [each.role for each in columns] == [NO_ROLE]:
        return _one_per_row([id_ or None for id_ in columns[0].entity_ids], columns[0].keys)
    if not message.feature_service and not all(each.entity_type for each in columns):
        raise InvalidInput("entities: entity_type of a role is empty; name it", field="entities")
    roles = checked_roles(Role(each.role, each.entity_type or each.role) for each in columns)
    declared = all(each.entity_type for each in columns)
    ids: dict[str, Ids] = {}
    keys_of_role: dict[str, Mapping[str, Cells]] = {}
    for each in columns:
        if each.keys and each.entity_ids:
            raise InvalidInput(f"the role {each.role} has keys and entity_ids; send one of the two", field=each.role)
        if each.keys:
            keys_of_role[each.role] = keys_of(each.keys)
        ids[each.role] = [id_ or None for id_ in each.entity_ids]
    return SentEntities(RowEntities(ids), roles if declared else (), keys_of_role)


def _one_per_row(entity_ids: Sequence[str | None], keys: Sequence[columns_pb2.Column]) -> SentEntities:
    if keys and entity_ids:
        raise InvalidInput("keys are sent instead of entity_ids; send one of the two", field="keys")
    return SentEntities(RowEntities.of(list(entity_ids)), (), {NO_ROLE: keys_of(keys)} if keys else {})
