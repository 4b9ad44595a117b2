"""The work of SQLite for one look at definitions does not grow with their number."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from featurama_core.storage.port import FeaturesOf
from featurama_core.storage.sqlite import definitions
from featurama_core.storage.sqlite.connections import Transaction
from featurama_core.storage.sqlite.migrations import apply_missing
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

FEW, MANY = 1_000, 20_000
LISTS: list[FeaturesOf | None] = [
    None, ("feature_group", "group_3"), ("entity_type", "entity"), ("references_type", "planet"),
]  # fmt: skip


def filled(features: int) -> sqlite3.Connection:
    """A namespace with this number of features in ten groups."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    apply_missing(connection, "crew")
    transaction = Transaction(connection, None)
    definitions.put_definitions(transaction, [FeatureGroup(f"group_{number}") for number in range(10)])
    some = [
        FeatureDefinition(f"f{at:06}", ValueType.TEXT, group=f"group_{at % 10}", references="planet")
        for at in range(features)
    ]
    definitions.put_definitions(transaction, some)
    definitions.put_definitions(transaction, [FeatureDefinition("another", ValueType.INT, group="group_1")])
    return connection


@pytest.fixture(scope="module")
def connections() -> Iterator[list[sqlite3.Connection]]:
    with closing(filled(FEW)) as few, closing(filled(MANY)) as many:
        yield [few, many]


LOOKS: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "unchanged": lambda connection: definitions.load_definitions(connection, 4, "x"),
    "one change": lambda connection: definitions.load_definitions(connection, 3, "x"),
    "first": lambda connection: definitions.load_definitions(connection, 0, "x"),
    "by name": lambda connection: definitions.read_features(connection, [f"f{at:06}" for at in range(0, FEW, 10)]),
    "known": lambda connection: definitions.known_feature_names(connection, [f"f{at:04}" for at in range(500)]),
    **{
        f"list of {of}": lambda connection, of=of: definitions.list_feature_names(connection, of, "f000100", 50)
        for of in LISTS
    },
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_at_definitions_takes_as_many_steps_among_many(connections: list[sqlite3.Connection], look: str) -> None:
    """But for the depth of the trees."""
    steps = []
    for connection in connections:
        counted = [0]

        def step(counted: list[int] = counted) -> int:
            counted[0] += 1
            return 0

        connection.set_progress_handler(step, 10)
        LOOKS[look](connection)
        connection.set_progress_handler(None, 0)
        steps.append(counted[0])
    assert steps[1] <= steps[0] * 1.1 + 5
