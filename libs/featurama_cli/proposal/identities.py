"""Columns that name things: those that may be the keys of an entity type together, and those of one kind of thing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

from featurama_cli.proposal.facts import ColumnFacts
from featurama_cli.proposal.names import name_of
from featurama_cli.proposal.roles import is_named_as_id
from featurama_cli.proposal.scan import Scanned
from featurama_cli.proposal.types import chosen_type

_MOST_KEYS, _MOST_TRIED = 8, 3
_IN_COMMON = 0.5
_LEAST = 2


def key_sets(scanned: Scanned, taken: Collection[str]) -> Iterator[dict[str, str]]:
    """Sets of columns that may be keys together, column -> type, the smallest first. taken: columns that are none.

    None if a column alone is different in nearly all rows.
    """
    found = {
        name: kind
        for name, facts in scanned.columns.items()
        if name not in taken and is_named_as_id(name) and (kind := _key_type(facts, scanned.rows))
    }
    if scanned.features is not None or not 1 < len(found) <= _MOST_KEYS:
        return
    if any(scanned.columns[name].distinct.count >= 0.98 * scanned.rows for name in found):
        return
    if len(found) == _MOST_TRIED:
        yield from ({name: found[name] for name in pair} for pair in combinations(found, 2))
    yield found


def of_one_kind(scanned: Scanned) -> tuple[str, list[str]] | None:
    """(the kind, columns) of the first columns that name things of one kind: of `home_team` and `away_team`, which have
    most of their values in common, `team`.
    """
    alike: dict[str, list[ColumnFacts]] = {}
    for facts in scanned.columns.values():
        if (kind := _kind(facts)) is not None:
            alike.setdefault(kind, []).append(facts)
    for kind, columns in alike.items():
        together = [each for each in columns if any(each is not other and _share(each, other) for other in columns)]
        if len(together) > 1:
            return kind, [each.name for each in together]
    return None


def role_options(kind: str, columns: Sequence[str]) -> str:
    """The roles of such columns, as the command takes them."""
    roles = [name_of(each, "").removesuffix("_id").removesuffix(f"_{kind}") for each in columns]
    return " ".join(f"--role {role}={kind}:{column}" for role, column in zip(roles, columns, strict=True))


def _key_type(facts: ColumnFacts, rows: int) -> str:
    """The type of a key; "" for a column that is none."""
    if facts.values < rows or facts.constant or facts.fractions or not facts.kinds <= {"text", "int", "double"}:
        return ""
    kind = chosen_type(facts).type
    return "text" if kind == "text" else "int" if kind in ("int", "double", "bool") else ""


def _kind(facts: ColumnFacts) -> str | None:
    """The kind of thing in the name of a column: of `home_team` and `home_team_id` `team`. Numbers must be named so."""
    words = name_of(facts.name, "").split("_")
    is_id = words[-1] == "id"
    words = words[:-1] if is_id else words
    if len(words) < 2 or facts.distinct.count < _LEAST or not facts.kinds <= {"text", "int"}:
        return None
    is_number = facts.kinds == {"int"} or (facts.loose and facts.counts["double"] > 0)
    return None if is_number and not is_id else words[-1]


def _share(one: ColumnFacts, other: ColumnFacts) -> bool:
    return one.distinct.shared_with(other.distinct) >= _IN_COMMON
