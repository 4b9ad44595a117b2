"""Values at the very ends: of a retention that no purge has enforced yet, of a ttl, of a stored period."""

from __future__ import annotations

from typing import Literal

import pytest
from tests.faults.storage import FaultyStorage, not_answering
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.times import Duration

from .standing_clock import DAY, SECOND, Unique, answers, as_of, store_over, write

RETENTION = 300 * SECOND
Strategy = Literal["scan", "lookup", "seek"]


async def kept_feature(store: OpenedStore, unique: Unique) -> str:
    """A feature whose values are kept for RETENTION."""
    group, heat = unique("kept"), unique("heat")
    await store.register_feature_group(group, retention="300s")
    await store.register_feature(heat, "double", group=group)
    return heat


async def built(
    store: OpenedStore, rows: list[tuple[str, int]], features: list[str], strategy: Strategy, *, statuses: bool = True
) -> dict[str, list[object]]:
    """The columns of a training set of (entity, time) rows."""
    frame = {"entity_id": [entity_id for entity_id, _ in rows], "timestamp": [moment for _, moment in rows]}
    made = await store.training_set(frame, features, statuses=statuses, strategy=strategy, time_unit="us")
    columns: dict[str, list[object]] = (await made.to_arrow()).to_pydict()
    return columns


async def test_a_history_ends_at_retention_before_anything_is_purged(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """The last microsecond excluded; corrections, pages and a wider range show nothing older either."""
    heat, fry, t = await kept_feature(store, unique), unique("fry"), clock.now
    await write(store, heat, [(fry, t - 1, 0.5), (fry, t, 1.5), (fry, t + 1, 2.5)])
    clock.nanos = (t + RETENTION - 1) * 1_000
    assert [2.5, 1.5] == (await store.get_feature_history(fry, heat)).column.to_list()
    clock.advance(1)
    assert [2.5] == (await store.get_feature_history(fry, heat)).column.to_list()
    everything = await store.get_feature_history(fry, heat, start_time=t - DAY, end_time=clock.now, corrections=True)
    assert [2.5] == everything.column.to_list()
    page = await store.page_feature_history(fry, heat, page_size=1)
    assert ([2.5], "") == (page.column.to_list(), page.next_page)


@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
async def test_a_training_set_shows_the_last_microsecond_of_retention_and_no_more(
    store: OpenedStore, clock: FakeClock, unique: Unique, strategy: Strategy
) -> None:
    """As a point-in-time read does."""
    heat, fry, t = await kept_feature(store, unique), unique("fry"), clock.now
    await write(store, heat, [(fry, t, 1.5)])
    clock.nanos = (t + RETENTION - 1) * 1_000
    assert ([1.5], ["PRESENT"]) == await shown(store, fry, t, heat, strategy)
    assert [[("PRESENT", 1.5)]] == await as_of(store, [(fry, t)], heat)
    clock.advance(1)
    assert ([None], ["NOT_FOUND"]) == await shown(store, fry, t, heat, strategy)
    assert [[("NOT_FOUND", None)]] == await as_of(store, [(fry, t)], heat)


@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
async def test_a_period_is_read_until_its_last_microsecond_is_past_retention(
    store: OpenedStore, clock: FakeClock, unique: Unique, strategy: Strategy
) -> None:
    """Retention ends in the middle of a period, or at its end."""
    period = store.space.storage.options.history_period
    end = clock.now // period * period
    group, heat, fry = unique("long"), unique("heat"), unique("fry")
    kept = clock.now - (end - 1) + DAY + 1
    await store.register_feature_group(group, retention=Duration(kept))
    await store.register_feature(heat, "double", group=group)
    await write(store, heat, [(fry, end - 1, 1.5)])
    clock.advance(DAY)
    assert ([1.5], ["PRESENT"]) == await shown(store, fry, end, heat, strategy)
    clock.advance(1)
    assert ([None], ["NOT_FOUND"]) == await shown(store, fry, end, heat, strategy)


@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
async def test_a_value_at_the_start_of_a_period_is_seen_from_that_instant_on(
    store: OpenedStore, clock: FakeClock, unique: Unique, strategy: Strategy
) -> None:
    """And the last microsecond of the period before it until then."""
    period = store.space.storage.options.history_period
    start = clock.now // period * period
    speed, fry, leela = unique("speed"), unique("fry"), unique("leela")
    await store.register_feature(speed, "int")
    await write(store, speed, [(fry, start - 1, 1), (fry, start, 2), (leela, start, 3)])
    rows = [(fry, start - 2), (fry, start - 1), (fry, start), (fry, start + 1), (leela, start - 1), (leela, start)]
    expected = [None, 1, 2, 2, None, 3]
    assert expected == (await built(store, rows, [speed], strategy))[speed]
    # Alone, its row is the only one that needs the period.
    assert [2] == (await built(store, rows[2:3], [speed], strategy))[speed]
    assert expected == [value for _, value in (await as_of(store, rows, speed))[0]]
    assert [2, 1] == (await store.get_feature_history(fry, speed, start - 1, start)).column.to_list()
    assert [2] == (await store.get_feature_history(fry, speed, start, start)).column.to_list()


@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
async def test_a_value_of_an_older_period_counts_until_the_last_microsecond_of_its_ttl(
    store: OpenedStore, clock: FakeClock, unique: Unique, strategy: Strategy
) -> None:
    """Without statuses, where a set need not read what is too old to be shown; each row by its own time."""
    period = store.space.storage.options.history_period
    start = clock.now // period * period
    group, pace, fry = unique("brief"), unique("pace"), unique("fry")
    await store.register_feature_group(group, ttl="60s")
    await store.register_feature(pace, "double", group=group)
    at = start - 1
    await write(store, pace, [(fry, at, 1.5)])
    rows = [(fry, at + 60 * SECOND), (fry, at + 60 * SECOND + 1)]
    for statuses in (False, True):
        assert [1.5, None] == (await built(store, rows, [pace], strategy, statuses=statuses))[pace]
        assert [None] == (await built(store, rows[1:], [pace], strategy, statuses=statuses))[pace]
    assert ["PRESENT", "OUTSIDE_MAX_AGE"] == (await built(store, rows, [pace], strategy))[f"{pace}__status"]


async def test_an_entity_that_does_not_answer_is_an_error_without_a_time_also_under_retention_and_ttl(
    namespace: NamespaceStorage, store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """No event time is known of it, so neither may take it for expired or outdated."""
    groups = {unique("kept"): {"retention": "300s"}, unique("brief"): {"ttl": "60s", "retention": "300s"}}
    features = []
    fry, leela = unique("fry"), unique("leela")
    for group, limits in groups.items():
        await store.register_feature_group(group, **limits)
        features.append((await store.register_feature(f"f_{group}", "double", group=group)).name)
        await write(store, features[-1], [(fry, clock.now, 1.5), (leela, clock.now, 2.5)])
    broken = store_over(FaultyStorage(namespace, reading=not_answering([leela])), clock)  # type: ignore[arg-type]
    answer = await broken.get_online_features([fry, leela], features)
    assert [[("PRESENT", 1.5), ("ERROR", None)]] * 2 == answers(answer)
    assert [[clock.now, 0]] * 2 == [column.event_time.tolist() for column in answer.columns]


async def shown(
    store: OpenedStore, who: str, moment: int, feature: str, strategy: Strategy
) -> tuple[list[object], list[object]]:
    """Value and status of a set of one row."""
    columns = await built(store, [(who, moment)], [feature], strategy)
    return columns[feature], columns[f"{feature}__status"]
