"""Entities <-> proto. Metadata is a JSON object as text in core and a Struct on the wire.

The numbers of a Struct are doubles. Integral ones become integers; an integer that no double represents is refused.
"""

from __future__ import annotations

import json
import math

from google.protobuf.struct_pb2 import Struct, Value

from featurama.v1 import definitions_pb2
from featurama.wire.definitions import created_time
from featurama.wire.times import from_timestamp
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.schema import Entity
from featurama_core.types.values import EXACT_INT_LIMIT

_DEEPEST = 32


def entity_to_proto(entity: Entity) -> definitions_pb2.Entity:
    """An entity as its message. InvalidInput unless its metadata is a JSON object that a Struct can represent."""
    return definitions_pb2.Entity(
        entity_id=entity.entity_id,
        entity_type=entity.entity_type,
        name=entity.name,
        metadata=metadata_to_struct(entity.metadata),
        created_time=created_time(entity.created_at),
        updated_time=created_time(entity.updated_at),
    )


def entity_from_proto(message: definitions_pb2.Entity) -> Entity:
    """An entity from its message."""
    return Entity(
        entity_id=message.entity_id,
        entity_type=message.entity_type,
        name=message.name,
        metadata=metadata_from_struct(message.metadata),
        created_at=from_timestamp(message.created_time),
        updated_at=from_timestamp(message.updated_time),
    )


def metadata_to_struct(text: str) -> Struct:
    """A JSON object as text -> Struct."""
    try:
        metadata = json.loads(text or "{}")
    except ValueError as error:
        raise _invalid("is not JSON") from error
    if not isinstance(metadata, dict):
        raise _invalid("is not a JSON object")
    struct = Struct()
    for key, value in metadata.items():
        _fill(struct.fields[key], value, _DEEPEST)
    return struct


def metadata_from_struct(struct: Struct) -> str:
    """Struct -> a JSON object as text, keys sorted."""
    metadata = {key: _plain(value, _DEEPEST) for key, value in struct.fields.items()}
    return json.dumps(metadata, sort_keys=True)


def _fill(slot: Value, value: object, depth: int) -> None:
    if depth == 0:
        raise _invalid(f"is nested deeper than {_DEEPEST} levels")
    if value is None:
        slot.null_value = 0  # type: ignore[assignment]
    elif isinstance(value, bool):
        slot.bool_value = value
    elif isinstance(value, str):
        slot.string_value = value
    elif isinstance(value, (int, float)):
        if isinstance(value, int) and abs(value) > EXACT_INT_LIMIT:
            raise _invalid(f"holds the integer {value}, which no double holds; write it as text")
        if not math.isfinite(value):
            raise _invalid("holds a number that is not finite")
        slot.number_value = value
    elif isinstance(value, list):
        slot.list_value.SetInParent()
        for element in value:
            _fill(slot.list_value.values.add(), element, depth - 1)
    elif isinstance(value, dict):
        slot.struct_value.SetInParent()
        for key, element in value.items():
            _fill(slot.struct_value.fields[key], element, depth - 1)


def _plain(value: Value, depth: int) -> object:
    if depth == 0:
        raise _invalid(f"is nested deeper than {_DEEPEST} levels")
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        if not math.isfinite(number):
            raise _invalid("holds a number that is not finite")
        return int(number) if number.is_integer() and abs(number) <= EXACT_INT_LIMIT else number
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_plain(element, depth - 1) for element in value.list_value.values]
    if kind == "struct_value":
        return {key: _plain(element, depth - 1) for key, element in value.struct_value.fields.items()}
    return None


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(f"metadata {problem}", reason=Reason.INVALID_DEFINITION, field="metadata")
