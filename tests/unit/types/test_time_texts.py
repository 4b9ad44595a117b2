"""Texts of times: each form of ISO 8601, RFC 2822 and declared patterns."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from featurama_core.types.time_texts import read_iso, read_mail, time_reader

pytestmark = pytest.mark.unit

NOON = datetime(2026, 1, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-28T12:00:00Z", NOON),
        ("2026-01-28 12:00:00+00:00", NOON),
        ("20260128T120000Z", NOON),
        ("20260128T1200+0000", NOON),
        ("2026-W05-3T12Z", NOON),
        ("2026W053T12:00z", NOON),
        ("2026-028T13:00+01", NOON),
        ("2026028t12Z", NOON),
        ("2026-01-28T12:30,5Z", NOON + timedelta(minutes=30, seconds=30)),
        ("2026-01-28T12.25Z", NOON + timedelta(minutes=15)),
        ("2026-01-28T12:00:00.1234569Z", NOON + timedelta(microseconds=123_456)),
        ("2026-01-27T24:00Z", NOON - 12 * HOUR),
        ("2026-01-28T12:00:00", NOON.replace(tzinfo=None)),
        ("2026-01-28", date(2026, 1, 28)),
        ("20260128", date(2026, 1, 28)),
        ("2026-W05", date(2026, 1, 26)),
        ("2026-028", date(2026, 1, 28)),
        ("2026-01", date(2026, 1, 1)),
    ],
)
def test_each_form_of_iso_8601_is_read(text: str, expected: datetime | date) -> None:
    """Calendar, week and ordinal dates, basic and extended, with fractions of any part."""
    assert (expected, type(expected)) == (read_iso(text), type(read_iso(text)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026",
        "1767268800",
        "2026-13-01",
        "2026-02-29",
        "2026-366",
        "2026-W54-1",
        "2026-01-28T25:00Z",
        "2026-01-28T24:01Z",
        "2026-01-28T12:00:60Z",
        "2026-01-28T12:60Z",
        "2026-01-28T12:00+24:00",
        "2026-01-28X12:00Z",
        "9999-12-31T24:00Z",
        "٢٠٢٦-01-28",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Also what is outside the calendar, and digits that may be a number."""
    with pytest.raises(ValueError, match=r".*"):
        read_iso(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wed, 28 Jan 2026 13:00:00 +0100", datetime(2026, 1, 28, 13, tzinfo=timezone(HOUR))),
        ("28 Jan 2026 12:00 GMT", NOON),
        ("28 Jan 2026 12:00:00 -0000", NOON),
        ("28 Jan 2026 12:00:00", NOON.replace(tzinfo=None)),
    ],
)
def test_times_of_mails_are_read(text: str, expected: datetime) -> None:
    """RFC 2822, with or without the day of the week."""
    assert (expected, expected.tzinfo is None) == (read_mail(text), read_mail(text).tzinfo is None)


@pytest.mark.parametrize(
    "text", ["28 Jan 2026 12:00 CEST", "32 Jan 2026 12:00 GMT", "28 Foo 2026 12:00 GMT", "2026-01-28"]
)
def test_a_mails_time_with_an_unknown_zone_or_day_is_refused(text: str) -> None:
    """A zone that RFC 2822 does not define has no offset."""
    with pytest.raises(ValueError, match=r".*"):
        read_mail(text)


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("%Y/%m/%d %H:%M", "2026/01/28 12:00", NOON.replace(tzinfo=None)),
        ("%d.%m.%Y", "28.01.2026", date(2026, 1, 28)),
        ("%d/%b/%Y:%H:%M:%S %z", "28/Jan/2026:12:00:00 +0000", NOON),
        ("%Y-%j", "2026-028", date(2026, 1, 28)),
    ],
)
def test_a_declared_pattern_reads_its_texts(form: str, text: str, expected: datetime | date) -> None:
    """A pattern without a clock reads dates."""
    assert (expected, type(expected)) == (time_reader(form)(text), type(time_reader(form)(text)))


@pytest.mark.parametrize("form", ["%H:%M", "%Y", "%m-%d", "%Q", "", "noon", "%Y-%m-%d %Z"])
def test_a_pattern_that_names_no_day_is_refused(form: str) -> None:
    """What it leaves out would be guessed; the name of a zone is none."""
    with pytest.raises(ValueError, match=r".*"):
        time_reader(form)
