"""The access log: which calls it writes, in what form, and what happens where nothing can be written."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from featurama_service.access_log import AccessLog
from featurama_service.settings import LogSettings

pytestmark = pytest.mark.unit


def settings(**given: Any) -> LogSettings:
    return LogSettings(**{"log_format": "json"} | given)


async def lines(levels: list[int], **given: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    with AccessLog(settings(**given), "online", stream) as log:
        for number, level in enumerate(levels):
            log.note(level, "call", rows=number)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_every_call_is_a_line() -> None:
    """In the form of the other lines of the service, in order."""
    found = await lines([logging.INFO, logging.ERROR])
    assert [0, 1] == [each["rows"] for each in found]
    assert [("online", "call", "info"), ("online", "call", "error")] == [
        (each["service"], each["event"], each["level"]) for each in found
    ]
    assert all(each["timestamp"].endswith("Z") for each in found)


async def test_some_of_the_good_calls_and_all_others() -> None:
    """Errors are never left out by sampling."""
    found = await lines([logging.INFO] * 7 + [logging.WARNING], log_calls_every=3)
    assert [2, 5, 7] == [each["rows"] for each in found]


@pytest.mark.parametrize(
    ("given", "written"), [({"log_level": "warning"}, [1]), ({"log_calls": False}, []), ({"log_level": "error"}, [])]
)
async def test_calls_below_the_level_are_no_lines(given: dict[str, Any], written: list[int]) -> None:
    """As other lines below it are none."""
    assert written == [each["rows"] for each in await lines([logging.INFO, logging.WARNING], **given)]


async def test_lines_for_people_have_their_form() -> None:
    """On a terminal, or by setting."""
    stream = io.StringIO()
    with AccessLog(settings(log_format="pretty"), "online", stream) as log:
        log.note(logging.INFO, "call", method="OnlineService/GetOnlineFeatures")
    assert "OnlineService/GetOnlineFeatures" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


async def test_calls_go_on_where_nothing_can_be_written() -> None:
    """Standard error may be closed."""
    stream = io.StringIO()
    stream.close()
    with AccessLog(settings(), "online", stream) as log:
        log.note(logging.INFO, "call")


async def test_what_a_slow_stream_cannot_take_is_counted() -> None:
    """Memory is bounded; the count is a line of its own."""
    stream = io.StringIO()
    with AccessLog(settings(), "online", stream, most=3) as log:
        for number in range(5):
            log.note(logging.INFO, "call", rows=number)
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [("call", 0), ("call", 1), ("call", 2)] == [(each["event"], each["rows"]) for each in found[:3]]
    assert [("access log lines were left out", 2)] == [(each["event"], each["lines"]) for each in found[3:]]
