"""Definitions and entities <-> proto. A message has the fields of the definition, but for the names in `_ON_WIRE`.

An empty field on the wire stands for the default. A feature without entity type or group arrives with "" there, and the
store derives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from featurama.v1 import definitions_pb2
from featurama.wire.metadata import metadata_from_struct, metadata_to_struct
from featurama.wire.shapes import number_problem
from featurama.wire.times import from_duration, from_timestamp, to_duration, to_timestamp
from featurama_core.types.entity_keys import KeyColumn
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.revisions import REVISED
from featurama_core.types.roles import Role
from featurama_core.types.schema import (
    HISTORY_FORMS,
    Definition,
    Entity,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import ValueType

T = TypeVar("T", bound=Definition | Entity)


def to_proto(definition: Definition | Entity) -> Any:
    """The message of a definition or entity. InvalidInput unless a Struct can hold its metadata."""
    values: dict[str, Any] = {}
    for field in _fields(type(definition)):
        value = getattr(definition, field.name)
        write = _WRITERS.get(field.name)
        values[_ON_WIRE.get(field.name, field.name)] = value if value is None or write is None else write(value)
    if isinstance(definition, EntityType):
        values["key_bytes"] = definition.key_bytes
    return _MESSAGES[type(definition)](**values)


def from_proto(kind: type[T], message: Any) -> T:
    """A definition or entity from its message; entity_type and group of a feature may be ""."""
    return kind(**{field.name: _value(kind, message, field.name) for field in _fields(kind)})


def changes_to_proto(kind: type[Definition], name: str, version: int | None, changes: Mapping[str, Any]) -> Any:
    """The message of a definition with a name, a version and some fields."""
    values = {each: _WRITERS.get(each, _same)(value) for each, value in changes.items() if value is not None}
    return _MESSAGES[kind](name=name, **({"version": version} if version else {}), **values)


def changes_from_proto(kind: type[Definition], message: Any, names: Iterable[str]) -> dict[str, Any]:
    """The named fields of a definition; the value of a field that cannot change is left to the registry to refuse."""
    return {name: _value(kind, message, name) if name in REVISED[kind] else None for name in names}


def _value(kind: type[Any], message: Any, field: str) -> Any:
    name = _ON_WIRE.get(field, field)
    value = getattr(message, name)
    if field in _OPTIONAL and not message.HasField(name):
        value = None
    elif field == "earlier":
        value = tuple(from_proto(kind, each) for each in value)
    elif read := _READERS.get(field):
        value = read(value)
    return value or _DEFAULTS.get((kind, name), _OF_ANY_KIND.get(name, value))


def _same(value: Any) -> Any:
    return value


def _fields(kind: type[Any]) -> list[Field[Any]]:
    # A deleted definition is not sent.
    return [field for field in fields(kind) if field.name != "deleted"]


def _created_time(micros: int) -> Timestamp | None:
    return to_timestamp(micros) if micros else None  # 0: not registered yet


def _keys_to_proto(keys: tuple[KeyColumn, ...]) -> list[Any]:
    return [{"name": each.name, "value_type": int(each.value_type)} for each in keys]


def _keys_from_proto(messages: Any) -> tuple[KeyColumn, ...]:
    return tuple(KeyColumn(each.name, _value_type(each.value_type or ValueType.TEXT)) for each in messages)


def _roles_to_proto(roles: tuple[Role, ...]) -> list[Any]:
    return [{"name": each.name, "entity_type": each.entity_type} for each in roles]


def _roles_from_proto(messages: Any) -> tuple[Role, ...]:
    return tuple(Role(each.name, each.entity_type) for each in messages)


def _within_int32(number: int) -> int:
    """No number beyond this is within the bounds of its field, so the registry refuses what stands for it."""
    return min(max(number, -(2**31)), 2**31 - 1)


def _start_time(micros: int) -> Timestamp | None:
    return to_timestamp(micros) if micros > MIN_TIME else None  # the first revision has no start


def _to_protos(definitions: Sequence[Definition]) -> list[Any]:
    return [to_proto(each) for each in definitions]


def _value_type(number: int) -> ValueType:
    try:
        return ValueType(number)
    except ValueError as error:
        problem = number_problem("value_type", number, ValueType)
        raise InvalidInput(problem, reason=Reason.INVALID_DEFINITION, field="value_type") from error


def _history_to_proto(form: str) -> int:
    if form not in HISTORY_FORMS:
        FeatureGroup(history=form).check()  # refuses it
    return HISTORY_FORMS.index(form) + 1


def _history_from_proto(number: int) -> str:
    if not 0 <= number <= len(HISTORY_FORMS):
        raise InvalidInput(
            f"history {number} is not known; send HISTORY_FORM_ROWS or HISTORY_FORM_PACKED",
            reason=Reason.INVALID_DEFINITION,
            field="history",
        )
    return HISTORY_FORMS[max(number - 1, 0)]


_MESSAGES: dict[type[Any], Callable[..., Any]] = {
    EntityType: definitions_pb2.EntityType,
    FeatureGroup: definitions_pb2.FeatureGroup,
    FeatureDefinition: definitions_pb2.Feature,
    FeatureService: definitions_pb2.FeatureService,
    Entity: definitions_pb2.Entity,
}
_ON_WIRE = {"created_at": "created_time", "updated_at": "updated_time", "start": "start_time"}
_OPTIONAL = ("ttl", "retention", "start")
_DEFAULTS: dict[tuple[type[Any], str], Any] = {
    (FeatureGroup, "entity_type"): DEFAULT_ENTITY_TYPE,
    (FeatureGroup, "buckets"): 1,
    (FeatureDefinition, "version"): 1,
    (FeatureDefinition, "references"): None,
}
_OF_ANY_KIND: dict[str, Any] = {"revision": 1, "start_time": MIN_TIME}
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "created_at": _created_time,
    "updated_at": _created_time,
    "start": _start_time,
    "earlier": _to_protos,
    "ttl": to_duration,
    "retention": to_duration,
    "metadata": metadata_to_struct,
    "keys": _keys_to_proto,
    "roles": _roles_to_proto,
    "buckets": _within_int32,
    "history": _history_to_proto,
    "vector_length": _within_int32,
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "created_at": from_timestamp,
    "updated_at": from_timestamp,
    "start": from_timestamp,
    "ttl": from_duration,
    "retention": from_duration,
    "metadata": metadata_from_struct,
    "value_type": _value_type,
    "history": _history_from_proto,
    "tags": tuple,
    "features": tuple,
    "keys": _keys_from_proto,
    "roles": _roles_from_proto,
}
