"""Which columns hold the entity ids and the times, and how the times are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from featurama_cli.proposal.facts import ColumnFacts
from featurama_cli.proposal.names import name_of
from featurama_cli.proposal.types import plural
from featurama_core.types.names import MAX_ENTITY_ID_BYTES
from featurama_core.types.time_texts import ISO_8601

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FROM, _UNTIL = 31_536_000, 4_102_444_800  # 1971 to 2100: in these years no number is a time of two units.
_TIME_WORDS = {
    "timestamp": 3.0,
    "event_time": 3.0,
    "event_timestamp": 3.0,
    "datetime": 2.5,
    "time": 2.0,
    "date": 2.0,
    "ts": 2.0,
    "day": 1.0,
    "when": 1.0,
    "at": 1.0,
    "epoch": 1.0,
    "unix": 1.0,
    "utc": 1.0,
    "created": 1.0,
    "updated": 0.5,
    "seen": 1.0,
    "observed": 1.0,
    "measured": 1.0,
    "recorded": 1.0,
    "received": 1.0,
    "sent": 1.0,
    "started": 1.0,
    "start": 1.0,
}
_NOT_THE_TIME = {"birth", "born", "birthday", "dob", "expiry", "expires", "end", "until"}
_YEAR_WORDS = {"year", "yr", "season", "jahr", "annee", "anno", "ano"}
_ID_WORDS = ("id", "uuid", "guid", "key")
_NAMING_WORDS = ("name", "code", "symbol", "ticker", "sku", "sensor", "device", "station", "user", "customer", "player")
_CLOSE = 1.0
_FEW, _MANY = 3, 50
_SURE = 3.0


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """How the times of a column are read. score: how likely it is the event time. cast: or ""."""

    name: str
    score: float
    form: str | None = None
    unit: str | None = None
    naive: bool = False
    cast: str = ""
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """The chosen column, None without one, and others that might be meant."""

    chosen: str | None
    others: tuple[str, ...] = field(default=())
    sure: bool = False


def time_of(facts: ColumnFacts) -> TimeColumn | None:
    """The reading of a column as times; None if it holds none."""
    if not facts.values:
        return None
    words = _words(facts.name)
    named = max((_TIME_WORDS.get(word, 0.0) for word in (*words, name_of(facts.name, ""))), default=0.0)
    named -= 4.0 * bool(_NOT_THE_TIME & set(words))
    lacking = 1.0 * (facts.nulls > 0) + 1.0 * facts.constant
    if facts.kinds <= {"time", "date"}:
        return TimeColumn(facts.name, 3 + named - lacking, naive=facts.zoned < facts.values)
    found = (_number(facts, named) or _digits(facts, named)) if _has_numbers(facts) else _texts(facts, named)
    if found is None:
        return None
    return TimeColumn(facts.name, found.score - lacking, found.form, found.unit, found.naive, found.cast, found.unsure)


def _texts(facts: ColumnFacts, named: float) -> TimeColumn | None:
    best = facts.forms.best(facts.values)
    if not best:
        return None
    form, rows = best[0]
    unsure = [f"{other} reads as many rows" for other, count in best[1:] if count == rows and _differ(form, other)]
    if rows < facts.values:
        unsure.append(f"{plural(facts.values - rows, 'value has', 'values have')} another form and would be rejected")
    return TimeColumn(
        facts.name,
        3 + named - (rows < facts.values),
        form=None if form == ISO_8601 else form,
        naive=facts.forms.zoned < rows,
        unsure=tuple(unsure[:2]),
    )


def _number(facts: ColumnFacts, named: float) -> TimeColumn | None:
    """Seconds or parts of them since 1970."""
    low, high = float(facts.low or 0), float(facts.high or 0)
    for unit, scale in _UNITS.items():
        if _FROM <= high / scale <= _UNTIL:
            first, last = (datetime.fromtimestamp(each / scale, UTC).date() for each in (max(low, 0), high))
            sure = low / scale >= _FROM and named > 0
            question = () if sure else (f"numbers that in {unit} are times from {first} to {last}",)
            return TimeColumn(facts.name, (2 if sure else 0.5) + named, unit=unit, unsure=question)
    return None


def _digits(facts: ColumnFacts, named: float) -> TimeColumn | None:
    """Days such as 20240131."""
    low, high = facts.low or 0, facts.high or 0
    if named <= 0 or facts.fractions or not 19_000_101 <= low <= high <= 21_001_231:
        return None
    cast = "" if facts.kinds == {"text"} else "text"
    return TimeColumn(facts.name, 2 + named, form="%Y%m%d", naive=True, cast=cast)


def chosen_time(columns: Iterable[TimeColumn]) -> Candidates:
    """The likeliest event time."""
    return _chosen([(each.score, each.name) for each in columns if each.score > 0], least=0.5, sure=1.5)


def chosen_entity(columns: Sequence[ColumnFacts], rows: int, *, timed: bool) -> Candidates:
    """The likeliest column of entity ids. timed: whether rows of one entity differ in their times."""
    scored = [(score, each.name) for each in columns if (score := _entity_score(each, rows, timed=timed)) > 0]
    return _chosen(scored, least=1.0, sure=_SURE)


def _entity_score(facts: ColumnFacts, rows: int, *, timed: bool) -> float:
    numeric = _has_numbers(facts) and not facts.counts["padded"]
    if not facts.values or not facts.kinds <= {"text", "int", "double"} or facts.longest > MAX_ENTITY_ID_BYTES:
        return 0
    words = _words(facts.name)
    score = 0.0
    if name_of(facts.name, "") == "source_entity_id":
        score = 10
    elif words[-1] in _ID_WORDS:
        score = 5 if len(words) > 1 else 4.5
    elif facts.folder and not numeric:
        score = 4
    elif facts.index:
        score = 3.5 if not numeric else 1.0 * (not timed)
    elif not numeric and not facts.written_numbers:
        score = 2.5 if words[-1] in _NAMING_WORDS else 1.5
    # Whole numbers beside nulls become doubles in pandas, and `1.0` in a CSV.
    if numeric and (facts.fractions or (score < _SURE and (facts.counts["floats"] or not facts.index))):
        return 0
    repeated = facts.distinct.count < 0.98 * rows
    if not timed and repeated and not facts.index:
        return 0
    few = rows >= _MANY and facts.distinct.count <= _FEW and score < _SURE
    return score - 2 * (facts.values < rows) - 2 * facts.constant * (not facts.folder) - few


def with_clock(time: TimeColumn, columns: Sequence[ColumnFacts]) -> tuple[TimeColumn, str] | None:
    """(the times of a column of dates together with the times of day in the column beside it, the name of that one)."""
    at = next(number for number, facts in enumerate(columns) if facts.name == time.name)
    days = columns[at]
    is_day = days.kinds == {"date"} or (time.form is not None and "%H" not in time.form and "%I" not in time.form)
    is_iso = time.form is None and time.unit is None and days.kinds <= {"text", "date"} and not days.forms.clocked
    if time.unit is not None or not (is_day or is_iso):
        return None
    for facts in (*columns[at + 1 : at + 2], *columns[max(at - 1, 0) : at]):
        is_typed = bool(facts.kinds) and all(each.startswith(("time32", "time64")) for each in facts.kinds)
        form = facts.clocks.of_all(facts.values) if facts.kinds == {"text"} else None
        if not is_typed and form is None:
            continue
        is_plain = is_typed or facts.clocks.padded == facts.values
        if time.form is None and is_plain:
            return time, facts.name
        return replace(time, form=f"{time.form or '%Y-%m-%d'} {form or '%H:%M:%S'}"), facts.name
    return None


def is_named_as_id(name: str) -> bool:
    """Whether the name of a column says that it holds ids."""
    return _words(name)[-1] in (*_ID_WORDS, *_NAMING_WORDS)


def year_columns(columns: Iterable[ColumnFacts]) -> list[tuple[str, int, int]]:
    """(name, first, last) of the columns that hold years alone, which are no times."""
    found = []
    for facts in columns:
        whole = facts.kinds == {"int"} or (_has_numbers(facts) and facts.counts["int"] == facts.values)
        low, high = facts.low or 0, facts.high or 0
        if facts.values and whole and _YEAR_WORDS & set(_words(facts.name)) and 1000 <= low <= high < 2200:
            found.append((facts.name, int(low), int(high)))
    return found


def _chosen(scored: list[tuple[float, str]], *, least: float, sure: float) -> Candidates:
    best = sorted(scored, key=lambda each: -each[0])
    if not best or best[0][0] < least:
        return Candidates(None, tuple(name for _, name in best))
    score, name = best[0]
    others = tuple(other for near, other in best[1:] if near > score - _CLOSE)
    return Candidates(name, others, score >= sure and not others)


def _has_numbers(facts: ColumnFacts) -> bool:
    if facts.kinds == {"text"}:
        return facts.loose and facts.counts["double"] == facts.values
    return facts.kinds <= {"int", "double"}


def _differ(form: str, other: str) -> bool:
    """Whether two forms may read one text as two times."""
    return sorted(form) == sorted(other)


def _words(name: str) -> list[str]:
    return name_of(name, "").removeprefix("source_").split("_")
