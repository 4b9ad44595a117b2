"""Texts as values of a declared type: the cells of a CSV, and named casts of columns. Each text is read by itself.

A decimal comma and words for true and false are read where they are declared, and nowhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import check_list_of_texts
from featurama_core.types.values import EXACT_INT_LIMIT, ValueType

INT = re.compile(r"[+-]?\d{1,400}(\.0{0,400})?", re.ASCII)
DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?|nan", re.ASCII | re.IGNORECASE)
_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_WORDS = {"yes", "no", "y", "n", "t", "f", "on", "off", "ja", "nein", "j", "oui", "non", "si", "sì", "sí", "x"}
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_MAX_VECTOR_TEXT = 256 * 1024


@dataclass(frozen=True, slots=True)
class TextRules:
    """decimal: between a number and its fraction, "." or ",". true_values, false_values: texts of booleans in any case,
    beside `true`, `1`, `false` and `0`. InvalidInput for another decimal, and for a text that would be both.
    """

    decimal: str = "."
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise InvalidInput(f"decimal {str(self.decimal)[:20]!r} is neither '.' nor ','", field="decimal")
        for text in self.true_values:
            if _plain(text) in map(_plain, self.false_values):
                raise InvalidInput(
                    f"{text!r:.40} stands in true_values and in false_values; leave one out", field="true_values"
                )

    @classmethod
    def of(cls, decimal: str = ".", true_values: Sequence[str] = (), false_values: Sequence[str] = ()) -> TextRules:
        """From the arguments of a public method. Raises InvalidInput."""
        check_list_of_texts(true_values, "true_values")
        check_list_of_texts(false_values, "false_values")
        return cls(decimal, tuple(true_values), tuple(false_values))


AS_WRITTEN = TextRules()


def read_text(text: str, value_type: ValueType, rules: TextRules = AS_WRITTEN) -> object:
    """The value of a text: a Python value of the type. Blanks around a number are ignored.

    Raises ValueError if the text is not one: `0x10` and `1_000` are no numbers, `3.0` is the int 3, `3.5` is no int.
    With a decimal comma `3,5` is a number, and `3.5` and `1.234,5` are none.
    """
    if value_type is ValueType.BOOL:
        return _bool(text, _truth(rules))
    if rules.decimal == "," and value_type in (ValueType.INT, ValueType.DOUBLE):
        if "." in text:
            raise ValueError(text)
        text = text.replace(",", ".")
    return _READERS[value_type](text)


def _int(text: str) -> int:
    stripped = text.strip(" \t")
    if INT.fullmatch(stripped) is None:
        raise ValueError(text)
    return int(stripped.partition(".")[0])


def _double(text: str) -> float:
    stripped = text.strip(" \t")
    if DOUBLE.fullmatch(stripped) is None:
        raise ValueError(text)
    if _WHOLE.fullmatch(stripped) and len(stripped) < 400 and abs(int(stripped)) >= EXACT_INT_LIMIT:
        # As in a frame: an integer that a double might round stays one, and is refused where doubles are stored.
        return int(stripped)
    return float(stripped)


def declaration_for(text: str, value_type: ValueType, rules: TextRules = AS_WRITTEN) -> str:
    """What may be declared so that a text is read as a value of the type, "" for none that is known."""
    if value_type is ValueType.BOOL:
        return "true_values= and false_values= for such texts" if _plain(text) in _WORDS else ""
    other = "," if rules.decimal == "." else "."
    try:
        read_text(text, value_type, replace(rules, decimal=other))
    except ValueError:
        return ""
    return f"decimal='{other}' if it is a number"


@lru_cache
def _truth(rules: TextRules) -> Mapping[str, bool]:
    declared = dict.fromkeys(map(_plain, rules.true_values), True)
    return _TRUTH | declared | dict.fromkeys(map(_plain, rules.false_values), False)


def _plain(text: str) -> str:
    return text.strip(" \t").lower()


def _bool(text: str, truth: Mapping[str, bool]) -> bool:
    found = truth.get(_plain(text))
    if found is None:
        raise ValueError(text)
    return found


def _vector(text: str) -> list[float]:
    try:
        found = json.loads(text) if len(text) <= _MAX_VECTOR_TEXT else None
        if isinstance(found, list) and all(type(each) in (int, float) for each in found):
            return [float(each) for each in found]
    except (RecursionError, OverflowError) as error:
        raise ValueError(text) from error
    raise ValueError(text)


_READERS: dict[ValueType, Callable[[str], object]] = {
    ValueType.DOUBLE: _double,
    ValueType.INT: _int,
    ValueType.VECTOR: _vector,
    ValueType.TEXT: str,
}
