"""Texts of times: ISO 8601 in all its forms, RFC 2822, and patterns of `strptime`.

A text is read by itself: a time has the zone that it names, or none. A text of a day or a month is a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from fractions import Fraction
from math import floor

ISO_8601 = "iso8601"
RFC_2822 = "rfc2822"

ReadTime = Callable[[str], datetime | date]
"""Reads a text. Raises ValueError for a text of another form."""

_COMMON = re.compile(
    r"\d{4}-\d\d-\d\d[T ](?!24)\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?|\d{4}-\d\d-\d\d", re.ASCII
)  # Read by `fromisoformat`, which is faster than the rest of this module.
_ISO = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d(-?\d)?|\d{4}-?\d{3}|\d{4}-\d\d)"
    r"([Tt ](?P<clock>\d\d(:\d\d){0,2}|\d{4}(\d\d)?)([.,](?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d(:?\d\d)?)?)?",
    re.ASCII,
)
_MAIL = re.compile(
    r"([A-Za-z]{3}, *)?\d{1,2} +[A-Za-z]{3} +\d{4} +\d\d:\d\d(:\d\d)?( +(?P<zone>[+-]\d{4}|[A-Z]{1,4}))?", re.ASCII
)
_PROBE = datetime(2001, 11, 22, 13, 44, 55)  # noqa: DTZ001 - a moment whose parts differ


def read_iso(text: str) -> datetime | date:
    """A time, or a date. Digits below the microsecond are dropped."""
    if _COMMON.fullmatch(text):
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day = _day(found["day"])
    if found["clock"] is None:
        return day
    digits = found["clock"].replace(":", "")
    units = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    whole = units + [0] * (3 - len(units))
    if units[0] > 24 or max(whole[1:]) > 59 or (units[0] == 24 and any(whole[1:])):
        raise ValueError(text)
    fraction = Fraction(int(found["fraction"] or 0), 10 ** len(found["fraction"] or ""))
    below = floor(fraction * 10**6 * (3_600, 60, 1)[len(units) - 1])
    since = timedelta(hours=whole[0], minutes=whole[1], seconds=whole[2], microseconds=below)
    zone = None if found["zone"] is None else datetime.fromisoformat(f"2000-01-01T00:00{found['zone'].upper()}").tzinfo
    try:
        return datetime(day.year, day.month, day.day, tzinfo=zone) + since
    except OverflowError as error:
        raise ValueError(text) from error


def read_mail(text: str) -> datetime:
    """A time of RFC 2822, such as `Tue, 15 Nov 2022 12:45:26 +0100`. `-0000` is UTC."""
    found = _MAIL.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError(text) from error
    if moment.tzinfo is None and found["zone"] is not None:
        if found["zone"] != "-0000":
            raise ValueError(text)
        return moment.replace(tzinfo=UTC)
    return moment


def time_reader(form: str | None) -> ReadTime:
    """The reader of a form: `iso8601` (also for None), `rfc2822`, or a pattern such as `%Y/%m/%d %H:%M`.

    Raises ValueError for a pattern that names no day, or a zone by its name.
    """
    if form in (None, ISO_8601):
        return read_iso
    if form == RFC_2822:
        return read_mail
    form = str(form)
    if "%Z" in form:
        raise ValueError(form)
    try:
        probed = datetime.strptime(_PROBE.strftime(form), form.replace("%z", ""))  # noqa: DTZ007
    except (ValueError, UnicodeError, re.error) as error:
        raise ValueError(form) from error
    if probed.date() != _PROBE.date():
        raise ValueError(form)
    has_clock = any(part in form for part in ("%H", "%I", "%T", "%X", "%c", "%R", "%r"))

    def read(text: str) -> datetime | date:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is declared, or in the text
        return moment if has_clock else moment.date()

    return read


def _day(text: str) -> date:
    if "W" in text:
        year, week, day = text[:4], text.replace("-", "")[5:7], text.replace("-", "")[7:] or "1"
        return date.fromisocalendar(int(year), int(week), int(day))
    digits = text.replace("-", "")
    if len(digits) == 7:
        first = date(int(digits[:4]), 1, 1)
        found = first + timedelta(days=int(digits[4:]) - 1)
        if found.year != first.year:
            raise ValueError(text)
        return found
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:] or 1))
