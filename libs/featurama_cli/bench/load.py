"""Load of a store: the calls of some clients, or calls at a rate, and the latencies that they show.

A closed loop has clients that call again after each answer; it finds the throughput. An open loop calls at random times
of a rate, whatever the answers do. Its latencies count from the time at which a call was due, so that a server that
stalls is charged for all the calls that it keeps waiting. Nothing is sent again.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

Call = Callable[[int], Awaitable[object]]
"""Makes one call; its argument is the number of the call. What it raises is counted by its reason."""

PERCENTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999}
NOT_SENT = "NOT_SENT"
"""The reason of a call of an open loop that was due while the most calls were in flight."""


@dataclass(slots=True)
class Load:
    """What some calls showed. latencies: seconds per answered call. cpu: seconds of this process in `seconds`."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0

    def figures(self) -> dict[str, object]:
        """Name -> figure; the name of a time has its unit. Percentiles are of answered calls, None without any."""
        ordered = sorted(self.latencies)
        return {
            "calls": len(ordered),
            "errors": dict(self.errors.most_common()),
            "seconds": round(self.seconds, 3),
            "calls_per_second": round(len(ordered) / self.seconds, 1) if self.seconds else 0.0,
            **{name: percentile_ms(ordered, share) for name, share in PERCENTILES.items()},
            "max_ms": percentile_ms(ordered, 1.0),
            "generator_cpu_share": round(self.cpu / self.seconds, 3) if self.seconds else 0.0,
        }


def percentile_ms(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of some sorted seconds that at least `share` of them do not exceed, in milliseconds."""
    if not ordered:
        return None
    # 0.99 of 100 calls is the 99th of them, however the product is rounded.
    position = max(0, math.ceil(share * len(ordered) - 1e-9) - 1)
    return round(ordered[position] * 1_000, 3)


async def closed_loop(call: Call, *, clients: int, seconds: float) -> Load:
    """The load of some clients for some seconds."""
    load = Load()
    began, cpu = time.perf_counter(), time.process_time()
    end = began + seconds

    async def client(number: int) -> None:
        while (due := time.perf_counter()) < end:
            await _timed(call, number, due, load)
            number += clients

    await asyncio.gather(*(client(number) for number in range(clients)))
    load.seconds, load.cpu = time.perf_counter() - began, time.process_time() - cpu
    return load


async def open_loop(call: Call, *, rate: float, seconds: float, most_in_flight: int = 1_000) -> Load:
    """The load of `rate` calls per second for some seconds, at random times (a Poisson process, the same each time)."""
    load, running = Load(), set[asyncio.Task[None]]()
    loop, left = asyncio.get_running_loop(), threading.Event()
    began, cpu = time.perf_counter(), time.process_time()

    def begin(number: int, due: float) -> None:
        if len(running) >= most_in_flight:
            load.errors[NOT_SENT] += 1
            return
        task = loop.create_task(_timed(call, number, due, load))
        running.add(task)
        task.add_done_callback(running.discard)

    def pace() -> None:
        """In a thread: the timers of an event loop are a millisecond wide."""
        gaps, due, number = random.Random(1), began, 0
        while (due := due + gaps.expovariate(rate)) < began + seconds and not left.is_set():
            left.wait(max(0.0, due - time.perf_counter()))
            loop.call_soon_threadsafe(begin, number, due)
            number += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        await asyncio.to_thread(pace)
        await asyncio.gather(*running)
    finally:
        left.set()
        sys.setswitchinterval(interval)
    load.seconds, load.cpu = time.perf_counter() - began, time.process_time() - cpu
    return load


async def _timed(call: Call, number: int, due: float, load: Load) -> None:
    try:
        await call(number)
    except Exception as error:  # noqa: BLE001 - each failure is a figure of the report
        load.errors[reason_of(error)] += 1
    else:
        load.latencies.append(time.perf_counter() - due)


def reason_of(error: BaseException) -> str:
    """The reason of an error of the store, or the type of another error."""
    reason = getattr(error, "reason", None)
    return str(getattr(reason, "name", None) or type(error).__name__)
