"""The type of a feature from the facts about its column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from featurama_cli.proposal.facts import MOSTLY, ColumnFacts
from featurama_cli.proposal.names import name_of
from featurama_core.types.values import EXACT_INT_LIMIT, MAX_TEXT_BYTES, MAX_VECTOR_LENGTH

_INT64 = 2**63
_TRUTHS = (
    *(("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off")),
    *(("ja", "nein"), ("j", "n"), ("oui", "non"), ("o", "n"), ("si", "no"), ("sì", "no"), ("sí", "no"), ("s", "n")),
)
"""Words of true and false, in lower case."""


@dataclass(frozen=True, slots=True)
class Choice:
    """type: as in YAML, "" if the column is left out. cast: named in the mapping, or "". unsure: the questions.

    words: the texts of true and false, or none.
    """

    type: str
    cast: str = ""
    unsure: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def chosen_type(facts: ColumnFacts) -> Choice:
    """The type that takes all values without loss."""
    if not facts.values:
        return Choice("", unsure=("no value in any row",))
    choice = _of_texts(facts) if facts.loose and facts.kinds == {"text"} else _of_types(facts)
    if choice.type and facts.constant:
        return replace(choice, unsure=(*choice.unsure, "the same value in every row; keep it?"))
    return choice


def _of_texts(facts: ColumnFacts) -> Choice:
    counts, values = facts.counts, facts.values
    if counts["truth"] == values:
        return Choice("bool")
    if (words := _truth_words(facts)) is not None:
        question = f"{words[0]!r} and {words[1]!r} as bool; or text"
        return Choice("bool", unsure=(question,), words=words)
    if counts["padded"] and not facts.written_numbers:
        return Choice("text")
    if counts["int"] == values:
        return _of_whole(facts, "") if not counts["floats"] else _of_whole_doubles(facts, "")
    if counts["double"] == values:
        return Choice("double") if counts["floats"] and not counts["too_large"] else Choice("text")
    if counts["vector"] == values:
        return _of_vectors(facts)
    others = values - counts["double"]
    if counts["double"] >= MOSTLY * values:
        shown = ", ".join(map(shortened, facts.no_numbers))
        kind = "double" if counts["floats"] else "int"
        problem = f"{plural(others, 'value is', 'values are')} no number ({shown}) and would be rejected; or text"
        return Choice(kind, unsure=(problem,))
    if facts.written_numbers:
        shown = ", ".join(map(shortened, facts.no_numbers))
        fix = "rewrite the column as 1234.75 for double"
        if facts.has_decimal_comma:
            fix = 'declare decimal: "," for double, if the comma parts no thousands, and all columns have it'
        return Choice("text", unsure=(f"numbers such as {shown} stay texts; {fix}",))
    return _of_long_texts(facts)


def _truth_words(facts: ColumnFacts) -> tuple[str, str] | None:
    """The texts of true and false, if the column has these two alone."""
    for true, false in _TRUTHS:
        if set(facts.words) == {true, false} and facts.distinct.count <= len(facts.words):
            return facts.words[true], facts.words[false]
    return None


def _of_types(facts: ColumnFacts) -> Choice:
    kinds = facts.kinds
    if kinds == {"bool"}:
        return Choice("bool")
    if kinds == {"int"}:
        return _of_whole(facts, "bool") if _high(facts) < _INT64 else Choice("text", "text")
    if kinds <= {"int", "double", "decimal"}:
        cast = "decimal" in kinds
        if facts.fractions:
            too_many = "int" in kinds and _high(facts) >= EXACT_INT_LIMIT
            lossy: tuple[str, ...] = _inexact(facts)
            lossy += ("an int beyond 2^53 beside fractions would be rejected",) if too_many else ()
            return Choice("double", "double" if cast else "", lossy)
        if cast:
            return (
                Choice("int", "int")
                if _high(facts) < _INT64
                else Choice("double", "double", ("beyond 64 bits", *_inexact(facts)))
            )
        return _of_whole_doubles(facts, "bool")
    if kinds == {"text"}:
        return _of_long_texts(facts)
    if kinds == {"vector"}:
        return _of_vectors(facts)
    if kinds <= {"time", "date"}:
        return Choice("", unsure=("holds times, which no feature type has",))
    return Choice("", unsure=(f"holds {' and '.join(sorted(kinds))}, which no feature type has",))


def _inexact(facts: ColumnFacts) -> tuple[str, ...]:
    lost = facts.counts["inexact"]
    return (f"{plural(lost, 'value has', 'values have')} more digits than a double and would be rejected",) * bool(lost)


def _of_whole(facts: ColumnFacts, cast: str) -> Choice:
    if (facts.low, facts.high) != (0, 1):
        return Choice("int")
    parts = name_of(facts.name, "").split("_")
    is_flag = parts[0] in ("is", "has", "was", "can") or parts[-1] in ("flag", "bool")
    question = f"0 and 1 as bool; or int{', without the cast' if cast else ''}"
    return Choice("bool", cast, () if is_flag else (question,))


def _of_whole_doubles(facts: ColumnFacts, cast: str) -> Choice:
    if (facts.low, facts.high) == (0, 1):
        return _of_whole(facts, cast)
    if facts.nulls and _high(facts) < EXACT_INT_LIMIT:
        return Choice("int", unsure=("whole numbers beside nulls; or double, if fractions can come",))
    return Choice("double", unsure=("all values are whole; or int, if no fraction can come",))


def _of_vectors(facts: ColumnFacts) -> Choice:
    lengths: Sequence[int] = sorted(facts.lengths)
    if len(lengths) == 1 and 1 <= lengths[0] <= MAX_VECTOR_LENGTH:
        return Choice(f"vector[{lengths[0]}]")
    return Choice("", unsure=(f"vectors of the lengths {', '.join(map(str, lengths[:5]))}; a feature has one",))


def _of_long_texts(facts: ColumnFacts) -> Choice:
    unsure = []
    if facts.longest > MAX_TEXT_BYTES:
        unsure.append(f"a text has {facts.longest:,} bytes; those beyond {MAX_TEXT_BYTES:,} would be rejected")
    return Choice("text", unsure=tuple(unsure))


def _high(facts: ColumnFacts) -> float:
    return max(abs(facts.low or 0), abs(facts.high or 0))


def shortened(text: str) -> str:
    """A text in one line, for comments."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def plural(count: int, one: str, many: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {one if count == 1 else many}"
