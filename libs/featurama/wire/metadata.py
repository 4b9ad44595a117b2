"""Metadata of entities: a JSON object as text in core, a Struct on the wire.

The numbers of a Struct are doubles. Integral ones become integers; an integer that no double represents is refused.
"""

from __future__ import annotations

import json
import math

from google.protobuf.struct_pb2 import Struct, Value

from featurama_core.api.entities import MAX_METADATA_BYTES
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import EXACT_INT_LIMIT

_DEEPEST = 32
_MOST_BYTES = 8 * MAX_METADATA_BYTES
"""Bytes of a Struct whose JSON is within the limit: a number is three characters there and eleven bytes here."""


def metadata_to_struct(text: str) -> Struct:
    """A JSON object as text -> Struct."""
    try:
        metadata = json.loads(text or "{}")
    except ValueError as error:
        raise _invalid("is not JSON") from error
    if not isinstance(metadata, dict):
        raise _invalid("is not a JSON object")
    for value in metadata.values():
        _check(value, _DEEPEST)
    struct = Struct()
    struct.update(metadata)
    return struct


def metadata_from_struct(struct: Struct) -> str:
    """Struct -> a JSON object as text, keys sorted."""
    if struct.ByteSize() > _MOST_BYTES:
        raise _invalid(f"must be at most {MAX_METADATA_BYTES} bytes")
    metadata = {key: _plain(value, _DEEPEST) for key, value in struct.fields.items()}
    return json.dumps(metadata, sort_keys=True)


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise _invalid(f"is nested deeper than {_DEEPEST} levels")
    if isinstance(value, int) and abs(value) > EXACT_INT_LIMIT:
        raise _invalid(f"holds the integer {value}, which no double holds; write it as text")
    if isinstance(value, float) and not math.isfinite(value):
        raise _invalid("holds a number that is not finite")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for element in inner:
        _check(element, depth - 1)


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
