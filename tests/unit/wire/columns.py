"""Columns as hypothesis draws them, and the wire format written by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from featurama_core.types.column import Column, masked
from featurama_core.types.values import Status, ValueType

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def columns(draw: st.DrawFn, rows: int, last: Status = Status.ERROR) -> Column:
    """A column of any type, with any statuses up to `last`."""
    value_type = draw(st.sampled_from(ValueType))
    length = draw(st.integers(1, 3))
    match value_type:
        case ValueType.DOUBLE:
            values = draw(arrays.arrays(np.float64, rows))
        case ValueType.INT:
            values = draw(arrays.arrays(np.int64, rows))
        case ValueType.BOOL:
            values = draw(arrays.arrays(np.bool_, rows))
        case ValueType.TEXT:
            values = np.empty(rows, dtype=np.object_)
            values[:] = draw(st.lists(TEXTS, min_size=rows, max_size=rows))
        case ValueType.VECTOR:
            values = draw(arrays.arrays(np.float32, (rows, length)))
    status = np.ones(rows, dtype=np.uint8)
    if draw(st.booleans()):
        status = draw(arrays.arrays(np.uint8, rows, elements=st.integers(1, last)))
    return Column(
        name=draw(NAMES),
        value_type=value_type,
        values=masked(values, value_type, status, length),
        status=status,
        event_time=draw(arrays.arrays(np.int64, rows)),
        version=draw(st.integers(0, 9)),
        reference=draw(st.sampled_from(["", "a@1", "a@1.b@2"])),
    )


def assert_same(found: Column, expected: Column, *, event_times: bool = True) -> None:
    """Equal in every bit: NaNs and signs of zero too."""
    assert (found.name, found.value_type, found.version, found.reference) == (
        expected.name,
        expected.value_type,
        expected.version,
        expected.reference,
    )
    assert found.values.dtype == expected.values.dtype
    assert found.values.shape == expected.values.shape
    if expected.value_type is ValueType.TEXT:
        assert found.values.tolist() == expected.values.tolist()
    else:
        assert found.values.tobytes() == expected.values.tobytes()
    assert found.status.tolist() == expected.status.tolist()
    times = expected.event_time if event_times else np.zeros_like(expected.event_time)
    assert found.event_time.tolist() == times.tolist()


def varint(number: int) -> bytes:
    """Base-128, as protobuf writes it."""
    out = bytearray()
    number &= 2**64 - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def block(field: int, data: bytes) -> bytes:
    """A length-delimited field: a text, a message, or a chunk of a packed array."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def number(field: int, value: int) -> bytes:
    """A varint field."""
    return varint(field << 3 | 0) + varint(value)


def fixed64(field: int, data: bytes) -> bytes:
    """One element of an unpacked array of doubles or sfixed64."""
    return varint(field << 3 | 1) + data


def fixed32(field: int, data: bytes) -> bytes:
    """One element of an unpacked array of floats."""
    return varint(field << 3 | 5) + data


def doubles(values: Iterable[float]) -> bytes:
    """Little-endian float64."""
    return b"".join(struct.pack("<d", value) for value in values)


def ints(values: Iterable[int]) -> bytes:
    """Little-endian int64."""
    return b"".join(struct.pack("<q", value) for value in values)
