"""The proposal: definitions and a mapping from the facts about the columns of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from featurama_cli.mapping_file import OPEN
from featurama_cli.proposal.facts import ColumnFacts
from featurama_cli.proposal.identities import key_sets, of_one_kind, role_options
from featurama_cli.proposal.names import kind_of_thing, name_of
from featurama_cli.proposal.roles import TimeColumn, chosen_entity, chosen_time, time_of, with_clock, year_columns
from featurama_cli.proposal.scan import Scanned
from featurama_cli.proposal.types import Choice, chosen_type, plural, shortened
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import RESERVED_NAMES

_LONG = ("feature_name", "value")
_NO_ZONE = "times have no zone; give theirs, such as UTC or Europe/Rome"


Check = Callable[["Proposal"], int | None]
"""Tries a proposal. -> the number of rows that share a key with others, None if that is not known."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A proposed feature. unsure: the questions."""

    name: str
    type: str
    unsure: tuple[str, ...] = ()


@dataclass(slots=True)
class Proposal:
    """mapping: the fields of `mapping:`. unsure: questions by field. left_out: (column, why). keys: of the entity type,
    name -> type.
    """

    entity_type: str
    group: str
    keys: dict[str, str] = field(default_factory=dict)
    features: list[Feature] = field(default_factory=list)
    mapping: dict[str, Any] = field(default_factory=dict)
    unsure: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, name: str, questions: Iterable[str]) -> None:
        """Add questions about a field of the mapping, `entity_types` or `features`."""
        if questions := list(questions):
            self.unsure.setdefault(name, []).extend(questions)

    @property
    def questions(self) -> int:
        """Number of lines that are marked as unsure."""
        return len(self.unsure) + sum(bool(each.unsure) for each in self.features) + len(self.left_out)


def propose(
    scanned: Scanned, given: Mapping[str, Any], *, stem: str, keys: Mapping[str, str] | None = None
) -> Proposal:
    """given: fields of the mapping that the user has decided. stem: the name of the files. keys: key columns instead of
    one of ids, column -> type. Raises InvalidInput.
    """
    for name in ("entity_column", "time_column"):
        if name in given and given[name] not in scanned.columns:
            shown = ", ".join(list(scanned.columns)[:20])
            raise InvalidInput(f"there is no column {given[name]!r}; there are {shown}", field=name)
    times = {name: read for name, facts in scanned.columns.items() if (read := time_of(facts)) is not None}
    time = _time_column(times, scanned, given)
    clock = ""
    if time is not None and "time_format" not in given and time.name in scanned.columns:
        time, clock = with_clock(time, list(scanned.columns.values())) or (time, "")
    taken = {time.name, clock} - {""} if time is not None else set()
    timed = time is not None or "timestamp" in given
    entity, unsure = (None, []) if keys else _entity_column(scanned, given, taken, timed=timed)
    table = name_of(stem, "values")
    kind = kind_of_thing(entity, scanned.columns) if entity is not None else ""
    made = Proposal(kind or name_of(stem, "thing"), table, mapping={**given, **scanned.found})
    made.ask("encoding", ["not UTF-8; this encoding may be another"] if "encoding" in scanned.found else [])
    if "decimal" in scanned.found:
        either = [
            each.name for each in scanned.columns.values() if each.counts["thousands"] == each.counts["commas"] > 0
        ]
        made.ask("decimal", [f"1,234 is read as 1.234 also in {', '.join(either)}"] if either else [])
    if not keys:
        made.mapping["entity_column"] = entity or OPEN
        made.ask("entity_column", unsure)
    _add_time(made, time, times, given, scanned)
    if clock and time is not None:
        made.mapping["clock_column"] = clock
        made.ask("clock_column", [f"are {time.name} and {clock} together the event time?"])
    renamed = _add_keys(made, keys or {})
    _add_columns(made, scanned, times, {*taken, *(keys or {}), *([entity] if entity is not None else [])}, renamed)
    if (alike := of_one_kind(scanned)) is not None:
        said = f"{' and '.join(alike[1])} name the same {alike[0]}s; label rows have a role for each:"
        made.ask("entity_types", [f"{said} {role_options(*alike)}"])
    _add_key_casts(made, scanned, entity, time)
    return _ordered(made)


def settled(scanned: Scanned, given: Mapping[str, Any], *, stem: str, check: Check) -> Proposal:
    """The proposal with one column of ids, or with key columns if rows share every single one of them, and a time."""
    made = propose(scanned, given, stem=stem)
    shared = check(made)
    sets = list(key_sets(scanned, {made.mapping.get("time_column", "")}))
    if shared == 0 or not sets or {"entity_column", "entity_id"} & set(given):
        return made
    for each in sets[-1]:
        alone = {**given, "entity_column": each}
        if each != made.mapping["entity_column"] and check(propose(scanned, alone, stem=stem)) == 0:
            return made
    tried = (propose(scanned, given, stem=stem, keys=keys) for keys in sets)
    return next((each for each in tried if check(each) == 0), made)


def _add_keys(made: Proposal, keys: Mapping[str, str]) -> dict[str, str]:
    """Add the keys of the entity type. -> column -> name."""
    named: dict[str, str] = {}
    for at, column in enumerate(keys, start=1):
        named[column] = name_of(column, f"key_{at}", named.values())
    made.keys = {named[column]: kind for column, kind in keys.items()}
    if keys:
        together = f"{' and '.join(made.keys)} name a row together, and none does alone"
        made.ask("entity_types", [f"{together}; are they the keys of its entity?"])
    return named


def _time_column(times: Mapping[str, TimeColumn], scanned: Scanned, given: Mapping[str, Any]) -> TimeColumn | None:
    if "timestamp" in given:
        return None
    if (name := given.get("time_column")) is not None:
        return times.get(name) or TimeColumn(name, 0, unsure=("its values are no times that are known",))
    chosen = chosen_time(each for name, each in times.items() if name != "ingested_at" and name in scanned.columns)
    return None if chosen.chosen is None else times[chosen.chosen]


def _entity_column(
    scanned: Scanned, given: Mapping[str, Any], keys: set[str], *, timed: bool
) -> tuple[str | None, list[str]]:
    if (name := given.get("entity_column")) is not None:
        return name, []
    columns = [
        each
        for name, each in scanned.columns.items()
        if name not in keys and (scanned.features is None or name not in _LONG)
    ]
    found = chosen_entity(columns, scanned.rows, timed=timed or scanned.features is not None)
    if found.chosen is None:
        per_row = "" if timed else " per row"
        return None, [f"no column has an id{per_row}; name one, or give entity_id: instead for one entity in all rows"]
    if found.others:
        return found.chosen, [f"the entity may also be {' or '.join(found.others)}"]
    return found.chosen, [] if found.sure else ["is it the entity that the rows describe?"]


def _add_time(
    made: Proposal,
    time: TimeColumn | None,
    times: Mapping[str, TimeColumn],
    given: Mapping[str, Any],
    scanned: Scanned,
) -> None:
    if time is None:
        if "timestamp" not in given:
            made.mapping["timestamp"] = OPEN
            years = [
                f"{name} holds years alone ({low} to {high}), which are no times"
                for name, low, high in year_columns(scanned.columns.values())
            ]
            made.ask(
                "timestamp", ["no column holds times; give one for all rows, such as 2026-01-01T00:00:00Z", *years]
            )
        return
    made.mapping["time_column"] = time.name
    others = [each.name for each in times.values() if each.name not in (time.name, "ingested_at")]
    near = [name for name in others if "time_column" not in given and times[name].score > time.score - 1]
    made.ask("time_column", [f"the event time may also be {' or '.join(near)}"] if near else [])
    about = "time_unit" if time.unit is not None else "time_format" if time.form is not None else "time_column"
    made.ask(about, time.unsure)
    if time.unit is not None:
        made.mapping.setdefault("time_unit", time.unit)
    if time.form is not None:
        made.mapping.setdefault("time_format", time.form)
    if time.naive and "timezone" not in given:
        made.mapping["timezone"] = OPEN
        made.ask("timezone", [_NO_ZONE])


def _add_columns(
    made: Proposal, scanned: Scanned, times: Mapping[str, TimeColumn], keys: set[str], key_names: Mapping[str, str]
) -> None:
    """The features, and what their columns need. key_names: column -> name of the keys of an entity type."""
    columns = {name: facts for name, facts in scanned.columns.items() if name not in keys and not facts.index}
    if columns.pop("ingested_at", None) is not None and "ingested_at" in times:
        made.mapping["ingested_at_unit"] = times["ingested_at"].unit
        made.ask("time_column", ["ingested_at makes this an import of old history, written with --bulk; else drop it"])
    if scanned.features is not None:
        _add_long(made, scanned.features, [name for name in columns if name not in _LONG])
        return
    choices = {name: _described(chosen_type(facts), times.get(name)) for name, facts in columns.items()}
    made.left_out += [(name, "; ".join(choice.unsure)) for name, choice in choices.items() if not choice.type]
    # A column that is left out keeps its name, unless `only` would keep the column.
    taken = (
        keys
        | {*key_names.values()}
        | {name for name, choice in choices.items() if not choice.type and name not in RESERVED_NAMES}
    )
    renamed = {column: name for column, name in key_names.items() if name != column}
    casts: dict[str, str] = {}
    numbers = {name: number for number, name in enumerate(scanned.columns, start=1)}
    for column, choice in choices.items():
        if not choice.type and column in taken:
            continue
        name = name_of(column, f"column_{numbers[column]}", taken)
        taken.add(name)
        if name != column:
            renamed[column] = name
        if choice.type:
            made.features.append(Feature(name, choice.type, choice.unsure))
            casts |= {name: choice.cast} if choice.cast else {}
            _add_words(made, choice.words)
    if made.left_out:
        made.mapping["only"] = [each.name for each in made.features]
    made.mapping |= {"rename": renamed, "casts": casts}
    foreign = [old for old, new in renamed.items() if new.startswith("column_")]
    made.ask("rename", [f"no Latin letters in {', '.join(map(shortened, foreign))}; choose names"] if foreign else [])
    _add_nulls(made, [columns[name] for name, choice in choices.items() if choice.type])


def _add_long(made: Proposal, features: Mapping[str, ColumnFacts], extra: list[str]) -> None:
    """The features that a long table names."""
    for name, facts in features.items():
        choice = chosen_type(facts)
        made.features.append(Feature(name, choice.type or "text", choice.unsure))
        _add_words(made, choice.words)
    made.left_out += [(name, "a long table has no further columns") for name in extra]
    made.mapping["only"] = list(_LONG) if extra else []
    wrong = [name for name in features if name_of(name, "") != name]
    made.ask("features", [f"these names are refused: {', '.join(map(shortened, wrong[:5]))}"] if wrong else [])


def _add_words(made: Proposal, words: Sequence[str]) -> None:
    for name, word in zip(("true_values", "false_values"), words, strict=False):
        made.mapping[name] = list(dict.fromkeys([*made.mapping.get(name, ()), word]))


def _add_nulls(made: Proposal, columns: list[ColumnFacts]) -> None:
    """Texts that mean null in columns of numbers mean null in all columns; in columns of texts alone they are texts."""
    pairs = list(zip(made.features, columns, strict=True))
    declared = list(dict.fromkeys(text for each, facts in pairs if each.type != "text" for text in facts.null_texts))
    if declared:
        made.mapping["null_values"] = [*made.mapping.get("null_values", ()), *declared]
    made.ask(
        "null_values",
        [
            f"{text!r} is null in {facts.name} too ({plural(facts.null_texts[text], 'row', 'rows')})"
            for text in declared
            for each, facts in pairs
            if each.type == "text" and text in facts.null_texts
        ],
    )
    made.features = [
        replace(each, unsure=(*each.unsure, *_kept(facts, declared))) if each.type == "text" else each
        for each, facts in pairs
    ]


def _kept(facts: ColumnFacts, declared: list[str]) -> list[str]:
    return [
        f"{text!r} in {plural(count, 'row', 'rows')} is a text; or declare null_values"
        for text, count in facts.null_texts.items()
        if text not in declared
    ]


def _add_key_casts(made: Proposal, scanned: Scanned, entity: str | None, time: TimeColumn | None) -> None:
    casts = made.mapping.setdefault("casts", {})
    facts = scanned.columns.get(entity or "")
    if facts is not None and (facts.kinds & {"int", "double", "decimal"} or facts.counts["floats"]):
        casts[facts.name] = "text"
    if time is not None and time.cast:
        casts[time.name] = time.cast


def _described(choice: Choice, time: TimeColumn | None) -> Choice:
    """A second column of times is a text, or left out."""
    if time is None or choice.type != "text":
        return choice
    return replace(choice, unsure=(*choice.unsure, "texts of times stay texts; keep it?"))


_ORDER = (
    *("entity_column", "entity_id", "time_column", "clock_column", "timestamp", "timezone", "time_unit", "time_format"),
    *("ambiguous", "ingested_at_unit", "rename", "only", "ignore_extra", "casts"),
    *("delimiter", "quote", "encoding", "null_values", "decimal", "true_values", "false_values"),
)


def _ordered(made: Proposal) -> Proposal:
    made.mapping = {name: made.mapping[name] for name in _ORDER if made.mapping.get(name) not in (None, {}, [])}
    return made
