"""A path's reference and its target each have a ttl of their own group, reckoned from the label row's time."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.types.times import Duration

from .standing_clock import DAY, SECOND, Unique, answers, write

TTL = 60 * SECOND
Strategy = Literal["scan", "lookup", "seek"]


@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
@pytest.mark.parametrize("short", ["reference", "target"])
async def test_a_reference_and_its_target_are_each_as_old_as_their_own_ttl_allows(
    store: OpenedStore, clock: FakeClock, unique: Unique, short: str, strategy: Strategy
) -> None:
    """Both lie in an older period than the label rows; neither one's ttl ends the other's value."""
    path = await written(store, clock, unique, short)
    start = clock.now // period_of(store) * period_of(store)
    rows = {"entity_id": [unique("fry")] * 2, "timestamp": [start - 1 + TTL, start + TTL]}
    expected = [("PRESENT", 7), ("OUTSIDE_MAX_AGE", None)]
    assert [expected] == answers(await store.get_historical_features(rows, [path], time_unit="us"))
    made = await store.training_set(rows, [path], strategy=strategy, time_unit="us")
    assert [7, None] == (await made.to_arrow()).column(path).to_pylist()
    # The reference itself, beside the path and without it.
    both: Any = await store.training_set(rows, [path.split(".")[0], path], strategy=strategy, time_unit="us")
    link = [unique("mars"), None if short == "reference" else unique("mars")]
    assert {"entity_id": rows["entity_id"], path.split(".")[0]: link, path: [7, None]} == {
        name: column for name, column in (await both.to_arrow()).to_pydict().items() if name != "timestamp"
    }


async def written(store: OpenedStore, clock: FakeClock, unique: Unique, short: str) -> str:
    """Values at the last microsecond of the period before this one; `short` has a ttl, the other has none. -> path."""
    kind = unique("thing")
    await store.register_entity_type(kind)
    for group in ("reference", "target"):
        ttl = Duration(TTL) if group == short else None
        await store.register_feature_group(unique(group), kind, ttl=ttl)
    home, mood = unique("home"), unique("mood")
    await store.register_feature(home, "text", group=unique("reference"), references=kind)
    await store.register_feature(mood, "int", group=unique("target"))
    at = clock.now // period_of(store) * period_of(store) - 1
    # What is not short-lived is older by days.
    old = {short: at, "reference": at - DAY, "target": at - DAY} | {short: at}
    await write(store, home, [(unique("fry"), old["reference"], unique("mars"))])
    await write(store, mood, [(unique("mars"), old["target"], 7)])
    return f"{home}.{mood}"


def period_of(store: OpenedStore) -> int:
    """How long a stored period is."""
    return store.space.storage.options.history_period
