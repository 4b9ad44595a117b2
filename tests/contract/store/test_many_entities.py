"""Reads of more entities than one round to the store takes, and entities that lie beside each other in its answer."""

from __future__ import annotations

from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.retrieval.history import visible_history

from .standing_clock import SECOND, Unique, answers, as_of, write

ROUND = 1_000
"""Entities that a point-in-time read takes from the store at a time."""


async def test_a_past_read_of_thousands_of_entities_answers_each_with_its_own_value(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Around the ends of each round, repeated rows among them, in the order of the label rows."""
    speed, now = unique("speed"), clock.now
    await store.register_feature(speed, "int")
    ids = [unique(f"e{number:04}") for number in range(2 * ROUND + 1)]
    held = [0, 1, *range(ROUND - 2, ROUND + 3), *range(2 * ROUND - 2, 2 * ROUND + 1)]
    await write(store, speed, [(ids[number], now - 9 * SECOND, number) for number in held])
    # Repeated ids do not count again: the rounds are cut among the distinct ones.
    wanted = [*range(ROUND), ROUND - 1, 0, *range(ROUND, len(ids)), 2 * ROUND, ROUND]
    expected = [("PRESENT", number) if number in held else ("NOT_FOUND", None) for number in wanted]
    assert [expected] == await as_of(store, [(ids[number], now) for number in wanted], speed)
    assert [expected] == answers(await store.get_historical_features([ids[number] for number in wanted], [speed]))


async def test_each_row_of_a_later_round_is_read_at_its_own_time(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Both its moment and, with "label", what was known then."""
    speed, then = unique("speed"), clock.now
    await store.register_feature(speed, "int")
    ids = [unique(f"e{number:04}") for number in range(ROUND + 2)]
    last = ids[-1]
    await write(store, speed, [(last, then - 20 * SECOND, 1), (ids[0], then - 20 * SECOND, 10)])
    clock.advance(60 * SECOND)
    await write(store, speed, [(last, then - 10 * SECOND, 2), (ids[0], then - 10 * SECOND, 20)])
    clock.advance(3_600 * SECOND)
    rows = [(entity_id, then) for entity_id in ids] + [(last, then - 15 * SECOND), (last, then + 100 * SECOND)]
    (at_once,) = await as_of(store, rows, speed)
    assert [("PRESENT", 20), ("PRESENT", 2), ("PRESENT", 1), ("PRESENT", 2)] == [at_once[0], *at_once[-3:]]
    frame = {"entity_id": [entity_id for entity_id, _ in rows], "timestamp": [moment for _, moment in rows]}
    (known,) = answers(await store.get_historical_features(frame, [speed], known_at="label", time_unit="us"))
    assert [("PRESENT", 10), ("PRESENT", 1), ("NOT_FOUND", None), ("PRESENT", 2)] == [known[0], *known[-3:]]


async def test_a_history_of_many_entities_keeps_the_last_value_of_each(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Also where the next entity begins at the same event time; of corrections the last one stays."""
    speed, now = unique("speed"), clock.now
    await store.register_feature(speed, "int")
    fry, leela = unique("fry"), unique("leela")
    await write(store, speed, [(fry, now - 2, 1), (fry, now - 1, 2), (leela, now - 1, 3), (leela, now, 4)], clock)
    await write(store, speed, [(fry, now - 1, 20)], clock)
    (history,) = await visible_history(store.space, [fry, leela], await store.space.resolve([speed]), store.now())
    assert [
        (0, now - 2, 1), (0, now - 1, 20), (1, now - 1, 3), (1, now, 4)
    ] == list(
        zip(history.entity.tolist(), history.event_time.tolist(), history.column.to_list(), strict=True)
    )  # fmt: skip
