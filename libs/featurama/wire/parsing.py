"""Bytes -> message: the twin, with the public message as the fallback, and the one error for bytes that are neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from featurama.wire.public import columns_from_proto, times_from_proto
from featurama.wire.shapes import Unreadable
from featurama.wire.twin import columns_from_wire, packed_count, times_from_wire
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import Int64Array

_Message = TypeVar("_Message", bound=Message)
_Content = TypeVar("_Content")


class Encoding(NamedTuple):
    """How the arrays of a message are read: as the twin, or as the public message."""

    columns: Callable[..., list[Column]]
    times: Callable[[Any, int, str], Int64Array]
    count: Callable[[Any], int]
    """The number of times in a field."""


def parsed(kind: type[_Message], data: bytes) -> _Message:
    """The message in `data`; InvalidInput if there is none."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidInput(f"the bytes sent are not a {kind.DESCRIPTOR.full_name}") from error


def read_either(
    data: bytes, twin: type[Message], public: type[Message], read: Callable[[Any, Encoding], _Content]
) -> _Content:
    """The content of the message in `data`, by the twin, else by the public message, whose errors are decisive."""
    try:
        return read(twin.FromString(data), Encoding(columns_from_wire, times_from_wire, packed_count))
    except (Unreadable, DecodeError):
        return read(parsed(public, data), Encoding(columns_from_proto, times_from_proto, len))
