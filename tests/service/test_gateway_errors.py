"""What the gateway says when it cannot answer: problems of RFC 9457 for every cause, limits, deadlines, the drain."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import socket
import sys

import httpx
import pytest

from featurama.v1 import online_service_pb2
from featurama_core.types.errors import FeaturamaError, Overloaded, Reason, StoreUnavailable
from featurama_gateway.settings import GatewaySettings
from featurama_service.settings import SettingsError

from .gateway_fixtures import gateway_server, http_client
from .servers import serving_services, until
from .test_errors_and_limits import SECRET, answering

FRY = "/features/char_fry"
ANSWER = online_service_pb2.GetOnlineFeaturesResponse()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """(status, reason) of a problem whose members are those of RFC 9457."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) - {"field"} == {"type", "title", "status", "detail", "reason"}
    assert (body["type"], body["status"]) == ("about:blank", answer.status_code)
    assert body["reason"] in Reason.__members__
    assert body["detail"]
    assert body["title"]
    return answer.status_code, body["reason"]


def raising(error):
    async def behaviour(_, __):
        raise error

    return answering(behaviour)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreUnavailable("the store did not answer"), 503),
        (Overloaded("too much"), 429),
        (FeaturamaError("the schema is old", reason=Reason.SCHEMA_MISMATCH), 503),
        (FeaturamaError("no model", reason=Reason.MODEL_UNUSABLE), 503),
        (FeaturamaError("late", reason=Reason.DEADLINE_EXCEEDED), 504),
        (FeaturamaError("torn", reason=Reason.CORRUPT_DATA), 500),
        (FeaturamaError("who are you", reason=Reason.UNAUTHENTICATED), 401),
        (FeaturamaError("not here", reason=Reason.SERVED_BY_INGEST), 501),
        (FeaturamaError("no such feature", reason=Reason.UNKNOWN_FEATURE, field="speed"), 404),
        (FeaturamaError("bad", reason=Reason.INVALID_REFERENCE, field="features"), 400),
    ],
)
async def test_an_error_of_the_online_service_keeps_its_reason_message_and_field(error, status):
    """The gRPC code says the HTTP status; what may work later says when to try again."""
    async with (
        serving_services(raising(error)) as online,
        gateway_server(online.address) as server,
        http_client(server.address) as client,
    ):
        answer = await client.get(FRY)

    assert problem(answer) == (status, error.reason.name)
    assert answer.json()["detail"] == error.message
    assert answer.json().get("field") == error.metadata.get("field")
    assert ("retry-after" in answer.headers) == (status in (429, 503))


async def test_a_defect_behind_the_gateway_shows_an_incident_and_no_text():
    """500; the log of the online service has the rest."""
    async with (
        serving_services(raising(ValueError(SECRET))) as online,
        gateway_server(online.address) as server,
        http_client(server.address) as client,
    ):
        answer = await client.get(FRY)

    assert problem(answer) == (500, "INTERNAL")
    assert "hunter2" not in answer.text
    assert "incident" in answer.json()["detail"]


async def test_an_online_service_that_is_away_is_503_without_its_address():
    """And /health still answers: degraded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{free.getsockname()[1]}"
        async with gateway_server(away) as server, http_client(server.address) as client:
            answers = [
                await client.get(FRY),
                await client.post("/predict", json={"delivery_id": "x"}),
                await client.post("/features/batch", json=["x"]),
            ]
            health = (await client.get("/health")).json()

    assert [problem(each) for each in answers] == [(503, "STORE_UNAVAILABLE")] * 3
    assert not any("127.0.0.1" in each.text or away.split(":")[1] in each.text for each in answers)
    assert (health["status"], health["feature_store_connected"], health["model_loaded"]) == ("degraded", False, False)


async def test_an_answer_that_is_not_made_in_time_is_504_and_its_work_is_cancelled():
    """The deadline goes along with the call."""
    cancelled = asyncio.Event()

    async def endless(_, __):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with (
        serving_services(answering(endless)) as online,
        gateway_server(online.address, deadline_ms=200) as server,
        http_client(server.address) as client,
    ):
        answer = await client.get(FRY)
        await cancelled.wait()

    assert problem(answer) == (504, "DEADLINE_EXCEEDED")


async def test_requests_beyond_the_limit_are_429_at_once_and_health_is_always_answered():
    """One in flight of one: the next is refused with a time to wait; when it ends, the next is served."""
    waiting, allowed = asyncio.Event(), asyncio.Event()

    async def slow(_, __):
        waiting.set()
        await allowed.wait()
        return ANSWER

    async with (
        serving_services(answering(slow)) as online,
        gateway_server(online.address, max_requests=1) as server,
        http_client(server.address) as client,
    ):
        held = asyncio.ensure_future(client.get(FRY))
        await waiting.wait()
        busy = await client.get(FRY)
        health = await client.get("/health")
        allowed.set()
        first, later = await held, await client.get(FRY)

    assert problem(busy) == (429, "OVERLOADED")
    assert busy.headers["retry-after"] == "1"
    assert health.json()["feature_store_connected"] is True
    assert [first.status_code, later.status_code] == [200, 200]


async def test_a_request_in_flight_is_answered_by_a_server_that_goes_down():
    """Health is degraded meanwhile, and afterwards the port is closed."""
    waiting, allowed = asyncio.Event(), asyncio.Event()

    async def slow(_, __):
        waiting.set()
        await allowed.wait()
        return ANSWER

    async with (
        serving_services(answering(slow)) as online,
        gateway_server(online.address, drain_delay_ms=300) as server,
        http_client(server.address) as client,
    ):
        held = asyncio.ensure_future(client.get(FRY))
        await waiting.wait()
        server.stop.set()
        health = (await client.get("/health")).json()
        allowed.set()
        answer = await held
        await server.ended()
        with pytest.raises(httpx.TransportError):
            await client.get(FRY)

    assert (answer.status_code, answer.json()["features"]) == (200, [])
    assert (health["status"], health["feature_store_connected"]) == ("degraded", True)


async def test_a_body_that_does_not_come_is_408_and_holds_no_place():
    """A client that sends half a body is told so within the deadline."""
    async with gateway_server("127.0.0.1:1", deadline_ms=150) as server:
        host, port = server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_413(chunked):
    """Whether its length is told before or not."""

    async def parts():
        for _ in range(9):
            yield b"x" * 1_000

    async with gateway_server("127.0.0.1:1", max_body_bytes=8_000) as server, http_client(server.address) as client:
        answer = await client.post("/predict", content=parts() if chunked else b"x" * 9_000)

    assert problem(answer) == (413, "LIMIT_EXCEEDED")


async def test_the_access_log_names_the_route_and_never_an_id(caplog):
    """One JSON line a request, also for what no route takes."""
    caplog.set_level(logging.CRITICAL)
    log = io.StringIO()
    real, sys.stderr = sys.stderr, log
    try:
        async with (
            gateway_server("127.0.0.1:1", log_level="info", log_format="json") as server,
            http_client(server.address) as client,
        ):
            await client.get("/features/char_secret")
            await client.get("/nowhere/char_secret")
    finally:
        sys.stderr = real

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(each["route"], each["status"]) for each in requests] == [
        ("/features/{entity_id:path}", 503),
        (None, 404),
    ]
    assert "char_secret" not in log.getvalue()


async def test_the_gateway_is_a_process_that_serves_until_sigterm():
    """`python -m featurama_gateway`, settings from the environment: it serves, drains on SIGTERM and exits 0."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEATURAMA_")}
    environment |= {
        "FEATURAMA_GATEWAY_LISTEN": "127.0.0.1:0",
        "FEATURAMA_GATEWAY_ONLINE": "127.0.0.1:1",
        "FEATURAMA_GATEWAY_DRAIN_DELAY_MS": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "featurama_gateway", env=environment, stderr=asyncio.subprocess.PIPE
    )
    line = json.loads(await process.stderr.readline())
    async with http_client(line["address"]) as client:
        health = await client.get("/health")
    process.send_signal(signal.SIGTERM)
    log = (await process.stderr.read()).decode()

    assert await process.wait() == 0
    assert health.json()["status"] == "degraded"
    assert [json.loads(each)["event"] for each in log.splitlines()][-2:] == ["draining", "stopped"]


async def test_a_port_that_is_taken_is_a_setting_that_can_not_be_used():
    """The error names the setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError, match=f"listen: cannot listen on {listen}"):
            async with gateway_server("127.0.0.1:1", listen=listen):
                pass


@pytest.mark.parametrize("name", ["listen", "online"])
@pytest.mark.parametrize("value", ["nowhere", ":1", "h:x", "h:70000"])
def test_an_address_is_host_and_port(name, value):
    """Anything else is refused, by name."""
    with pytest.raises(ValueError, match=f"{name} must be host:port"):
        GatewaySettings(**{name: value})


async def test_a_call_that_the_client_gives_up_does_not_disturb_the_gateway():
    """The next request is served."""
    calls, allowed = [], asyncio.Event()

    async def slow(request, __):
        calls.append(request)
        await allowed.wait()
        return ANSWER

    async with (
        serving_services(answering(slow)) as online,
        gateway_server(online.address, max_requests=1) as server,
        http_client(server.address) as client,
    ):
        left = asyncio.ensure_future(client.get(FRY))
        await until(lambda: bool(calls))
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        allowed.set()
        await until(lambda: len(calls) == 1)
        answer = await client.get("/health")

    assert answer.json()["feature_store_connected"] is True
