"""The bytes of an online answer are those of the public message, however its columns were read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.columns import columns

from featurama import wire
from featurama.v1 import online_service_pb2
from featurama_core.types.block import Answer, Block, Heading, Headings
from featurama_core.types.column import Column
from featurama_core.types.values import Status, ValueType

pytestmark = pytest.mark.unit

READ_AT = 1_760_000_000_123_456
TIMES = np.array([5, 6, 7], dtype=np.int64)


def public(given_columns: list[Column], *, statuses: bool, event_times: bool) -> bytes:
    message = online_service_pb2.GetOnlineFeaturesResponse(
        columns=wire.columns_to_proto(given_columns, statuses=statuses, event_times=event_times)
    )
    message.as_of_time.FromNanoseconds(READ_AT * 1_000)
    return message.SerializeToString(deterministic=True)


@given(data=st.data(), statuses=st.booleans(), event_times=st.booleans())
@settings(max_examples=100, deadline=None)
def test_columns_that_were_read_apart(data: st.DataObject, statuses: bool, event_times: bool) -> None:
    """Any types and statuses, also without rows."""
    rows = data.draw(st.integers(0, 5))
    found: list[Column] = data.draw(st.lists(columns(rows), min_size=1, max_size=3))
    sent = wire.online_response_to_wire(Answer.of(found), READ_AT, statuses=statuses, event_times=event_times)
    assert public(found, statuses=statuses, event_times=event_times) == sent


@pytest.mark.parametrize("statuses", [False, True])
@pytest.mark.parametrize("event_times", [False, True])
def test_columns_of_several_blocks_in_the_order_of_the_request(statuses: bool, event_times: bool) -> None:
    """A column with a hidden value has its statuses and its own event times."""
    headings = Headings(Heading(name, ValueType.INT, 1, f"{name}@1") for name in ("a", "b", "c"))
    present = np.full((2, 3), Status.PRESENT, dtype=np.uint8)
    some = present.copy()
    some[1, 1] = Status.NOT_FOUND
    values = [np.array(each, dtype=np.int64) for each in ([1, 2, 3], [4, 0, 6], [7, 8, 9])]
    one = Block(
        Headings(headings[:2]), values[:2], some, [TIMES, np.where(some[1] == Status.PRESENT, TIMES, 0)], [True, False]
    )
    other = Block(Headings(headings[2:]), values[2:], present[:1], [TIMES + 1], [True])
    answer = Answer([one, other], [[2, 0], [1]])

    found = answer.columns()
    assert ["b", "c", "a"] == [each.name for each in found]
    for _ in range(2):  # what precedes the arrays is kept from the first time on
        sent = wire.online_response_to_wire(answer, READ_AT, statuses=statuses, event_times=event_times)
        assert public(found, statuses=statuses, event_times=event_times) == sent
    taken = answer.take(np.array([2, 0]))
    assert [[6, 4], [9, 7], [3, 1]] == [each.values.tolist() for each in taken.columns()]
    assert [True, True, True] == [taken.blocks[block].whole[at] for block, at in taken.places()]
    sent = wire.online_response_to_wire(taken, READ_AT, statuses=statuses, event_times=event_times)
    assert public(taken.columns(), statuses=statuses, event_times=event_times) == sent


def test_only_so_many_sizes_are_kept_for_a_heading() -> None:
    """Rows vary from request to request, and what is kept must not grow with them."""
    heading = Heading("a", ValueType.INT, 1, "a@1")
    for rows in range(1, 100):
        whole = np.full((1, rows), Status.PRESENT, dtype=np.uint8)
        values = np.arange(rows, dtype=np.int64)
        answer = Answer([Block([heading], [values], whole, [values], [True])], [(0, 0)])
        sent = wire.online_response_to_wire(answer, READ_AT)
        assert public(answer.columns(), statuses=False, event_times=False) == sent
    assert 64 == len(heading.encoded)
