"""Bytes -> message, with the one error a peer gets for bytes that are no such message."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from featurama_core.types.errors import InvalidInput

_Message = TypeVar("_Message", bound=Message)


def parsed(kind: type[_Message], data: bytes) -> _Message:
    """The message in `data`; InvalidInput if there is none."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidInput(f"the bytes sent are not a {kind.DESCRIPTOR.full_name}") from error
