"""Ids of entity types with key columns, for the oracle: written from "Entity keys" in semantics.md alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GivenKey = float | int | str | None
"""A key as a row has it. A null, or what no id can hold, names nobody."""


@dataclass(frozen=True)
class KeyedType:
    """An entity type and its key columns in declared order: (name, "int" or "text")."""

    name: str
    columns: tuple[tuple[str, str], ...]

    def id_of(self, keys: Sequence[GivenKey]) -> str | None:
        """The one id of these keys; None if they name nobody."""
        parts = [_part(kind, key) for (_, kind), key in zip(self.columns, keys, strict=True)]
        if None in parts:
            return None
        entity = f"{self.name}:{'|'.join(map(str, parts))}"
        return entity if len(entity.encode()) <= 256 else None

    def owns(self, entity: str) -> bool:
        """Whether an id belongs to the type, canonical or not."""
        return entity.startswith(f"{self.name}:")

    def is_id(self, entity: str) -> bool:
        """Whether a text is the id of some keys."""
        parts = entity.removeprefix(f"{self.name}:").split("|")
        if not self.owns(entity) or len(parts) != len(self.columns):
            return False
        keys = [_key(kind, part) for (_, kind), part in zip(self.columns, parts, strict=True)]
        return self.id_of(keys) == entity


def _part(kind: str, key: GivenKey) -> str | None:
    """A key as it stands in an id."""
    if kind == "int":
        if isinstance(key, float):
            return str(int(key)) if key.is_integer() and abs(key) < 2**53 else None
        return str(key) if isinstance(key, int) and -(2**63) <= key < 2**63 else None
    if not isinstance(key, str) or not key or any(ord(each) < 32 for each in key):
        return None
    return "".join({"%": "%25", "|": "%7C", ":": "%3A"}.get(each, each) for each in key)


def _key(kind: str, part: str) -> GivenKey:
    """The key that would be written like this, if any is."""
    if kind == "text":
        return part.replace("%7C", "|").replace("%3A", ":").replace("%25", "%")
    try:
        return int(part)
    except ValueError:
        return None
