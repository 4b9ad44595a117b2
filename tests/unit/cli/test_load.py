"""What load shows: percentiles, throughput and errors by reason. No test looks at a clock."""

from __future__ import annotations

import asyncio

import pytest

from featurama_cli.bench.load import NOT_SENT, Load, closed_loop, open_loop, percentile_ms
from featurama_core.types.errors import StoreUnavailable


@pytest.mark.parametrize(
    ("calls", "share", "expected"),
    [(100, 0.5, 50.0), (100, 0.99, 99.0), (100, 0.999, 100.0), (100, 1.0, 100.0), (1, 0.5, 1.0), (3, 0.5, 2.0)],
)
def test_a_percentile_is_the_first_call_that_enough_do_not_exceed(calls, share, expected) -> None:
    assert expected == percentile_ms([number / 1_000 for number in range(1, calls + 1)], share)


def test_without_an_answer_there_are_no_percentiles() -> None:
    load = Load(seconds=2.0)
    load.errors["STORE_UNAVAILABLE"] = 3
    figures = load.figures()
    assert (0, {"STORE_UNAVAILABLE": 3}, None, 0.0) == tuple(
        figures[name] for name in ("calls", "errors", "p99_ms", "calls_per_second")
    )


async def test_each_failed_call_of_a_closed_loop_has_its_reason() -> None:
    """Of two clients; errors of the store by their reason, others by their type, and the rest are latencies."""
    numbers: list[int] = []

    async def call(number: int) -> None:
        numbers.append(number)
        await asyncio.sleep(0)  # the other client's turn
        if number % 3 == 0:
            raise StoreUnavailable("down")
        if number % 3 == 1:
            raise TimeoutError

    load = await closed_loop(call, clients=2, seconds=0.02)
    assert sorted(numbers) == sorted(set(numbers))
    assert {0, 1, 2, 3} <= set(numbers)
    assert len([each for each in numbers if each % 3 == 2]) == len(load.latencies)
    assert len([each for each in numbers if each % 3 == 0]) == load.errors["STORE_UNAVAILABLE"]
    assert len([each for each in numbers if each % 3 == 1]) == load.errors["TimeoutError"]


async def test_an_open_loop_does_not_wait_for_answers_but_bounds_the_calls_in_flight() -> None:
    """Calls that were due while the most were in flight are counted, and every other call is answered."""
    made = 0

    async def call(number: int) -> None:
        nonlocal made
        made += 1

    load = await open_loop(call, rate=1_000_000, seconds=0.02, most_in_flight=2)
    assert load.errors[NOT_SENT] > 0
    assert made == len(load.latencies)


async def test_the_same_rate_sends_the_same_calls() -> None:
    """Arrivals are random and repeat: two runs differ by none of the calls that were due."""
    runs = []
    for _ in range(2):
        numbers: list[int] = []

        async def call(number: int, numbers: list[int] = numbers) -> None:
            numbers.append(number)

        load = await open_loop(call, rate=2_000, seconds=0.05)
        runs.append(numbers)
        assert not load.errors
    assert runs[0] == runs[1]
    assert list(range(len(runs[0]))) == runs[0]
