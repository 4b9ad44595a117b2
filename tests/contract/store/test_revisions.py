"""Changing a definition: numbers and starts of revisions, concurrent editors, lost answers, and what may change."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.faults.storage import Fault, FaultyStorage, Meddling
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.errors import (
    Conflict,
    FailedPrecondition,
    FeaturamaError,
    InvalidInput,
    OutcomeUnknown,
    Reason,
    StoreUnavailable,
    Unknown,
)
from featurama_core.types.revisions import revisions
from featurama_core.types.schema import Definition, FeatureDefinition, FeatureGroup
from featurama_core.types.times import MIN_TIME

from .standing_clock import DAY, SECOND, Unique, answers, as_of, store_over, write

HOUR = 3_600 * SECOND
LEAD = StoreSettings(registry_staleness=0.0).revision_lead


async def test_a_change_is_the_next_revision_and_starts_after_the_lead(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Staleness, both clocks' skew and the deadline of a write; a second one at once starts a microsecond later."""
    group = unique("group")
    first = await store.register_feature_group(group, ttl="1h")
    assert (1, MIN_TIME, ()) == (first.revision, first.start, first.earlier)
    second = await store.update_feature_group(group, ttl="2h")
    third = await store.update_feature_group(group, ttl=None, description="why", buckets=2, history="packed")
    assert (20 + 2) * SECOND == StoreSettings().revision_lead
    assert [(1, MIN_TIME, HOUR), (2, clock.now + LEAD, 2 * HOUR), (3, clock.now + LEAD + 1, None)] == [
        (each.revision, each.start, each.ttl) for each in revisions(third)
    ]
    assert (second, third) == (third.earlier[1], await store.get_feature_group(group))
    assert [second.ttl, third.ttl] == [each.ttl for each in revisions(await store.get_feature_group(group))[1:]]
    assert ("why", 2, "packed") == (third.description, third.buckets, third.history)
    assert [each.history for each in revisions(third)] == ["rows", "rows", "packed"]


async def test_what_may_change_of_each_kind(store: OpenedStore, unique: Unique) -> None:
    """Descriptions; tags and owner of a version of a feature, of that version only."""
    kind, speed, view = unique("kind"), unique("speed"), unique("view")
    await store.register_entity_type(kind)
    for version in (1, 2):
        await store.register_feature(speed, "int", version=version, entity_type=kind, tags=["old"], owner="Amy")
    await store.register_feature_service(view, [speed])
    assert "about" == (await store.update_entity_type(kind, description="about")).description
    assert "how" == (await store.update_feature_service(view, description="how")).description
    changed = await store.update_feature(speed, 1, tags=["a", "b"], owner="Fry", description="fast")
    assert (("a", "b"), "Fry", "fast", 2) == (changed.tags, changed.owner, changed.description, changed.revision)
    assert changed == await store.get_feature(speed, 1)
    assert (("old",), 1) == ((await store.get_feature(speed)).tags, (await store.get_feature(speed)).revision)


async def test_a_change_to_what_it_is_makes_no_revision(store: OpenedStore, unique: Unique) -> None:
    """As registering the same again."""
    group = unique("group")
    await store.register_feature_group(group, ttl="1h")
    assert 1 == (await store.update_feature_group(group, ttl="60m", buckets=1)).revision
    assert 2 == (await store.update_feature_group(group, ttl="60m", buckets=2)).revision
    assert 2 == (await store.register_feature_group(group, ttl="60m", buckets=2)).revision


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"name": "other"}, "name", Reason.INVALID_DEFINITION),
        ({"entity_type": "other"}, "entity_type", Reason.INVALID_DEFINITION),
        ({"owner": "Amy"}, "owner", Reason.INVALID_DEFINITION),
        ({"buckets": 2}, "buckets", Reason.INVALID_DEFINITION),
        ({"buckets": 12}, "buckets", Reason.INVALID_DEFINITION),
        ({"buckets": "8"}, "buckets", Reason.INVALID_DEFINITION),
        ({"history": "cells"}, "history", Reason.INVALID_DEFINITION),
        ({"history": None}, "history", Reason.INVALID_DEFINITION),
        ({"ttl": "31d"}, "retention", Reason.INVALID_DEFINITION),
        ({"ttl": 60}, "ttl", Reason.INVALID_DEFINITION),
        ({"ttl": None, "retention": "3599s"}, "retention", Reason.INVALID_DEFINITION),
        ({"description": None}, "description", Reason.INVALID_DEFINITION),
        ({}, "changes", Reason.EMPTY_REQUEST),
    ],
)
async def test_what_may_not_change_is_refused_by_its_name(
    store: OpenedStore, unique: Unique, change: dict[str, Any], field: str, reason: Reason
) -> None:
    """Nothing is stored."""
    group = unique("group")
    await store.register_feature_group(group, ttl="1h", retention="30d", buckets=4)
    with pytest.raises(InvalidInput) as refused:
        await store.update_definition(FeatureGroup, group, changes=change, confirmed=True)
    assert (field, reason) == (refused.value.metadata["field"], refused.value.reason)
    assert 1 == (await store.get_feature_group(group)).revision


async def test_a_feature_keeps_its_type_group_and_references(store: OpenedStore, unique: Unique) -> None:
    """A change names the version too."""
    speed = unique("speed")
    await store.register_feature(speed, "int")
    for name, value in (("value_type", 1), ("group", "g"), ("references", None), ("version", 2)):
        with pytest.raises(InvalidInput, match=f"{name} of feature .* cannot change, only description, tags, owner"):
            await store.update_definition(FeatureDefinition, speed, 1, changes={name: value})
    with pytest.raises(InvalidInput, match="version"):
        await store.update_definition(FeatureDefinition, speed, changes={"owner": "Amy"})
    with pytest.raises(Unknown):
        await store.update_feature(speed, 2, owner="Amy")


async def test_of_two_editors_of_one_revision_one_is_refused(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """Whoever names the revision it saw, and two that begin at once."""
    one, other = (store_over(namespace, clock, staleness=60.0) for _ in range(2))
    group = unique("group")
    await one.register_feature_group(group)
    await one.update_feature_group(group, description="mine", expected_revision=1)
    with pytest.raises(Conflict, match="someone else changed feature group") as refused:
        await other.update_feature_group(group, description="yours", expected_revision=1)
    assert Reason.REVISION_CONFLICT == refused.value.reason
    both = await asyncio.gather(
        *(each.update_feature_group(group, ttl=f"{at}h", expected_revision=2) for at, each in ((1, one), (2, other))),
        return_exceptions=True,
    )
    assert ["Conflict", "FeatureGroup"] == sorted(type(each).__name__ for each in both)
    assert 3 == len(revisions(await store_over(namespace, clock).get_feature_group(group)))


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.DONE_UNSEEN, Fault.HALF_DONE])
async def test_a_lost_answer_is_settled_before_the_call_answers(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique, fault: Fault
) -> None:
    """Done or not done, never unknown."""
    group = unique("group")
    await store_over(namespace, clock).register_feature_group(group)
    store = store_over(FaultyStorage(namespace, Meddling(fault, 0)), clock)  # type: ignore[arg-type]
    if fault is Fault.DONE_UNSEEN:
        assert 2 == (await store.update_feature_group(group, ttl="1h")).revision
    else:
        with pytest.raises(StoreUnavailable):
            await store.update_feature_group(group, ttl="1h")
    stored = await store_over(namespace, clock).get_feature_group(group)
    assert (2 if fault is Fault.DONE_UNSEEN else 1) == stored.revision


class Beaten:
    """A storage on which another store makes the same revision first, and whose answer is lost."""

    def __init__(self, inner: NamespaceStorage, other: OpenedStore) -> None:
        self._inner, self._other = inner, other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def put_revision(self, definition: Definition) -> bool:
        await self._other.update_feature_group(definition.name, ttl="2h")
        raise OutcomeUnknown("the answer is lost")


async def test_a_lost_answer_is_no_success_of_someone_elses_revision(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """The number that was wanted is there, with another change."""
    group, other = unique("group"), store_over(namespace, clock)
    await other.register_feature_group(group)
    store = store_over(Beaten(namespace, other), clock)  # type: ignore[arg-type]
    with pytest.raises(Conflict) as refused:
        await store.update_feature_group(group, ttl="1h")
    assert Reason.REVISION_CONFLICT == refused.value.reason
    assert [None, 2 * HOUR] == [each.ttl for each in revisions(await other.get_feature_group(group))]


class Slow:
    """A storage that takes `seconds` by the clock to store the first revision."""

    def __init__(self, inner: NamespaceStorage, clock: FakeClock, seconds: int) -> None:
        self._inner, self._clock, self._seconds = inner, clock, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def put_revision(self, definition: Definition) -> bool:
        self._clock.advance(self._seconds * SECOND)
        self._seconds = 0
        return await self._inner.put_revision(definition)


@pytest.mark.parametrize(("taken", "number"), [(LEAD // SECOND - 1, 2), (LEAD // SECOND, 3)])
async def test_a_start_that_has_passed_is_replaced_by_a_further_revision(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique, taken: int, number: int
) -> None:
    """Others may not have known it at its start."""
    group = unique("group")
    await store_over(namespace, clock).register_feature_group(group)
    store = store_over(Slow(namespace, clock, taken), clock)  # type: ignore[arg-type]
    begun = clock.now
    made = await store.update_feature_group(group, ttl="1h")
    assert number == made.revision
    assert (begun + LEAD if number == 2 else clock.now + LEAD) == made.start
    assert [HOUR] * (number - 1) == [each.ttl for each in revisions(made)[1:]]


class Overtaken(Slow):
    """A storage whose first revision starts late, and is revised by another store before the caller goes on."""

    other: OpenedStore

    async def put_revision(self, definition: Definition) -> bool:
        is_first = self._seconds > 0
        stored = await super().put_revision(definition)
        if is_first:
            await self.other.update_feature_group(definition.name, description="theirs")
        return stored


async def test_a_change_that_was_stored_is_no_conflict_with_a_later_one(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """Its start has passed and another editor has revised it: that revision starts later and holds this change."""
    group = unique("group")
    storage = Overtaken(namespace, clock, LEAD // SECOND)
    storage.other = store_over(namespace, clock)
    await storage.other.register_feature_group(group)
    made = await store_over(storage, clock).update_feature_group(group, ttl="1h")  # type: ignore[arg-type]
    newest = await storage.other.get_feature_group(group)
    assert [(2, HOUR, ""), (3, HOUR, "theirs")] == [
        (each.revision, each.ttl, each.description) for each in (made, newest)
    ]


async def test_a_lower_retention_is_counted_and_confirmed(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """What goes is what is past it at its start, corrections too; what is deleted already does not count."""
    group, heat, word, fry, amy = (unique(each) for each in ("kept", "heat", "word", "fry", "amy"))
    await store.register_feature_group(group)
    await store.register_feature(heat, "double", group=group)
    await store.register_feature(word, "text", group=group)
    last = clock.now + LEAD - 30 * DAY
    await write(store, heat, [(fry, last + 1, 1.5), (fry, last, 0.5), (fry, last - 40 * DAY, 0.1), (amy, last, 2.5)])
    await write(store, word, [(fry, last - 1, "old")])
    assert 4 == await store.retention_loss(group, "30d")
    await store.delete_entity(amy, last)
    assert 3 == await store.retention_loss(group, "30d")
    with pytest.raises(FailedPrecondition, match="is lower than no limit and removes 3 values") as refused:
        await store.update_feature_group(group, retention="30d")
    assert (Reason.VALUES_LOST, "3") == (refused.value.reason, refused.value.metadata["values"])
    assert 1 == (await store.get_feature_group(group)).revision
    assert 30 * DAY == (await store.update_feature_group(group, retention="30d", confirmed=True)).retention
    clock.advance(LEAD - 1)
    assert [1.5, 0.5, 0.1] == (await store.get_feature_history(fry, heat)).column.to_list()
    clock.advance(1)
    assert [1.5] == (await store.get_feature_history(fry, heat)).column.to_list()


async def test_a_raise_helps_only_values_from_after_its_start(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """For reads and for writes; it needs no confirmation."""
    group, heat, fry, leela = unique("kept"), unique("heat"), unique("fry"), unique("leela")
    await store.register_feature_group(group, retention="1h")
    await store.register_feature(heat, "double", group=group)
    start = (await store.update_feature_group(group, retention=None)).start
    clock.nanos = start * 1_000
    await write(store, heat, [(fry, start, 0.5), (leela, start + 1, 1.5)])
    clock.nanos = (start + HOUR - 1) * 1_000
    assert [[("PRESENT", 0.5), ("PRESENT", 1.5)]] == answers(await store.get_online_features([fry, leela], [heat]))
    clock.advance(1)
    shown = [[("NOT_FOUND", None), ("PRESENT", 1.5)]]
    assert shown == answers(await store.get_online_features([fry, leela], [heat]))
    assert shown == await as_of(store, [(fry, clock.now), (leela, clock.now)], heat)
    clock.advance(100 * DAY)
    assert shown == answers(await store.get_online_features([fry, leela], [heat]))
    report = await store.write_features(
        {"entity_id": [fry, fry], "timestamp": [start, start + 1], heat: [1.0, 2.0]}, time_unit="us"
    )
    assert (1, [Reason.PAST_RETENTION]) == (report.accepted, [each.reason for each in report.verdicts])


async def test_a_read_uses_the_ttl_of_its_own_moment(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """At now that of now, with known_at that of then, with "label" that of each row; to the microsecond."""
    group, pace, fry = unique("brief"), unique("pace"), unique("fry")
    await store.register_feature_group(group, ttl="1h")
    await store.register_feature(pace, "double", group=group)
    start = (await store.update_feature_group(group, ttl="2h")).start
    at = start - HOUR - 10 * SECOND
    await write(store, pace, [(fry, at, 1.5)])
    old, new = [[("OUTSIDE_MAX_AGE", None)]], [[("PRESENT", 1.5)]]
    for moment, expected in ((start - 1, old), (start, new), (at + 2 * HOUR, new), (at + 2 * HOUR + 1, old)):
        clock.nanos = moment * 1_000
        assert expected == answers(await store.get_online_features([fry], [pace]))
        assert expected == await as_of(store, [(fry, moment)], pace)
    clock.nanos = (start + HOUR // 2) * 1_000
    # A read at now with a known_at has the ttl of then, and its ages are those of now.
    for known_at, expected in ((start - 1, old), (start, new)):
        read = await store.point_in_time([fry], None, features=[pace], known_at=known_at)
        assert expected == answers(read)
    clock.nanos = (start + 10 * HOUR) * 1_000
    assert new == await as_of(store, [(fry, start)], pace)
    for known_at, expected in ((start - 1, old), (start, new)):
        assert expected == await as_of(store, [(fry, start + 5)], pace, known_at=known_at)
    moments = [start - 1, start, at + HOUR]
    labels = {"entity_id": [fry] * 3, "timestamp": moments}
    for strategy in ("scan", "lookup"):
        for statuses in (True, False):
            made = await store.training_set(
                labels, [pace], known_at="label", time_unit="us", strategy=strategy, statuses=statuses
            )
            assert [None, 1.5, 1.5] == (await made.to_arrow()).to_pydict()[pace]


async def test_a_change_leaves_an_audit_record(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """With what it was and what it is, and the start."""
    speed = unique("speed")
    await store.register_feature(speed, "int", owner="Amy")
    made = await store.update_feature(speed, 1, owner="Fry", tags=["a"])
    (found,) = [each for each in await store.space.storage.list_audit(100) if f" {speed}@1" in each.subject]
    assert ("update_definition", f"feature {speed}@1", clock.now) == (found.action, found.subject, found.at)
    changes = {"owner": ["Amy", "Fry"], "tags": [[], ["a"]]}
    assert {"revision": 2, "start_us": made.start, "changes": changes} == json.loads(found.detail)


async def test_a_deprecation_and_a_deletion_keep_the_revisions(store: OpenedStore, unique: Unique) -> None:
    """And a changed definition is deleted as it is."""
    group = unique("group")
    await store.register_feature_group(group, ttl="1h")
    await store.update_feature_group(group, ttl="2h")
    assert [1, 2] == [each.revision for each in revisions(await store.deprecate_feature_group(group))]
    found = await store.get_feature_group(group)
    assert (2 * HOUR, True) == (found.ttl, found.deprecated)
    await store.delete_definition(FeatureGroup, group)
    with pytest.raises(FeaturamaError):
        await store.update_feature_group(group, ttl="3h")
    assert replace(found, deprecated=False) == found
