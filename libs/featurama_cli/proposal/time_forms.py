"""The forms in which texts of a column may be times, counted by shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.types.time_texts import ISO_8601, RFC_2822
from featurama_core.types.values import Int64Array

_DAYS = (
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%Y-%m-%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d-%m-%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%Y%m%d",
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
_ZONES = ("", "%z", " %z")
_PARTS = {
    "%Y": r"[12]\d{3}",
    "%y": r"\d\d",
    "%m": r"(0?[1-9]|1[0-2])",
    "%d": r"(0?[1-9]|[12]\d|3[01])",
    "%b": r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    "%B": r"(?i:january|february|march|april|may|june|july|august|september|october|november|december)",
    "%H": r"([01]?\d|2[0-3])",
    "%I": r"(0?[1-9]|1[0-2])",
    "%M": r"[0-5]?\d",
    "%S": r"[0-5]?\d",
    "%f": r"\d{1,6}",
    "%p": r"(?i:am|pm)",
    "%z": r"([+-]\d\d:?[0-5]\d|Z)",
}
_ZONE = r"([Zz]|[+-]\d\d(:?[0-5]\d)?)"
_CLOCK = r"([01]\d|2[0-4])(:?[0-5]\d(:?[0-5]\d([.,]\d+)?)?)?"
_ISO = (
    r"([12]\d{3}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?|[12]\d{3}-?W[0-5]\d(-?[1-7])?|[12]\d{3}-[0-3]\d\d"
    rf"|[12]\d{{3}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]{_CLOCK}{_ZONE}?"
    rf"|[12]\d{{3}}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])[Tt]{_CLOCK}{_ZONE}?)"
)
_MAIL = r"([A-Za-z]{3}, *)?\d{1,2} +[A-Za-z]{3} +\d{4} +\d\d:\d\d(:\d\d)?( +([+-]\d{4}|[A-Z]{1,4}))?"
_ZONED = r"\d[Tt ]?\d.*:?\d ?(Z|z|[+-]\d\d(:?\d\d)?)$|\d\d:\d\d(:\d\d)? +[A-Z]{1,4}$"
_HALF_DAY = r"(?i)[ap]m$"
_HAS_CLOCK = r"[Tt ]\d\d"
_LOOKED_AT = 200
_OF_DAY = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_AS_CLOCK = re.compile(r"\d\d?:\d\d")


@cache
def _forms() -> dict[str, str]:
    """Form -> pattern of its texts, the preferred forms first."""
    found = {ISO_8601: _ISO, RFC_2822: _MAIL}
    for day in _DAYS:
        for clock in _CLOCKS:
            for zone in _ZONES if clock else ("",):
                form = day + clock + zone
                found[form] = "".join(
                    _PARTS.get(part) or re.escape(part).replace(r"\ ", r"\s+") for part in re.findall("%.|[^%]+", form)
                )
    return {form: f"^({pattern})$" for form, pattern in found.items()}


class TimeForms:
    """Counts the rows of a column that each form reads."""

    def __init__(self) -> None:
        self._counts: dict[str, int] | None = None
        self.zoned = 0
        """Number of rows whose text names a zone."""
        self.clocked = 0
        """Number of rows whose text is a date with a time of day."""

    def add(self, texts: Any, counts: Int64Array) -> None:
        """texts: distinct texts of an Arrow array. counts: the rows of each."""
        if not len(texts):
            return
        if self._counts is None:
            self._counts = dict.fromkeys(self._likely(texts.slice(0, _LOOKED_AT).to_pylist()), 0)
        for form in self._counts:
            self._counts[form] += _rows(texts, _forms()[form], counts)
        if self._counts:
            # PM looks like a zone.
            half = pc.match_substring_regex(texts, _HALF_DAY)
            named = pc.and_not(pc.match_substring_regex(texts, _ZONED), half)
            clock = pc.match_substring_regex(texts, _HAS_CLOCK)
            self.zoned += _sum(counts, pc.and_(named, clock))
            self.clocked += _sum(counts, clock)

    def best(self, rows: int) -> list[tuple[str, int]]:
        """(form, rows that it reads) of the forms that read at least nine tenths of the rows, the best first."""
        order = list(_forms())
        found = [(form, count) for form, count in (self._counts or {}).items() if rows and count >= 0.9 * rows]
        return sorted(found, key=lambda each: (-each[1], order.index(each[0])))

    def _likely(self, texts: list[str]) -> Iterator[str]:
        for form, pattern in _forms().items():
            read = re.compile(pattern)
            if sum(read.match(text) is not None for text in texts) >= 0.5 * len(texts):
                yield form


class ClockForms:
    """Counts the rows of a column that are times of day, by form. padded: those with two digits in each part."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_OF_DAY, 0)
        self.padded = 0

    def add(self, texts: Any, counts: Int64Array) -> None:
        """See `TimeForms.add`."""
        if not len(texts) or not _AS_CLOCK.match(texts[0].as_py()):
            return
        for form in self._counts:
            pattern = "".join(_PARTS.get(part, re.escape(part)) for part in re.findall("%.|[^%]+", form))
            self._counts[form] += _rows(texts, f"^{pattern}$", counts)
        self.padded += _rows(texts, r"^\d\d(:\d\d)+$", counts)

    def of_all(self, rows: int) -> str | None:
        """The form that reads all rows."""
        return next((form for form, count in self._counts.items() if rows and count == rows), None)


def _rows(texts: Any, pattern: str, counts: Int64Array) -> int:
    return _sum(counts, pc.match_substring_regex(texts, pattern))


def _sum(counts: Int64Array, chosen: Any) -> int:
    mask = np.asarray(pc.fill_null(chosen, pa.scalar(value=False)).to_numpy(zero_copy_only=False), dtype=np.bool_)
    return int(counts[mask].sum())
