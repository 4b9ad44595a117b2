"""The gateway's limits on their own: an ASGI application behind them, and messages as a server would hand them on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featurama_gateway.limits import Limits

LIMIT = 8


def limited(app: ASGIApp, **settings: Any) -> Limits:
    return Limits(app, **{"max_requests": 1, "max_body_bytes": LIMIT, "deadline": 30.0, **settings})


async def ask(
    limits: Limits, *body: bytes, path: str = "/predict", receive: Receive | None = None
) -> tuple[int, bytes]:
    """One request whose body comes in the given parts. -> (status, body of the answer)"""
    parts = list(body) or [b""]
    sent: list[Message] = []

    async def reading() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def sending(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    await limits(scope, receive or reading, sending)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body that it reads, in one message."""
    message = await receive()
    assert not message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a defect")


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def never_sent() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([b""], 200),
        ([b"x" * LIMIT], 200),
        ([b"x" * (LIMIT - 1), b"y"], 200),
        ([b"", b"x" * LIMIT, b""], 200),
        ([b"x" * (LIMIT + 1)], 413),
        ([b"x" * LIMIT, b"y"], 413),
        ([b"x" * LIMIT, b"", b"y"], 413),
    ],
)
async def test_a_body_of_exactly_the_limit_is_read_and_a_byte_more_is_413(body: list[bytes], status: int) -> None:
    """However it is cut into messages; what is read arrives as one."""
    found, answer = await ask(limited(echo), *body)
    assert status == found
    if status == 200:
        assert b"".join(body) == answer


async def test_an_exception_gives_its_place_back() -> None:
    """Or a server of one place would answer 429 for ever after its first defect."""
    limits = limited(failing)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="a defect"):
            await ask(limits)


@pytest.mark.parametrize("status", [408, 413, 504])
async def test_a_request_that_is_refused_gives_its_place_back(status: int) -> None:
    """For its size, for a body that does not come, for an answer that is not made in time."""
    limits = limited(never if status == 504 else echo, deadline=30.0 if status == 413 else 0.01)
    for _ in range(3):
        found, _answer = await ask(
            limits, b"x" * (LIMIT + 1 if status == 413 else 1), receive=never_sent if status == 408 else None
        )
        assert status == found


async def test_a_cancelled_request_gives_its_place_back() -> None:
    """Its client left, or the server goes down."""
    limits = limited(never)
    for _ in range(2):
        request = asyncio.ensure_future(ask(limits))
        await asyncio.sleep(0)
        assert 429 == (await ask(limits))[0]
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request


async def test_health_is_answered_beside_any_number_of_requests_and_takes_no_place() -> None:
    """What is counted is the work; neither a body nor a deadline is looked at for health."""
    release = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/health":
            await release.wait()
        await echo(scope, receive, send)

    limits = limited(slow)
    request = asyncio.ensure_future(ask(limits))
    await asyncio.sleep(0)
    assert [200, 429, 200] == [(await ask(limits, path=path))[0] for path in ("/health", "/predict", "/health")]
    release.set()
    assert 200 == (await request)[0]
    assert 200 == (await ask(limits))[0]


async def test_an_answer_that_has_begun_is_not_followed_by_another() -> None:
    """The deadline passes in the middle of a body: the connection breaks off, it gets no second status."""

    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await ask(limited(half, deadline=0.01))


async def test_a_timeout_of_the_application_itself_is_not_its_deadline() -> None:
    """It is a defect, for the handlers of defects."""

    async def timing_out(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await ask(limited(timing_out))


async def test_what_comes_after_the_body_is_handed_on() -> None:
    """The application sees the connection's own messages, such as its client leaving."""
    seen: list[Message] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    messages: list[Message] = [{"type": "http.request", "body": b"x"}, {"type": "http.disconnect", "code": 7}]
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    await ask(limited(reading), receive=receive)
    assert [{"type": "http.request", "body": b"x", "more_body": False}, messages[1]] == seen
