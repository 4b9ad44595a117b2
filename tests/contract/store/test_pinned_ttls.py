"""A set names the revisions of the ttls that it was built with, and is built again with these."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama.client.versions import pinned_ttls
from featurama_core.datasets.verify import verify
from featurama_core.retrieval import spilled
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureSelection

from .standing_clock import DAY, SECOND, SETTLING, Unique, answers, write

HOUR = 3_600 * SECOND


async def paced(store: OpenedStore, clock: FakeClock, unique: Unique) -> tuple[str, str, str]:
    """A group with a ttl of an hour, its feature, and an entity whose value is two hours old."""
    group, pace, fry = unique("brief"), unique("pace"), unique("fry")
    await store.register_feature_group(group, ttl="1h")
    await store.register_feature(pace, "double", group=group)
    await write(store, pace, [(fry, clock.now - 2 * HOUR, 1.5)])
    return group, pace, fry


async def change(store: OpenedStore, clock: FakeClock, group: str, ttl: str) -> None:
    """A change of the ttl that has started, and is settled."""
    clock.nanos = ((await store.update_feature_group(group, ttl=ttl)).start + SETTLING) * 1_000


@pytest.mark.parametrize("known_at", ["none", "moment", "label"])
async def test_a_set_is_built_again_with_the_ttl_of_its_first_build(
    store: OpenedStore, clock: FakeClock, unique: Unique, tmp_path: Path, known_at: str
) -> None:
    """Whatever is in force by then; a new set has the new one."""
    group, pace, fry = await paced(store, clock, unique)
    labels = {"entity_id": [fry], "timestamp": [clock.now]}
    clock.advance(SETTLING)
    known = {"none": None, "moment": clock.now - SETTLING, "label": "label"}[known_at]
    made = await store.training_set(labels, [pace], known_at=known, time_unit="us")  # type: ignore[arg-type]
    manifest = await made.write(tmp_path / "set")
    assert {group: 1} == manifest.request["ttl_revisions"]
    await change(store, clock, group, "3h")
    found = await verify(tmp_path / "set", partial(rebuilt, store.space))
    assert (True, ()) == (found.is_good, found.differences)
    again = await store.training_set(labels, [pace], known_at=known, time_unit="us")  # type: ignore[arg-type]
    manifest = await again.write(tmp_path / "again")
    expected = 2 if known_at == "none" else 1
    assert {group: expected} == manifest.request["ttl_revisions"]
    assert [1.5 if known_at == "none" else None] == (await again.to_dict())[pace]


async def test_newest_values_are_built_again_with_their_ttl(
    store: OpenedStore, clock: FakeClock, unique: Unique, tmp_path: Path
) -> None:
    """As of the moment of the first build."""
    kind = unique("kind")
    await store.register_entity_type(kind)
    group, pace, fry = unique("brief"), unique("pace"), unique("fry")
    await store.register_feature_group(group, kind, ttl="3h")
    await store.register_feature(pace, "double", group=group)
    await store.register_entity(fry, kind)
    await write(store, pace, [(fry, clock.now - 2 * HOUR, 1.5)])
    made = await store.training_set(None, [pace], entity_type=kind)
    manifest = await made.write(tmp_path / "set")
    assert {group: 1} == manifest.request["ttl_revisions"]
    await change(store, clock, group, "1h")
    found = await verify(tmp_path / "set", partial(rebuilt, store.space))
    assert (True, ()) == (found.is_good, found.differences)


async def test_newest_values_are_built_again_without_what_is_past_retention_since(
    store: OpenedStore, clock: FakeClock, unique: Unique, tmp_path: Path
) -> None:
    """No set chooses a retention, also one whose build is too young for a known_at."""
    kind, group, pace, fry = (unique(each) for each in ("kind", "kept", "pace", "fry"))
    await store.register_entity_type(kind)
    await store.register_feature_group(group, kind, retention="1h")
    await store.register_feature(pace, "double", group=group)
    await store.register_entity(fry, kind)
    await write(store, pace, [(fry, clock.now - HOUR + SECOND, 1.5)])
    await (await store.training_set(None, [pace], entity_type=kind)).write(tmp_path / "set")
    for moved, causes in ((SECOND - 1, []), (1, ["retention"])):
        clock.advance(moved)
        found = await verify(tmp_path / "set", partial(rebuilt, store.space))
        assert causes == [each.cause for each in found.differences or ()]


async def test_the_reference_of_a_path_has_a_pin_of_its_own(
    store: OpenedStore, clock: FakeClock, unique: Unique, tmp_path: Path
) -> None:
    """A set pins the groups of both, and a read may pin either."""
    group, pace, fry = await paced(store, clock, unique)
    links, link = unique("links"), unique("link")
    await store.register_feature_group(links, ttl="1h")
    await store.register_feature(link, "text", group=links, references="entity")
    await write(store, link, [(fry, clock.now - 2 * HOUR, fry)])
    path = f"{link}.{pace}"
    for each in (group, links):
        await store.update_feature_group(each, ttl="3h")
    clock.nanos = (await store.get_feature_group(links)).start * 1_000
    manifest = await (await store.training_set([fry], [path], timestamp=clock.now, time_unit="us")).write(
        tmp_path / "set"
    )
    assert {group: 2, links: 2} == manifest.request["ttl_revisions"]
    old, new = [[("OUTSIDE_MAX_AGE", None)]], [[("PRESENT", 1.5)]]
    for pins, expected in (({}, new), ({links: 1}, old), ({group: 1}, old), ({group: 2, links: 2}, new)):
        assert expected == answers(await store.get_online_features([fry], [path], ttl_revisions=pins))


async def test_a_client_adds_the_revisions_in_force_to_those_that_are_given(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """A request that is split keeps its pins in every call."""
    group, pace, _ = await paced(store, clock, unique)
    start = (await store.update_feature_group(group, ttl="3h")).start
    for given, moment, expected in ((None, start - 1, 1), (None, start, 2), ({group: 1}, start, 1)):
        features = FeatureSelection.of([pace], None, given)
        found = await pinned_ttls(store, features, [f"{pace}@1"], moment)
        assert {group: expected} == dict(found.ttl_revisions)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
async def test_a_set_looks_as_far_back_as_the_ttl_that_was_in_force(
    store: OpenedStore,
    clock: FakeClock,
    unique: Unique,
    monkeypatch: pytest.MonkeyPatch,
    strategy: Literal["scan", "lookup", "seek"],
    in_memory: bool,
) -> None:
    """Into a period that a lower ttl of now would leave out."""
    if not in_memory:
        monkeypatch.setattr(spilled, "ROWS_AT_ONCE", 0)
    group, pace, fry = unique("brief"), unique("pace"), unique("fry")
    await store.register_feature_group(group, ttl="2h")
    await store.register_feature(pace, "double", group=group)
    period = store.space.storage.options.history_period
    begin = (clock.now // period - 1) * period
    await write(store, pace, [(fry, begin - 1, 1.5)])
    await change(store, clock, group, "1h")
    labels = {"entity_id": [fry], "timestamp": [begin + 75 * 60 * SECOND]}
    known_at = (await store.get_feature_group(group)).start
    for known, expected in ((None, None), (known_at - 1, 1.5), (known_at, None)):
        made = await store.training_set(labels, [pace], known_at=known, time_unit="us", strategy=strategy)
        assert [expected] == (await made.to_dict())[pace]


async def test_a_read_may_pin_the_revision_of_a_ttl(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """As predictions do; of groups that are not named the one in force applies."""
    group, pace, fry = await paced(store, clock, unique)
    await change(store, clock, group, "3h")
    old, new = [[("OUTSIDE_MAX_AGE", None)]], [[("PRESENT", 1.5)]]
    for pins, expected in ((None, new), ({group: 1}, old), ({group: 2}, new), ({group: 9}, new), ({"other": 1}, new)):
        assert expected == answers(await store.get_online_features([fry], [pace], ttl_revisions=pins))
        assert expected == answers(await store.point_in_time([fry], None, features=[pace], ttl_revisions=pins))
    with pytest.raises(InvalidInput, match=r"ttl_revisions: .* must have a whole number from 1"):
        await store.get_online_features([fry], [pace], ttl_revisions={group: 0})


@pytest.mark.parametrize("event_times", [True, False])
async def test_retention_explains_what_lies_at_or_before_the_horizon(
    store: OpenedStore, clock: FakeClock, unique: Unique, tmp_path: Path, event_times: bool
) -> None:
    """And nothing younger, where the set has the event times; without them it may be of any time."""
    group, heat, fry, amy = unique("kept"), unique("heat"), unique("fry"), unique("amy")
    await store.register_feature_group(group)
    await store.register_feature(heat, "double", group=group)
    then = clock.now - 2 * DAY
    await write(store, heat, [(fry, then, 1.5), (amy, then + DAY, 2.5)])
    labels = {"entity_id": [fry, amy], "timestamp": [clock.now, clock.now]}
    made = await store.training_set(labels, [heat], event_times=event_times, time_unit="us")
    await made.write(tmp_path / "set")
    made_at = (await store.update_feature_group(group, retention="47h", confirmed=True)).start
    clock.nanos = made_at * 1_000
    found = await verify(tmp_path / "set", partial(rebuilt, store.space))
    assert found.is_good
    assert {("retention", (0,))} == {(each.cause, each.first_rows) for each in found.differences or ()}
    await write(store, heat, [(amy, then + DAY, 3.5)])
    found = await verify(tmp_path / "set", partial(rebuilt, store.space))
    causes = {each.cause for each in found.differences or ()}
    assert causes == ({"retention", "later_writes"} if event_times else {"retention"})
