"""Facts about the values of a column, gathered batch by batch. Texts of a CSV are counted by what they can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_cli.proposal.distinct import Distinct
from featurama_cli.proposal.time_forms import ClockForms, TimeForms
from featurama_core.frames.casts import CASTS, DECIMAL_DIGITS
from featurama_core.frames.texts import AS_WRITTEN, DOUBLE, INT, read_text
from featurama_core.types.values import EXACT_INT_LIMIT, BoolArray, Int64Array, ValueType

NULL_TEXTS = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "-", "--", "?")
"""Texts of a CSV that often stand for null."""

MOSTLY = 0.9
"""Share of the values from which on the others are exceptions."""

_SHOWN = 3
_INT64 = 2**63
_BLANKS = r"^[ \t]*({})[ \t]*$"
_INT = _BLANKS.format(INT.pattern)
_DOUBLE = _BLANKS.format(f"(?i:{DOUBLE.pattern})")
_FLOATS = _BLANKS.format(r"[+-]?\d*\.\d*([eE][+-]?\d+)?")
_MONEY = r"(?:[$€£¥]|EUR|USD|GBP|CHF|JPY)"
_DIGITS = r"(?:\d+|\d{1,3}(?:,\d{2,3})*,\d{3}|\d{1,3}(?:\.\d{3})+|\d{1,3}(?:['’ \x{A0}\x{202F}]\d{3})+)"
_AMOUNTS = rf"^\s*(?:{_MONEY}\s*)?[+-]?(?:{_MONEY}\s*)?{_DIGITS}(?:[.,]\d+)?\s*(?:%|{_MONEY})?\s*$"
"""Numbers as people write them: with a decimal comma, thousands separators, a currency or a percent sign."""

_COMMAS = _BLANKS.format(r"[+-]?\d+,\d+")
_THOUSANDS = _BLANKS.format(r"[+-]?[1-9]\d{0,2},\d{3}")
_PADDED = r"^[ \t]*[+-]?0\d|^[ \t]*\+"
_TRUTH = r"^[ \t]*(?i:true|false)[ \t]*$"


class ColumnFacts:
    """name: as in the files. loose: whether the texts may be read as other types (CSV, partition folders). decimal: of
    numbers in texts.
    """

    def __init__(
        self, name: str, *, loose: bool, folder: bool = False, index: bool = False, decimal: str = "."
    ) -> None:
        self.name = name
        self.decimal = decimal
        self.loose = loose
        self.folder = folder
        self.index = index
        self.rows = 0
        self.nulls = 0
        self.null_texts: dict[str, int] = {}
        self.kinds: set[str] = set()
        """Of the values: text, int, double, bool, decimal, time, date, vector, or an Arrow type that is no feature."""
        self.counts = dict.fromkeys(
            (
                *("int", "double", "floats", "amounts", "padded", "truth", "vector", "too_large", "inexact", "text"),
                *("commas", "thousands"),
            ),
            0,
        )
        """Rows that may be read so. floats: numbers with a point. amounts: see `_AMOUNTS`; a plain number is one too.
        too_large: integers beyond 2^53. inexact: decimals with more digits than a double. commas: numbers with one
        comma. thousands: those among them in which it may part thousands.
        """
        self.words: dict[str, str] = {}
        """The different texts, up to three, by their letters in lower case."""
        self.low: float | int | None = None
        self.high: float | int | None = None
        self.fractions = 0
        self.longest = 0
        self.lengths: set[int] = set()
        self.zoned = 0
        self.forms = TimeForms()
        self.clocks = ClockForms()
        self.distinct = Distinct()
        self.no_numbers: list[str] = []

    @property
    def values(self) -> int:
        """Number of rows with a value; texts that stand for null are none."""
        return self.rows - self.nulls - sum(self.null_texts.values())

    @property
    def written_numbers(self) -> bool:
        """Whether nearly all texts are numbers, and some of them are written in a form that is no number here."""
        return self.counts["double"] < self.counts["amounts"] >= MOSTLY * max(self.values, 1)

    @property
    def has_decimal_comma(self) -> bool:
        """Whether nearly all texts are numbers, some of them with one comma."""
        plain = self.counts["int"] + self.counts["commas"]
        return self.counts["commas"] > 0 and plain >= MOSTLY * max(self.values, 1)

    @property
    def constant(self) -> bool:
        """Whether all values are one."""
        if self.low is not None and not self.counts["text"]:
            return self.values > 1 and self.low == self.high
        return self.values > 1 and self.distinct.count == 1

    def add(self, array: Any) -> None:
        """Values of the column."""
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        self.rows += len(array)
        self.nulls += array.null_count
        array = array.drop_null()
        if not len(array):
            return
        is_a = pa.types
        if is_a.is_string(array.type) or is_a.is_large_string(array.type) or is_a.is_string_view(array.type):
            self._add_texts(array.cast(pa.string()))
        elif is_a.is_integer(array.type):
            self._add_numbers(array, "int")
        elif is_a.is_floating(array.type):
            doubles = array.cast(pa.float64())
            nan = pc.is_nan(doubles)
            self.nulls += pc.sum(nan).as_py() or 0
            self._add_numbers(doubles.filter(pc.invert(nan)), "double")
        elif is_a.is_boolean(array.type):
            self.kinds.add("bool")
        elif is_a.is_decimal(array.type):
            self._add_numbers(array, "decimal")
        elif is_a.is_timestamp(array.type) or is_a.is_date(array.type):
            self.kinds.add("date" if is_a.is_date(array.type) else "time")
            self.zoned += len(array) if is_a.is_timestamp(array.type) and array.type.tz is not None else 0
        elif hasattr(array.type, "value_type") and _is_number(array.type.value_type):
            self._add_vectors(array)
        else:
            self.kinds.add(str(array.type))

    def _add_numbers(self, array: Any, kind: str) -> None:
        if not len(array):
            return
        self.kinds.add(kind)
        self._extend(pc.min(array).as_py(), pc.max(array).as_py())
        if kind == "int":
            self.distinct.add(pc.unique(array))
            return
        if kind == "decimal" and array.type.precision > DECIMAL_DIGITS:
            for each in array.value_counts():
                is_exact = CASTS["double"](each["values"].as_py(), AS_WRITTEN) is not None
                self.counts["inexact"] += each["counts"].as_py() * (not is_exact)
        finite = array if kind == "decimal" else array.filter(pc.is_finite(array))
        whole = pc.equal(finite, pc.floor(finite))
        self.fractions += len(array) - (pc.sum(whole).as_py() or 0)

    def _add_vectors(self, array: Any) -> None:
        self.kinds.add("vector")
        if pa.types.is_fixed_size_list(array.type):
            self.lengths.add(array.type.list_size)
        else:
            self.lengths.update(pc.unique(pc.list_value_length(array)).to_pylist()[:100])
        if array.flatten().null_count:
            self.kinds.add("vector with nulls")

    def _add_texts(self, array: Any) -> None:
        self.kinds.add("text")
        counted = array.value_counts()
        texts, counts = counted.field("values"), counted.field("counts").to_numpy()
        nulls = NULL_TEXTS if self.loose and not self.folder else ()
        as_null = pc.is_in(texts, pa.array(nulls, pa.string())).to_numpy(zero_copy_only=False)
        for text, count in zip(texts.filter(pa.array(as_null)).to_pylist(), counts[as_null].tolist(), strict=True):
            self.null_texts[text] = self.null_texts.get(text, 0) + count
        texts, counts = texts.filter(pa.array(~as_null)), counts[~as_null]
        if not len(texts):
            return
        self.longest = max(self.longest, pc.max(pc.binary_length(texts)).as_py())
        self.counts["text"] += int(counts.sum())
        self.forms.add(texts, counts)
        self.clocks.add(texts, counts)
        self.distinct.add(texts)
        for text in texts.slice(0, 3).to_pylist() if len(self.words) < 3 else ():
            self.words.setdefault(text.strip(" \t").lower(), text.strip(" \t"))
        if self.loose:
            self._count_readings(texts, counts)

    def _count_readings(self, texts: Any, counts: Int64Array) -> None:
        written = texts
        if self.decimal == ",":
            # With a point a text is no number then.
            texts = pc.if_else(pc.match_substring(texts, "."), "", pc.replace_substring(texts, ",", "."))
        ints, doubles = _matches(texts, _INT), _matches(texts, _DOUBLE)
        for name, mask in (
            ("floats", _matches(texts, _FLOATS)),
            ("amounts", doubles | _matches(written, _AMOUNTS)),
            ("commas", _matches(written, _COMMAS)),
            ("thousands", _matches(written, _THOUSANDS)),
            ("padded", _matches(texts, _PADDED)),
            ("truth", _matches(texts, _TRUTH)),
            ("double", doubles),
        ):
            self.counts[name] += int(counts[mask].sum())
        small = ints & (pc.binary_length(texts).to_numpy() <= 15)
        plain = texts.filter(pa.array(small))
        if len(plain):
            numbers = pc.cast(pc.utf8_trim_whitespace(plain), pa.float64())
            self._extend(int(pc.min(numbers).as_py()), int(pc.max(numbers).as_py()))
        self.counts["int"] += int(counts[small].sum())
        for at in np.flatnonzero(ints & ~small).tolist():
            number = int(read_text(texts[at].as_py(), ValueType.INT))  # type: ignore[call-overload]
            if -_INT64 <= number < _INT64:
                self.counts["int"] += int(counts[at])
                self._extend(number, number)
            if abs(number) >= EXACT_INT_LIMIT:
                self.counts["too_large"] += int(counts[at])
        fractions = doubles & ~ints
        if fractions.any():
            numbers = np.array([float(text) for text in texts.filter(pa.array(fractions)).to_pylist()])
            numbers = numbers[~np.isnan(numbers)]
            if len(numbers):
                self._extend(float(numbers.min()), float(numbers.max()))
            self.fractions += int(counts[fractions].sum())
        if not doubles.all():
            others = written.filter(pa.array(~doubles))
            self.no_numbers += others.slice(0, _SHOWN - len(self.no_numbers)).to_pylist()
            self._count_vectors(others, counts[~doubles])

    def _count_vectors(self, texts: Any, counts: Int64Array) -> None:
        listed = pc.starts_with(texts, "[").to_numpy(zero_copy_only=False)
        for text, count in zip(texts.filter(pa.array(listed)).to_pylist(), counts[listed].tolist(), strict=True):
            try:
                vector = read_text(text, ValueType.VECTOR)
            except ValueError:
                continue
            self.counts["vector"] += count
            if isinstance(vector, Sequence) and len(self.lengths) < 100:
                self.lengths.add(len(vector))

    def _extend(self, low: Any, high: Any) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)


def _matches(texts: Any, pattern: str) -> BoolArray:
    found: BoolArray = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
