"""What a lower retention takes, and when: neither a count nor a purge is ahead of its start."""

from __future__ import annotations

from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.ingest.purge import purge

from .standing_clock import SECOND, Unique, answers, write

HOUR = 3_600 * SECOND


async def test_what_is_past_retention_already_is_no_loss(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """It is stored until a purge comes, and no read shows it."""
    group, heat, fry = unique("kept"), unique("heat"), unique("fry")
    await store.register_feature_group(group, retention="3h")
    await store.register_feature(heat, "double", group=group)
    begun = clock.now
    await write(store, heat, [(fry, begun - 2 * HOUR, 0.5), (fry, begun - HOUR, 1.5)])
    clock.advance(HOUR - 1)
    assert 2 == await store.retention_loss(group, "1h")
    clock.advance(1)
    assert 1 == await store.retention_loss(group, "1h")


async def test_a_purge_keeps_what_a_lower_retention_has_not_ended_yet(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """A change that is made does not count before its start."""
    group, heat, fry = unique("kept"), unique("heat"), unique("fry")
    await store.register_feature_group(group, retention="1d")
    await store.register_feature(heat, "double", group=group)
    await write(store, heat, [(fry, clock.now - 2 * HOUR, 1.5)])
    start = (await store.update_feature_group(group, retention="1h", confirmed=True)).start
    for moment, shown in ((clock.now, "PRESENT"), (start - 1, "PRESENT"), (start, "NOT_FOUND")):
        clock.nanos = moment * 1_000
        await purge(store.space)
        ((found,),) = answers(await store.get_online_features([fry], [heat]))
        assert shown == found[0]
