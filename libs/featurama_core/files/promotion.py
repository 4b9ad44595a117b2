"""The type that holds the values of two Arrow types without loss."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

_UNITS = ("s", "ms", "us", "ns")


def common_type(one: Any, other: Any) -> Any:
    """None if there is none. Whether each integer fits is checked where it is cast."""
    is_a = pa.types
    if one == other:
        return one
    if is_a.is_null(one) or is_a.is_null(other):
        return other if is_a.is_null(one) else one
    if is_a.is_dictionary(one) or is_a.is_dictionary(other):
        return common_type(*(each.value_type if is_a.is_dictionary(each) else each for each in (one, other)))
    both = (one, other)
    if all(is_a.is_integer(each) for each in both):
        return pa.uint64() if all(is_a.is_unsigned_integer(each) for each in both) else pa.int64()
    if all(is_a.is_integer(each) or is_a.is_floating(each) for each in both):
        return pa.float64()
    if all(_is_text(each) for each in both):
        return pa.large_string() if any(is_a.is_large_string(each) for each in both) else pa.string()
    if all(is_a.is_timestamp(each) for each in both) and (one.tz is None) == (other.tz is None):
        zone = one.tz if one.tz == other.tz else "UTC"
        return pa.timestamp(max(one.unit, other.unit, key=_UNITS.index), zone)
    if all(is_a.is_date(each) for each in both):
        return pa.date32()
    if all(_is_list(each) for each in both):
        inside = common_type(one.value_type, other.value_type)
        return None if inside is None else pa.list_(inside)
    return None


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
