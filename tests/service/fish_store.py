"""A store of fish, whose kind, grade and score follow from their length: for models of classes and of numbers."""

from __future__ import annotations

import numpy as np
from tests.opened import OpenedStore

FISH = 240
HOUR = 3_600_000_000
BEGAN = 1_767_225_600_000_000
KINDS = ("carp", "eel & $2", "shark")
"""In no order of size: by length they are eel, carp, shark."""


def fish(number: int) -> str:
    return f"fish_{number:03}"


def kind(length: float) -> str:
    return KINDS[1] if length < 1 else KINDS[0] if length < 2 else KINDS[2]


async def fill(store: OpenedStore) -> None:
    """Fish whose kind follows from their length; it was seen an hour after they were measured."""
    await store.register_entity_type("fish")
    for name, value_type in {
        "length": "double", "weight": "double", "kind": "text", "grade": "int", "big": "bool", "score": "double",
    }.items():  # fmt: skip
        await store.register_feature(name, value_type, entity_type="fish")
    ids = [fish(number) for number in range(FISH)]
    for each in (*ids, "fish_light"):
        await store.register_entity(each, "fish")
    lengths = np.random.default_rng(5).uniform(0.1, 2.9, FISH)
    times = BEGAN + np.arange(FISH) * HOUR
    measured = {"length": lengths, "weight": lengths * 3}
    seen = {
        "kind": [kind(each) for each in lengths],
        "grade": [(int(each) + 1) * 10 for each in lengths],
        "big": lengths >= 1.5,
        "score": lengths / 2,
    }
    for later, columns in ((0, measured), (HOUR, seen)):
        report = await store.write_features({"entity_id": ids, "timestamp": times + later, **columns}, time_unit="us")
        assert report.accepted == report.sent
    await store.write_features({"entity_id": ["fish_light"], "timestamp": [BEGAN], "length": [0.5]}, time_unit="us")
