"""What a request holds is counted before it is decoded: decoding takes time and memory per element, however small.

It takes half a microsecond per element, so large messages are counted off the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from featurama_core.types.errors import InvalidInput, Reason

SMALL_MESSAGE: Final = 16 * 1024
"""Bytes of a message that is decoded in less than a millisecond, whatever it holds."""
MOST_IN_ONE: Final = 250_000
"""Elements of one message: 100,000 label rows whose times are not packed."""
MOST_IN_ALL: Final = 5_000_000
"""Elements of a message and of those inside it: the texts of the largest write."""

_VARINT, _FIXED64, _LEN, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_DEEPEST = 100
"""Levels of messages that protobuf decodes."""


def check_elements(data: bytes, kind: Any, *, most: int = MOST_IN_ALL) -> bool:
    """Refuse a message with more elements than a valid request has. -> whether it holds arrays that are not packed.

    kind: descriptor of the public message. most: of all its elements. Raises InvalidInput (LIMIT_EXCEEDED), and
    DecodeError for bytes that are no message.
    """
    count = _Count(data, most)
    count.message(0, len(data), kind, _DEEPEST)
    return count.unpacked


def number_in(data: bytes, field_number: int) -> int:
    """The int64 in a field of the message itself, 0 if it is not set. Nothing else is decoded."""
    found = 0
    for number, wire_type, at, _ in fields_in(data, 0, len(data)):
        if number == field_number and wire_type == _VARINT:
            found = _varint(data, at)[0]
    return found - 2**64 if found >= 2**63 else found


class _Count:
    """The elements of a message so far, and whether there are arrays that are not packed."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = data
        self._most = most
        self._all = 0
        self.unpacked = False

    def message(self, at: int, end: int, kind: Any, deepest: int) -> None:
        """Count the elements between two positions."""
        if not deepest:
            raise DecodeError
        known, count = kind.fields_by_number, 0
        for number, wire_type, start, stop in fields_in(self._data, at, end):
            count += 1
            self._all += 1
            field = known.get(number)
            if count > MOST_IN_ONE or self._all > self._most:
                raise _too_many("the request" if field is None else field.name)
            if field is None:
                continue
            if wire_type != _LEN:
                self.unpacked = self.unpacked or field.is_repeated
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                self.message(start, stop, field.message_type, deepest - 1)


def fields_in(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, first byte, end) of each field of the message between two positions. Raises DecodeError."""
    try:
        while at < end:
            tag, at = _varint(data, at)
            wire_type, start = tag & 7, at
            if wire_type == _LEN:
                size, start = _varint(data, at)
                at = start + size
            elif wire_type == _VARINT:
                _, at = _varint(data, at)
            else:
                at += _WIDTHS[wire_type]
            if at > end:
                raise DecodeError
            yield tag >> 3, wire_type, start, at
    except (IndexError, KeyError) as error:
        raise DecodeError from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, position behind it)."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while byte >= 0x80:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise DecodeError
    return number & (2**64 - 1), at + 1


def _too_many(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name} holds too many elements: at most {MOST_IN_ONE:,} fit one message, {MOST_IN_ALL:,} all together;"
        " send fewer, and numbers in packed arrays",
        reason=Reason.LIMIT_EXCEEDED,
        field=name,
    )
