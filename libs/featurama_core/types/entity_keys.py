"""Key columns of an entity type, and the one canonical entity id that they make: `film:1`, `rating:17|1`.

The id is `<entity type>:` and the keys in declared order, joined by `|`. In a key `%`, `|` and `:` are written `%25`,
`%7C` and `%3A`, and nothing else is escaped; an int has its shortest decimal form. So no two keys share an id, no id
has two keys, and ids of different types never collide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, MAX_ENTITY_ID_BYTES, check_name, entity_id_problem
from featurama_core.types.values import ValueType, parse_value_type

MAX_KEYS = 8
KEY_TYPES = (ValueType.TEXT, ValueType.INT)

_INT = re.compile(r"0|-?[1-9][0-9]*")
_ESCAPE = re.compile(r"%(25|7C|3A)")
_WRONG_ESCAPE = re.compile(r"%(?!25|7C|3A)")

Key = str | int
EntityName = str | Mapping[str, Any]
"""One entity: its id, or its keys by name."""


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A key column of an entity type. value_type: TEXT or INT (64-bit)."""

    name: str
    value_type: ValueType = ValueType.TEXT


def key_columns(given: Any) -> tuple[KeyColumn, ...]:
    """Key columns from a list of names (text keys) or a mapping of names to "text" or "int"."""
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, (list, tuple)):
        pairs = [(name, "text") for name in given]
    else:
        pairs = [] if given is None else [(given, None)]
    if not all(isinstance(name, str) and isinstance(value_type, str) for name, value_type in pairs):
        raise _invalid(f"is {given!r:.80}; give a list of names, or names with types such as {{'user_id': 'int'}}")
    return tuple(KeyColumn(name, _key_type(name, value_type)) for name, value_type in pairs)


@dataclass(frozen=True)
class EntityKeys:
    """The codec of the ids of one entity type with key columns."""

    entity_type: str
    columns: tuple[KeyColumn, ...]

    @cached_property
    def prefix(self) -> str:
        """What all ids of the type begin with, and no other id."""
        return f"{self.entity_type}:"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the key columns, in order."""
        return tuple(each.name for each in self.columns)

    @property
    def room(self) -> int:
        """Bytes that are left for the escaped keys of an id."""
        return MAX_ENTITY_ID_BYTES - len(self.prefix) - len(self.columns) + 1

    def check(self) -> None:
        """Raise InvalidInput unless the columns are within their bounds."""
        if len(self.columns) > MAX_KEYS:
            raise _invalid(f"names {len(self.columns)} columns; at most {MAX_KEYS} are possible")
        for column in self.columns:
            check_name(column.name, "keys")
            if column.value_type not in KEY_TYPES:
                raise _no_key_type(column.name, column.value_type.label)
        if len(set(self.names)) != len(self.names):
            raise _invalid(f"names a column twice: {', '.join(self.names)}")

    def check_only(self, names: Iterable[str], otherwise: str = "") -> None:
        """Raise InvalidInput for a column that is neither a key nor entity_id. otherwise: the fix for such a column."""
        for name in names:
            if name not in ("entity_id", *self.names):
                fix = did_you_mean(name, self.names, otherwise)
                problem = f"column {name!r:.80} is no key of {self.entity_type}, which has {', '.join(self.names)}"
                raise InvalidInput(f"{problem}; {fix}" if fix else problem, field=name)

    def encode(self, keys: Sequence[Key]) -> str:
        """The id of these keys, one per column. InvalidInput for a key that no id can hold."""
        if len(keys) != len(self.columns):
            raise InvalidInput(
                f"{self.entity_type} has the keys {', '.join(self.names)}; {len(keys)} values are given",
                reason=Reason.INVALID_ENTITY_ID,
                field="entity_id",
            )
        parts = [_encoded(column, key) for column, key in zip(self.columns, keys, strict=True)]
        entity_id = self.prefix + "|".join(parts)
        if problem := entity_id_problem(entity_id):
            raise InvalidInput(problem, reason=Reason.INVALID_ENTITY_ID, field="entity_id")
        return entity_id

    def decode(self, entity_id: str) -> tuple[Key, ...]:
        """The keys of a canonical id. InvalidInput for any other text."""
        if problem := self.problem(entity_id):
            raise InvalidInput(problem, reason=Reason.INVALID_ENTITY_ID, field="entity_id")
        parts = entity_id.removeprefix(self.prefix).split("|")
        return tuple(
            int(part) if column.value_type is ValueType.INT else _ESCAPE.sub(_unescaped, part)
            for column, part in zip(self.columns, parts, strict=True)
        )

    def problem(self, entity_id: str) -> str | None:
        """Why a text is not an id of the type, None if it is one."""
        if problem := entity_id_problem(entity_id):
            return problem
        if not entity_id.startswith(self.prefix):
            return (
                f"entity_id {entity_id!r} is no id of {self.entity_type}: such ids begin with {self.prefix!r} and are"
                f" made of {', '.join(self.names)}"
            )
        parts = entity_id.removeprefix(self.prefix).split("|")
        if len(parts) != len(self.columns):
            return f"entity_id {entity_id!r} has {len(parts)} keys; {self.entity_type} has {', '.join(self.names)}"
        for column, part in zip(self.columns, parts, strict=True):
            if not part:
                return f"entity_id {entity_id!r} has no {column.name}"
            if column.value_type is ValueType.INT:
                if not is_int_key(part):
                    return f"entity_id {entity_id!r}: {column.name} is {part!r}, not a 64-bit int in its shortest form"
            elif ":" in part or _WRONG_ESCAPE.search(part):
                return (
                    f"entity_id {entity_id!r}: {column.name} is {part!r}; write % as %25, | as %7C and : as %3A, and"
                    " nothing else with %"
                )
        return None


@dataclass(frozen=True, slots=True)
class IdRules:
    """To which entity types with keys ids belong. of: the codec of each such type."""

    of: Mapping[str, EntityKeys] = field(default_factory=dict)

    def problem(self, entity_id: str, entity_type: str) -> tuple[Reason, str] | None:
        """Why an id cannot be that of an entity of a type; None if it can. Features of `entity` take any id."""
        if (keys := self.of.get(entity_type)) is not None:
            problem = keys.problem(entity_id)
            return None if problem is None else (Reason.INVALID_ENTITY_ID, problem)
        owner = self.owner(entity_id)
        if owner is None or entity_type == DEFAULT_ENTITY_TYPE:
            return None
        problem = f"entity_id {entity_id!r} is of a {owner.entity_type}, as it begins with {owner.prefix!r}"
        return Reason.ENTITY_TYPE_MISMATCH, f"{problem}; it is no id of a {entity_type}"

    def check(self, entity_id: str, entity_type: str) -> None:
        """Raise InvalidInput if an id has a `problem`."""
        if (found := self.problem(entity_id, entity_type)) is not None:
            raise InvalidInput(found[1], reason=found[0], field="entity_id")

    def owner(self, entity_id: str) -> EntityKeys | None:
        """The type to which an id belongs because it begins with the name of the type and a colon."""
        name, colon, _ = entity_id.partition(":")
        return self.of.get(name) if colon else None


def text_key(text: str) -> str:
    """A text key as it stands in an id."""
    return text.replace("%", "%25").replace("|", "%7C").replace(":", "%3A")


def is_int_key(part: str) -> bool:
    """Whether a text is the one form of an int key: decimal, within 64 bits, without sign or zeros in front."""
    # A longer text is no int64, and int() of a very long one takes long.
    return len(part) <= 20 and _INT.fullmatch(part) is not None and -(2**63) <= int(part) < 2**63


def _encoded(column: KeyColumn, key: object) -> str:
    if column.value_type is ValueType.INT:
        if isinstance(key, int) and not isinstance(key, bool) and -(2**63) <= key < 2**63:
            return str(key)
        problem = f"is {key!r}; it must be a 64-bit int"
    elif isinstance(key, str) and key:
        return text_key(key)
    else:
        problem = f"is {key!r}; it must be text that is not empty"
    raise InvalidInput(f"{column.name} {problem}", reason=Reason.INVALID_ENTITY_ID, field=column.name)


def _key_type(name: str, given: str) -> ValueType:
    try:
        return parse_value_type(given)[0]
    except InvalidInput as error:
        raise _no_key_type(name, given) from error


def _no_key_type(name: str, given: str) -> InvalidInput:
    return _invalid(f"gives {name!r} the type {given:.40}; a key is text or int")


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(f"keys {problem}", reason=Reason.INVALID_DEFINITION, field="keys")
