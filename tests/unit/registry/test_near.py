"""What is proposed for unknown names of features, and how little of a large namespace is read for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from featurama_core.registry.near import fixes
from featurama_core.registry.snapshot import UNKNOWN_NAME
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import ValueType

pytestmark = pytest.mark.unit


class Listed:
    """The part of a namespace's storage that lists names. deleted: those among them whose features are deleted."""

    def __init__(self, names: Sequence[str], deleted: Sequence[str] = ()) -> None:
        self._names = sorted(names)
        self._deleted = deleted
        self.pages: list[tuple[str, int]] = []

    async def list_feature_names(self, _of: None, first: str, limit: int) -> list[str]:
        self.pages.append((first, limit))
        return [each for each in self._names if each >= first][:limit]

    async def known_feature_names(self, names: Sequence[str]) -> set[str]:
        assert len(names) == len(set(names))
        return set(names) & set(self._names)

    async def read_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        return [
            FeatureDefinition(each, ValueType.INT, deleted=each in self._deleted)
            for each in names
            if each in self._names
        ]


async def proposed(storage: Listed, *unknown: str) -> dict[str, str]:
    found: Any = storage
    return await fixes(found, list(unknown))


NAMES = [f"f{number:04}" for number in range(1_001)]


async def test_names_of_a_small_namespace_are_all_compared() -> None:
    """Of a thousand names at most; for the first 32 unknown names, also for those that are like none."""
    few = Listed([*NAMES[:998], "population", "temperature"])
    meant = "did you mean 'population'?"
    assert {"poulaton": meant, "xyz": UNKNOWN_NAME} == await proposed(few, "poulaton", "xyz")
    assert [("", 1_001)] == few.pages
    assert 32 == len(await proposed(few, *(f"x{number}" for number in range(40))))


async def test_names_of_a_large_namespace_are_one_keystroke_away_or_follow() -> None:
    """For the first three unknown names, with a page of names for each, from three quarters of it on."""
    many = Listed([*NAMES[:999], "population", "temperature"])
    found = await proposed(many, "poulation", "temperatu_x", "populatxxxxx", "temperaturf")
    assert {
        "poulation": "did you mean 'population'?",
        "temperatu_x": "did you mean 'temperature'?",
        "populatxxxxx": UNKNOWN_NAME,
    } == found
    assert [("", 1_001), ("poulati", 50), ("temperatu", 50), ("populatxx", 50)] == many.pages


async def test_a_short_name_begins_the_names_that_follow() -> None:
    """All of it."""
    many = Listed([*NAMES, "abcd"])
    assert {"abc": "did you mean 'abcd'?"} == await proposed(many, "abc")
    assert ("abc", 50) == many.pages[-1]


async def test_deleted_features_and_names_that_are_none_are_not_proposed() -> None:
    """Another one may be."""
    few = Listed(["speed_a", "speed_b"], ["speed_a"])
    assert {"speed_x": "did you mean 'speed_b'?"} == await proposed(few, "speed_x")
    few = Listed(["speed_a"], ["speed_a"])
    assert {"speed_x": UNKNOWN_NAME} == await proposed(few, "speed_x")
