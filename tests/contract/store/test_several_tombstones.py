"""Tombstones of an entity and of one of its features beside each other: the higher one holds, in every read."""

from __future__ import annotations

from typing import Literal

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from .standing_clock import SECOND, Unique, answers, as_of, write

Level = Literal["entity", "feature"]


@pytest.mark.parametrize("higher", ["entity", "feature"])
async def test_the_higher_of_an_entitys_and_a_features_tombstone_holds(
    store: OpenedStore, clock: FakeClock, unique: Unique, higher: Level
) -> None:
    """Deleted up to an earlier and a later moment, then late values come that lie below, between and above them."""
    tally, note, fry, now = unique("tally"), unique("note"), unique("fry"), clock.now
    for name in (tally, note):
        await store.register_feature(name, "int")
    through = {"entity": now - 60 * SECOND, "feature": now - 60 * SECOND, higher: now - 30 * SECOND}
    await store.delete_entity(fry, through["entity"])
    await store.delete_feature_values(fry, [tally], through["feature"])
    moments = [now - 90 * SECOND, now - 60 * SECOND, now - 45 * SECOND, now - 30 * SECOND]
    await write(store, tally, [(fry, moment, number) for number, moment in enumerate(moments)], clock)
    assert [[None] * 4, []] == await seen(store, tally, fry, moments)
    assert [[("NOT_FOUND", None)]] == answers(await store.get_online_features([fry], [tally]))
    await write(store, note, [(fry, moment, number) for number, moment in enumerate(moments)], clock)
    # A feature of its own is covered by the entity's tombstone alone.
    if higher == "entity":
        assert [[None] * 4, []] == await seen(store, note, fry, moments)
    else:
        assert [[None, None, 2, 3], [3, 2]] == await seen(store, note, fry, moments)
    await write(store, tally, [(fry, now - 30 * SECOND + 1, 9)], clock)
    assert [[None] * 4 + [9], [9]] == await seen(store, tally, fry, [*moments, now])
    assert [[("PRESENT", 9)]] == answers(await store.get_online_features([fry], [tally]))


async def seen(store: OpenedStore, feature: str, who: str, moments: list[int]) -> list[list[object]]:
    """The values at these moments, which reads and sets of either kind must agree on, and the history."""
    rows = [(who, moment) for moment in moments]
    values = [value for _, value in (await as_of(store, rows, feature))[0]]
    frame = {"entity_id": [who] * len(moments), "timestamp": moments}
    for strategy in ("scan", "lookup"):
        made = await store.training_set(frame, [feature], strategy=strategy, time_unit="us")  # type: ignore[arg-type]
        assert values == (await made.to_arrow()).column(feature).to_pylist()
    history = await store.get_feature_history(who, feature, corrections=True)
    return [values, history.column.to_list()]
