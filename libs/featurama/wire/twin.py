"""Columns as the wire twin: numpy buffers without conversion.

On the wire, a packed array of fixed-width elements is the little-endian array after its length. A sender may split it
into chunks, which are joined here, or send it unpacked: then the twin has unknown fields, and the caller must parse the
public message (`Unreadable`). The resulting arrays are read-only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from struct import Struct
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

from featurama.wire.shapes import (
    ARRAYS,
    Arrays,
    Unreadable,
    check_only,
    checked_times,
    columns_from,
    unreadable,
    whole_vectors,
)
from featurama.wire.v1 import twin_pb2
from featurama_core.frames.cells import objects
from featurama_core.types.block import Answer, Block, Heading, Headings
from featurama_core.types.column import Column
from featurama_core.types.values import DTYPES, Int64Array, ValueArray, ValueType

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("featurama.wire hands little-endian buffers to the wire; this machine is big-endian")

_Number = TypeVar("_Number", np.float64, np.int64, np.float32)

_ELEMENTS: dict[ValueType, np.dtype[Any] | None] = {
    value_type: None if value_type is ValueType.TEXT else np.dtype(element) for value_type, element in DTYPES.items()
}
_INT64 = np.dtype(np.int64)
_MOST_FRAMES = 64
"""Sizes of answers of which a heading keeps what precedes them."""


def columns_to_wire(
    columns: Sequence[Column], *, statuses: bool | None = None, event_times: bool = False
) -> list[bytes]:
    """The bytes of the twin messages, which are those of the public ones.

    statuses: True to send them always, otherwise only if a row is not PRESENT. event_times: whether they are sent.
    """
    sent = []
    for column in columns:
        status = column.status.tobytes() if statuses or not column.all_present else b""
        heading = Heading.of(column)
        event_time = _data(column.event_time, _INT64) if event_times else b""
        data = _value_data(heading, column.values)
        rest = _after_values(status, event_time)
        sent.append(_head(heading) + _before_values(heading, len(data)) + data + rest)
    return sent


def answer_to_wire(answer: Answer, *, statuses: bool, event_times: bool) -> bytes:
    """The field `columns` of an online response. statuses, event_times: as in `columns_to_wire`."""
    if len(answer.blocks) == 1 and not statuses and not event_times:
        (block,) = answer.blocks
        if isinstance(block.values, np.ndarray) and all(block.whole):
            return b"".join(_whole_columns(block.headings, block.values))
    sent = [_framed_columns(each, statuses=statuses, event_times=event_times) for each in answer.blocks]
    return b"".join(sent[0] if len(sent) == 1 else [sent[number][at] for number, at in answer.places()])


def _framed_columns(block: Block, *, statuses: bool, event_times: bool) -> list[bytes]:
    """Each column as an element of `columns`. What precedes the values is kept with the heading."""
    sent = []
    times: dict[int, bytes] = {}  # columns share them
    for at, (heading, values, whole) in enumerate(zip(block.headings, block.values, block.whole, strict=True)):
        data = _value_data(heading, values)
        if whole and not statuses and not event_times:
            size = len(data)
            sent.append((heading.encoded.get((size, 0)) or _framed(heading, size, 0)) + data)
            continue
        event_time = b""
        if event_times:
            given = block.event_time[at]
            event_time = times.get(id(given)) or times.setdefault(id(given), _data(given, _INT64))
        rest = _after_values(block.status[at].tobytes() if statuses or not whole else b"", event_time)
        key = len(data), len(rest)
        sent.append((heading.encoded.get(key) or _framed(heading, *key)) + data + rest)
    return sent


def _whole_columns(headings: Headings, values: NDArray[np.float64]) -> list[bytes]:
    """What precedes each column of float64[k, n], and its values, in turn."""
    size = 8 * values.shape[1]
    kept: tuple[Struct, list[bytes]] | None = headings.framed.get(size)
    if kept is None:
        kept = Struct(f"{size}s" * len(headings)), [_framed(each, size, 0) for each in headings]
        if len(headings.framed) < _MOST_FRAMES:
            headings.framed[size] = kept
    columns, before = kept
    return list(chain.from_iterable(zip(before, columns.unpack(values.tobytes()), strict=True)))


def columns_from_wire(columns: Iterable[bytes], rows: int, *, written: bool = False) -> list[Column]:
    """Columns of `rows` rows from the bytes of each. written: whether they are part of a write.

    Raises `Unreadable`, and DecodeError for bytes that are no column.
    """

    def arrays(message: twin_pb2.Column, value_type: ValueType) -> Arrays:
        _check_packed(message)
        if written:
            check_only(message, value_type)
        statuses, event_time = message.statuses, message.event_time_us
        return (
            _values(message, value_type),
            np.frombuffer(_joined(statuses), dtype=np.uint8) if statuses else None,
            _fixed(event_time, np.int64, message.name) if event_time else None,
        )

    return columns_from(map(twin_pb2.Column.FromString, columns), rows, arrays, written=written)


def times_to_wire(times: Int64Array) -> list[bytes]:
    """int64[n] as the chunks of a packed `sfixed64`."""
    return [np.ascontiguousarray(times, dtype=np.int64).tobytes()] if len(times) else []


def times_from_wire(message: Any, rows: int, field: str) -> Int64Array:
    """int64[rows], the times in this field. Raises `Unreadable` for another number, and for any unpacked array."""
    _check_packed(message)
    return checked_times(_fixed(getattr(message, field), np.int64, field), rows, field)


def packed_count(times: Iterable[bytes]) -> int:
    """The number of times in the chunks of a packed `sfixed64`."""
    return sum(map(len, times)) // 8


def _check_packed(message: Message) -> None:
    """Raise `Unreadable` if the message has a field in unpacked form, which the twin cannot read."""
    # 0.2 us per message. Fields of a later version of the contract have other numbers and are ignored.
    unknown = UnknownFieldSet(message)
    if len(unknown) and any(
        unknown[i].field_number in message.DESCRIPTOR.fields_by_number for i in range(len(unknown))
    ):
        raise Unreadable(f"{message.DESCRIPTOR.name} holds unpacked arrays")


# The array fields of a column, in the order of their numbers, as protobuf writes them, in a tenth of the time of a
# message object.


def _value_data(heading: Heading, values: ValueArray) -> bytes:
    """The content of the field of the values; of texts the fields, which are one each."""
    element = _ELEMENTS[heading.value_type]
    if values.dtype is not element:
        if heading.value_type is ValueType.TEXT:
            return twin_pb2.Column(text_values=values.tolist()).SerializeToString()
        values = values.astype(element, copy=False)
    return values.tobytes()


def _before_values(heading: Heading, size: int) -> bytes:
    """What precedes `size` bytes of values."""
    return _before(ARRAYS[heading.value_type], size) if size and heading.value_type is not ValueType.TEXT else b""


def _after_values(status: bytes, event_time: bytes) -> bytes:
    """The fields after the values; each is left out if it is empty."""
    rest = b""
    if status:
        rest += _before("statuses", len(status)) + status
    if event_time:
        rest += _before("event_time_us", len(event_time)) + event_time
    return rest


def _framed(heading: Heading, size: int, rest: int) -> bytes:
    """What precedes `size` bytes of values and `rest` bytes of other arrays in an online response: the tag and length
    of the column, its head, and the tag and length of the values.
    """
    head = _head(heading) + _before_values(heading, size)
    framed = b"\n" + _varint(len(head) + size + rest) + head
    if len(heading.encoded) < _MOST_FRAMES:
        heading.encoded[size, rest] = framed
    return framed


def _head(heading: Heading) -> bytes:
    """The fields that are no arrays."""
    message = twin_pb2.Column(
        name=heading.name,
        version=heading.version,
        reference=heading.reference,
        value_type=heading.value_type,  # type: ignore[arg-type]
        vector_length=heading.vector_length,
    )
    return message.SerializeToString()


@lru_cache(maxsize=16_384)
def _before(field: str, size: int) -> bytes:
    """What precedes the bytes of a field: its number, the wire type LEN, and their number."""
    return _varint(twin_pb2.Column.DESCRIPTOR.fields_by_name[field].number << 3 | 2) + _varint(size)


def _varint(number: int) -> bytes:
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def _data(values: ValueArray, dtype: np.dtype[Any]) -> bytes:
    return values.tobytes() if values.dtype == dtype else values.astype(dtype).tobytes()


def _values(message: twin_pb2.Column, value_type: ValueType) -> ValueArray:
    chunks = getattr(message, ARRAYS[value_type])
    if value_type is ValueType.TEXT:
        return objects(chunks)
    if value_type is ValueType.BOOL:
        flags = np.frombuffer(_joined(chunks), dtype=np.uint8)
        # A numpy bool is 0 or 1. Any other byte is part of a longer number.
        if flags.size and flags.max() > 1:
            raise unreadable(message.name, ": a truth value is neither 0 nor 1")
        return flags.view(np.bool_)
    values = _fixed(chunks, DTYPES[value_type], message.name)
    return whole_vectors(values, message) if value_type is ValueType.VECTOR else values


def _fixed(chunks: Sequence[bytes], dtype: type[_Number], name: str) -> NDArray[_Number]:
    data = _joined(chunks)
    try:
        return np.frombuffer(data, dtype=dtype)
    except ValueError as error:
        raise unreadable(name, f": {len(data)} bytes are not whole numbers") from error


def _joined(chunks: Sequence[bytes]) -> bytes:
    if len(chunks) == 1:
        return chunks[0]
    return b"".join(chunks)
