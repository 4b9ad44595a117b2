"""The guard runs a call only while somebody waits for its answer."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, cast

import grpc
import pytest
import structlog

from featurama_service.calls import Call, Context, Guard
from featurama_service.settings import GrpcSettings

pytestmark = pytest.mark.unit


class Peer:
    """What grpc hands to a handler, of a client that waits for some seconds more."""

    def __init__(self, waits: float | None) -> None:
        self._waits = waits
        self.code: grpc.StatusCode | None = None

    def time_remaining(self) -> float | None:
        return self._waits

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def abort(self, code: grpc.StatusCode, *_: Any) -> NoReturn:
        self.code = code
        raise grpc.aio.AbortError


async def run(peer: Peer, default_deadline_ms: int | None = None) -> tuple[str | None, int]:
    """(the answer, None for a refusal; how often the body was run)."""
    guard = Guard(GrpcSettings(deadline_margin_ms=10), structlog.get_logger())
    context, runs = cast("Context", peer), 0

    async def body(_: Call) -> str:
        nonlocal runs
        runs += 1
        return "answer"

    call = Call("Service/Method", context, guard)
    try:
        answer = await guard.run(call, context, body, size=1, default_deadline_ms=default_deadline_ms)
    except grpc.aio.AbortError:
        answer = None
    assert 0 == guard.admission.calls
    return answer, runs


@pytest.mark.parametrize("waits", [-1.0, 0.0, 0.01])
async def test_a_call_whose_deadline_has_passed_is_refused_without_work(waits: float) -> None:
    """Also one that ends within the margin: its answer would come too late."""
    peer = Peer(waits)
    assert (None, 0) == await run(peer)
    assert grpc.StatusCode.DEADLINE_EXCEEDED is peer.code


@pytest.mark.parametrize(("waits", "default"), [(0.5, None), (None, None), (None, 500)])
async def test_other_calls_are_answered(waits: float | None, default: int | None) -> None:
    assert ("answer", 1) == await run(Peer(waits), default)


async def test_a_call_that_waits_too_long_is_ended() -> None:
    peer = Peer(None)
    guard, context = Guard(GrpcSettings(), structlog.get_logger()), cast("Context", peer)

    async def body(_: Call) -> None:
        await asyncio.Event().wait()

    with pytest.raises(grpc.aio.AbortError):
        await guard.run(Call("Service/Method", context, guard), context, body, size=1, default_deadline_ms=1)
    assert grpc.StatusCode.DEADLINE_EXCEEDED is peer.code
