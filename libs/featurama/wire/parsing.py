"""Bytes -> message: the twin, with the public message as the fallback, and the one error for bytes that are neither.

The elements of a request are counted before it is decoded. An answer is read as it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from featurama.wire.bounds import SMALL_MESSAGE, check_elements
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
        raise _no_message(kind) from error


def requests(kind: type[_Message]) -> Callable[[bytes], _Message]:
    """The parser of the requests of an rpc; InvalidInput for bytes that are none, and for too many elements."""
    return partial(_request, kind)


def read_request(
    data: bytes, twin: type[Message], public: type[Message], read: Callable[[Any, Encoding], _Content]
) -> _Content:
    """`read_either` for a request. InvalidInput for too many elements."""
    if _has_unpacked(public, data):
        return _read_public(data, public, read)
    return read_either(data, twin, public, read)


def read_either(
    data: bytes, twin: type[Message], public: type[Message], read: Callable[[Any, Encoding], _Content]
) -> _Content:
    """The content of the message in `data`, by the twin, else by the public message, whose errors are decisive."""
    try:
        return read(twin.FromString(data), Encoding(columns_from_wire, times_from_wire, packed_count))
    except (Unreadable, DecodeError):
        return _read_public(data, public, read)


def _read_public(data: bytes, public: type[Message], read: Callable[[Any, Encoding], _Content]) -> _Content:
    return read(parsed(public, data), Encoding(columns_from_proto, times_from_proto, len))


def _request(kind: type[_Message], data: bytes) -> _Message:
    _has_unpacked(kind, data)
    return parsed(kind, data)


def _has_unpacked(kind: type[Message], data: bytes) -> bool:
    if len(data) <= SMALL_MESSAGE:
        return False
    try:
        return check_elements(data, kind.DESCRIPTOR)
    except DecodeError as error:
        raise _no_message(kind) from error


def _no_message(kind: type[Message]) -> InvalidInput:
    return InvalidInput(f"the bytes sent are not a {kind.DESCRIPTOR.full_name}")
