"""A layout: the sorted set of (feature, version, type) that one packed cell holds.

Its id is the first 8 bytes of SHA-256 over that list, so replicas agree on it without communication. A tombstone is
stored among the cells under an id derived in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import ValueType, parse_value_type, type_text

_REMEMBERED_CHOICES = 256
TAIL_TYPES = (ValueType.TEXT, ValueType.VECTOR)
"""The types whose values stand behind the slots of a cell."""


@dataclass(frozen=True, slots=True, order=True)
class LayoutField:
    """One feature version in a layout."""

    name: str
    version: int
    value_type: ValueType
    vector_length: int = 0

    @classmethod
    def of(cls, definition: FeatureDefinition) -> LayoutField:
        """The field that holds this definition's values."""
        return cls(definition.name, definition.version, definition.value_type, definition.vector_length)

    @property
    def key(self) -> tuple[str, int]:
        """(name, version)."""
        return self.name, self.version


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Fields of a layout in some order. positions: intp[k]. are_doubles: whether all are."""

    fields: tuple[LayoutField, ...]
    positions: NDArray[np.intp]
    are_doubles: bool

    @classmethod
    def of(cls, layout: Layout, positions: Sequence[int]) -> Choice:
        """The fields at these positions."""
        fields = tuple(layout.fields[each] for each in positions)
        are_doubles = all(each.value_type is ValueType.DOUBLE for each in fields)
        return cls(fields, np.array(positions, dtype=np.intp), are_doubles)


@dataclass(frozen=True)
class Layout:
    """Fields sorted by name and version."""

    fields: tuple[LayoutField, ...]

    @classmethod
    def of(cls, definitions: Iterable[FeatureDefinition]) -> Layout:
        """The layout of a column set."""
        return cls(tuple(sorted(LayoutField.of(definition) for definition in definitions)))

    @classmethod
    def parse(cls, text: str) -> Layout:
        """The inverse of `text`."""
        fields = []
        for part in text.split("\n"):
            name, version, type_name = part.split(" ")
            fields.append(LayoutField(name, int(version), *parse_value_type(type_name)))
        return cls(tuple(fields))

    @cached_property
    def text(self) -> str:
        """The stored and hashed form: one line `name version type` per field."""
        return "\n".join(
            f"{field.name} {field.version} {type_text(field.value_type, field.vector_length)}" for field in self.fields
        )

    @cached_property
    def layout_id(self) -> int:
        """Signed 64-bit id."""
        return _id_of(self.text)

    @cached_property
    def tailed(self) -> tuple[int, ...]:
        """Positions of the fields with values in the tail of a cell."""
        return tuple(at for at, field in enumerate(self.fields) if field.value_type in TAIL_TYPES)

    @cached_property
    def _choices(self) -> dict[tuple[int, ...] | None, Choice]:
        """What is known of the fields that reads choose; see `choice`."""
        return {}

    def choice(self, fields: tuple[int, ...] | None) -> Choice:
        """Some fields, by their positions; None for all."""
        known = self._choices.get(fields)
        if known is None:
            if len(self._choices) >= _REMEMBERED_CHOICES:
                self._choices.clear()
            known = self._choices[fields] = Choice.of(self, range(len(self.fields)) if fields is None else fields)
        return known

    @cached_property
    def positions(self) -> dict[tuple[str, int], int]:
        """(name, version) -> position of its field."""
        return {field.key: position for position, field in enumerate(self.fields)}


@lru_cache(maxsize=100_000)
def tombstone_id(feature_name: str = "") -> int:
    """Id of the tombstone of an entity's feature, or of the whole entity (empty name)."""
    return _id_of(f"deleted\n{feature_name}")


def _id_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
