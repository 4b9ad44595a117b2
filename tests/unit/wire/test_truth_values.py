"""Truth values of foreign senders: whatever number stands for true on the wire, one byte of 1 stands for it here."""

from __future__ import annotations

import numpy as np
import pytest

from featurama import wire
from featurama_core.types.values import ValueType

from .columns import block, number

pytestmark = pytest.mark.unit


def bools(data: bytes) -> bytes:
    """A column whose packed truth values are these bytes."""
    return block(1, b"flag") + number(4, ValueType.BOOL) + block(8, data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x01\x00\x01", [1, 0, 1]),
        (b"\x02\x00\x7f", [1, 0, 1]),
        (b"\x00\x80\x01\x02", [0, 1, 1]),
    ],
    ids=["ones", "larger numbers", "longer numbers"],
)
def test_a_truth_value_is_one_byte_of_zero_or_one_whatever_was_sent(data: bytes, expected: list[int]) -> None:
    """A numpy bool of another byte counts, compares and is stored as something else than True."""
    (answered,), _ = wire.parse_get_online_features_response(block(1, bools(data)), 3)
    rows = b"".join(block(5, each) for each in (b"a", b"b", b"c")) + block(6, bytes(24))
    _, written = wire.parse_write_features_request(rows + block(7, bools(data)))
    for column in (answered, written.columns[0]):
        assert np.bool_ == column.values.dtype
        assert expected == column.values.view(np.uint8).tolist()
