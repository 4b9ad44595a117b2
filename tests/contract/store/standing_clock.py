"""Fixtures: a store whose clock stands still until a test moves it, and names that no other test uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from tests.contract.conftest import Names
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.frames.results import HistoricalFeatures, OnlineFeatures
from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.values import Status

SECOND = 1_000_000
DAY = 86_400 * SECOND
SETTLING = StoreSettings().settling_time
Unique = Callable[[str], str]


@pytest.fixture
def unique(names: Names) -> Unique:
    """A name, or an id, of this test alone; the given part comes first and decides the order."""
    return lambda name: f"{name}_{names.suffix}"


@pytest.fixture
def clock() -> FakeClock:
    """A cluster expires by its own clock, so tests begin now."""
    return FakeClock(time.time_ns() // 1_000)


@pytest.fixture
def store(namespace: NamespaceStorage, clock: FakeClock) -> OpenedStore:
    """Definitions are read anew at each call."""
    return store_over(namespace, clock)


def store_over(storage: NamespaceStorage, clock: FakeClock, *, staleness: float = 0.0) -> OpenedStore:
    """A server that has just started. staleness: seconds for which it may keep definitions."""
    return OpenedStore(Namespace("shared", storage, StoreSettings(registry_staleness=staleness), clock))


async def write(
    store: OpenedStore, feature: str, rows: Sequence[tuple[str, int, object]], clock: FakeClock | None = None
) -> None:
    """Store (entity, event time, value) rows; all must be accepted. `clock` moves on, so the next write is later."""
    ids, times, values = zip(*rows, strict=True)
    report = await store.write_features(
        {"entity_id": list(ids), "timestamp": list(times), feature: list(values)}, time_unit="us"
    )
    assert len(rows) == report.accepted
    if clock is not None:
        clock.advance(10)


def answers(read: OnlineFeatures | HistoricalFeatures) -> list[list[tuple[str, object]]]:
    """A list of (status, value) for each feature."""
    return [
        [(Status(status).name, value) for status, value in zip(column.status.tolist(), column.to_list(), strict=True)]
        for column in read.columns
    ]


async def as_of(
    store: OpenedStore, rows: Sequence[tuple[str, int]], *features: str, known_at: int | None = None
) -> list[list[tuple[str, object]]]:
    """(status, value) of each feature at (entity, time) rows."""
    times = np.array([time for _, time in rows], dtype=np.int64)
    return answers(
        await store.point_in_time([entity_id for entity_id, _ in rows], times, features=features, known_at=known_at)
    )


async def two_versions(store: OpenedStore, clock: FakeClock, name: str) -> tuple[int, int]:
    """A double, then an int. -> when each was registered, both long ago."""
    first = clock.now
    await store.register_feature(name, "double")
    clock.advance(SECOND)
    second = clock.now
    await store.register_feature(name, "int", version=2)
    clock.advance(SETTLING + 60 * SECOND)
    return first, second
