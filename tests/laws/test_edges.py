"""Corners of the laws that random scenes seldom meet, each as one small story."""

from __future__ import annotations

import numpy as np
import pytest

from featurama_core.ingest.purge import purge
from featurama_core.types.column import column_of
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.times import MIN_EVENT_TIME
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import WriteMode, WriteReport, WriteRequest, WriteUnit

from .oracle import RETRY_WINDOW, SECOND, SETTLING, SKEW, Row, Value
from .scene import RETENTION, TTL, Arena, Scene
from .wire import request_of


def write(scene: Scene, entity: int, time: int, **values: Value) -> WriteReport:
    """One row of first versions."""
    row = Row(scene.entities[entity], time, {(name, 1): value for name, value in values.items()})
    request = request_of([row], scene.next_id(scene.clock.now), scene.oracle, whole_rows=True)
    report = scene.run(scene.servers[0].write(request))
    scene.clock.advance(1)
    return report


def online(scene: Scene, entity: int, *features: str) -> list[tuple[str, object]]:
    """(status, value) a feature."""
    answer = scene.run(scene.servers[1].get_online_features([scene.entities[entity]], features))
    return [(Status(each.status[0]).name, each.to_list()[0]) for each in answer.columns]


def past(
    scene: Scene, entity: int, at: int | None, *features: str, known_at: int | str | None = None
) -> list[tuple[str, object]]:
    """(status, value) a feature, at a time or now."""
    ids = [scene.entities[entity]]
    moment = None if at is None else np.array([at], dtype=np.int64)
    read = scene.servers[1].point_in_time(ids, moment, features=features, known_at=known_at)  # type: ignore[arg-type]
    return [(Status(each.status[0]).name, each.to_list()[0]) for each in scene.run(read).columns]


def test_the_past_read_at_now_is_the_online_read_for_values_a_little_ahead(arena: Arena) -> None:
    """A writer's clock may be ahead by the skew: such a value is the newest at once, at a time t only from then on."""
    with arena.scene() as scene:
        ahead = scene.clock.now + SKEW
        write(scene, 0, scene.clock.now, tally=1, home=scene.entities[1])
        write(scene, 0, ahead, tally=2)
        write(scene, 1, ahead, pace=3.5)
        expected: list[tuple[str, object]] = [("PRESENT", 2), ("PRESENT", 3.5)]
        assert expected == online(scene, 0, "tally", "home.pace")
        assert expected == past(scene, 0, None, "tally", "home.pace")
        answer = scene.run(scene.servers[0].get_historical_features([scene.entities[0]], ["tally", "home.pace"]))
        assert [[2], [3.5]] == [column.to_list() for column in answer.columns]
        assert [("PRESENT", 1), ("NOT_FOUND", None)] == past(scene, 0, ahead - 1, "tally", "home.pace")


def test_ttl_includes_its_last_microsecond_and_retention_does_not(arena: Arena) -> None:
    """Online from the wall clock, in the past from t; retention always from the wall clock."""
    with arena.scene() as scene:
        t = scene.clock.now
        write(scene, 0, t, pace=1.5, heat=2.5)
        scene.clock.nanos = (t + TTL) * 1_000
        assert [("PRESENT", 1.5)] == online(scene, 0, "pace")
        scene.clock.advance(1)
        assert [("OUTSIDE_MAX_AGE", None)] == online(scene, 0, "pace")
        assert [("PRESENT", 1.5)] == past(scene, 0, t + TTL, "pace")
        assert [("OUTSIDE_MAX_AGE", None)] == past(scene, 0, t + TTL + 1, "pace")
        assert [("NOT_FOUND", None)] == past(scene, 0, t - 1, "pace")
        scene.clock.nanos = (t + RETENTION - 1) * 1_000
        assert [("OUTSIDE_MAX_AGE", None)] == online(scene, 0, "heat@1")
        assert [("PRESENT", 2.5)] == past(scene, 0, t, "heat@1")
        scene.clock.advance(1)
        assert [("NOT_FOUND", None)] == online(scene, 0, "heat@1")
        assert [("NOT_FOUND", None)] == past(scene, 0, t, "heat@1")
        scene.clock.advance(SETTLING + SECOND)
        scene.run(purge(scene.servers[0].space))
        assert [("NOT_FOUND", None)] == past(scene, 0, t, "heat@1")
        assert Reason.PAST_RETENTION == write(scene, 0, t, heat=1.0).verdicts[0].reason


def test_a_deletion_reaches_the_newest_value_of_what_it_deletes_and_no_further(arena: Arena) -> None:
    """Another feature's value ahead of the clock does not move the mark of this one."""
    with arena.scene() as scene:
        now, store = scene.clock.now, scene.servers[0]
        write(scene, 0, now, tally=1)
        write(scene, 0, now + 3 * SECOND, note="ahead")
        deletion = scene.run(store.delete_feature_values(scene.entities[0], ["tally"]))
        assert scene.clock.now == deletion.deleted_through
        write(scene, 0, now + SECOND, tally=2)
        assert [("PRESENT", 2), ("PRESENT", "ahead")] == online(scene, 0, "tally", "note")
        deletion = scene.run(store.delete_feature_values(scene.entities[0], ["note"]))
        assert now + 3 * SECOND == deletion.deleted_through
        assert [("PRESENT", 2), ("NOT_FOUND", None)] == online(scene, 0, "tally", "note")
        assert now + SECOND < scene.run(store.delete_entity(scene.entities[0])).deleted_through + 4 * SECOND
        assert [("NOT_FOUND", None)] * 2 == online(scene, 0, "tally", "note")


def test_a_deletion_of_a_moment_ahead_is_refused(arena: Arena) -> None:
    """It would hide what is not written yet."""
    with arena.scene() as scene, pytest.raises(InvalidInput):
        scene.run(scene.servers[0].delete_entity(scene.entities[0], scene.clock.now + 1))


def test_a_lower_mark_takes_nothing_back(arena: Arena) -> None:
    """Deleting up to an earlier moment after a later one; a replay of the first write stays invisible."""
    with arena.scene() as scene:
        t, store = scene.clock.now, scene.servers[0]
        row = Row(scene.entities[0], t, {("tally", 1): 1, ("note", 1): "a"})
        request = request_of([row], scene.next_id(t), scene.oracle, whole_rows=True)
        scene.run(store.write(request))
        scene.run(store.delete_feature_values(scene.entities[0], ["tally"], t))
        scene.run(store.delete_feature_values(scene.entities[0], ["tally"], t - SECOND))
        scene.run(store.delete_entity(scene.entities[0], t - SECOND))
        assert 1 == scene.run(scene.servers[1].write(request)).accepted
        assert [("NOT_FOUND", None), ("PRESENT", "a")] == online(scene, 0, "tally", "note")
        assert [("NOT_FOUND", None), ("PRESENT", "a")] == past(scene, 0, t, "tally", "note")
        assert 0 == len(scene.run(store.get_feature_history(scene.entities[0], "tally", corrections=True)))


def test_a_label_of_the_middle_ages_sees_nothing_that_was_learnt_since(arena: Arena) -> None:
    """known_at="label" in nanoseconds leaves 64 bits before the year 1678."""
    with arena.scene() as scene:
        scene.run(
            scene.servers[0].write(
                WriteRequest(
                    [scene.entities[0]],
                    np.array([MIN_EVENT_TIME]),
                    [column_of("tally", ValueType.INT, np.array([1]), version=1)],
                )
            )
        )
        # These times wrap to bounds on either side of today's ingest times.
        for years in range(1, 1_600, 100):
            t = MIN_EVENT_TIME + years * 31_556_952 * SECOND
            assert [("PRESENT", 1)] == past(scene, 0, t, "tally@1")
            assert [("NOT_FOUND", None)] == past(scene, 0, t, "tally@1", known_at="label")


def test_ids_that_cannot_be_ids_are_refused_and_the_other_rows_stand(arena: Arena) -> None:
    """Also for features of a registered type, whose ids are looked up first."""
    with arena.scene() as scene:
        ids = [scene.entities[0], "", "a\x00b", "\ud800", "é" * 129]
        request = WriteRequest(
            ids,
            np.full(len(ids), scene.clock.now),
            [column_of("pace", ValueType.DOUBLE, np.ones(len(ids)), version=1)],
        )
        report = scene.run(scene.servers[0].write(request))
        assert (1, 4) == (report.accepted, report.rejected)
        assert {Reason.INVALID_ENTITY_ID} == {verdict.reason for verdict in report}


def test_an_import_keeps_its_ingest_times(arena: Arena) -> None:
    """known_at tells the corrections of one event time apart, and features that were known at different times."""
    with arena.scene() as scene:
        now = scene.clock.now
        t, early, late = now - 9_000 * SECOND, now - 8_000 * SECOND, now - 7_000 * SECOND
        rows = [
            Row(scene.entities[0], t, {("tally", 1): 1}),
            Row(scene.entities[0], t, {("note", 1): "late"}),
            Row(scene.entities[0], t, {("tally", 1): 1, ("note", 1): "late"}),
        ]
        times = [early * 1_000, late * 1_000, late * 1_000]
        number = scene.run(scene.servers[0].begin_import(ImportScope(("note", "tally"), t, t, early, late)))
        for unit in (WriteUnit.VALUE, WriteUnit.ROW):
            request = request_of(
                rows,
                scene.next_id(now),
                scene.oracle,
                whole_rows=unit is WriteUnit.ROW,
                mode=WriteMode.BULK,
                ingested_at=times,
                import_number=number,
            )
            assert 0 == scene.run(scene.servers[0].write(request)).rejected
        assert [("PRESENT", 1), ("PRESENT", "late")] == online(scene, 0, "tally", "note")
        assert [("PRESENT", 1), ("NOT_FOUND", None)] == past(scene, 0, t, "tally@1", "note@1", known_at=late - 1)
        assert [("PRESENT", 1), ("PRESENT", "late")] == past(scene, 0, t, "tally@1", "note@1", known_at=late)
        assert [("NOT_FOUND", None)] == past(scene, 0, t, "tally@1", known_at=early - 1)


def test_an_unsettled_import_is_refused(arena: Arena) -> None:
    """It would change what a settled known_at admits."""
    with arena.scene() as scene:
        row = Row(scene.entities[0], scene.clock.now, {("tally", 1): 1})
        young = scene.clock.now - SETTLING + 1
        for ingested, mode, refused in (
            (young, WriteMode.BULK, FailedPrecondition),
            (0, WriteMode.ATOMIC, InvalidInput),
        ):
            request = request_of(
                [row],
                scene.next_id(scene.clock.now),
                scene.oracle,
                whole_rows=True,
                mode=mode,
                ingested_at=[ingested * 1_000],
                import_number=0,
            )
            with pytest.raises(refused):
                scene.run(scene.servers[0].write(request))
        with pytest.raises(FailedPrecondition) as caught:
            scene.run(scene.servers[0].begin_import(ImportScope(("tally",), 0, 0, 0, young)))
        assert Reason.KNOWN_AT_NOT_SETTLED is caught.value.reason


def test_the_retry_window_includes_its_ends(arena: Arena) -> None:
    """A microsecond more on either side is refused, and nothing is stored."""
    with arena.scene() as scene:
        now = scene.clock.now
        for made_at, refused in (
            (now - RETRY_WINDOW + 1, None),
            (now - RETRY_WINDOW - 1, Reason.REQUEST_TOO_OLD),
            (now + SKEW, None),
            (now + SKEW + 2, Reason.REQUEST_IN_FUTURE),
        ):
            row = Row(scene.entities[0], now, {("tally", 1): 7})
            request = request_of([row], scene.next_id(made_at), scene.oracle, whole_rows=True)
            if refused is None:
                assert 1 == scene.run(scene.servers[0].write(request)).accepted
                continue
            with pytest.raises(InvalidInput) as error:
                scene.run(scene.servers[0].write(request))
            assert refused == error.value.reason
        assert 2 == len(scene.run(scene.servers[0].get_feature_history(scene.entities[0], "tally", corrections=True)))


def test_many_corrections_of_one_event_time_page_without_loss(arena: Arena) -> None:
    """A page never cuts an event time; a limit counts corrections when they are asked for, winners otherwise."""
    with arena.scene() as scene:
        now, store = scene.clock.now, scene.servers[0]
        for number in range(12):
            write(scene, 0, now - (number % 3) * SECOND, tally=number)
        for corrections, limit, wanted in (
            (False, None, [9, 10, 11]),
            (True, None, [9, 6, 3, 0, 10, 7, 4, 1, 11, 8, 5, 2]),
            (True, 5, [9, 6, 3, 0, 10]),
            (False, 2, [9, 10]),
            (False, 1, [9]),
        ):
            for page_size in (1, 2, 3, 5, 100):
                found: list[object] = []
                token = ""
                while True:
                    page = scene.run(
                        store.page_feature_history(
                            scene.entities[0],
                            "tally",
                            limit=limit,
                            corrections=corrections,
                            page_size=page_size,
                            page_token=token,
                        )
                    )
                    found += page.column.to_list()
                    token = page.next_page
                    if not token:
                        break
                assert wanted == found


def test_a_flat_history_pages_without_loss(arena: Arena) -> None:
    """That there is a next page is known without corrections to give it away; the last page says so."""
    with arena.scene() as scene:
        now, store = scene.clock.now, scene.servers[0]
        for number in range(5):
            write(scene, 0, now - number * SECOND, tally=number)
        for page_size in (1, 2, 4, 5, 6):
            found: list[object] = []
            token, pages = "", 0
            while token or not pages:
                page = scene.run(
                    store.page_feature_history(scene.entities[0], "tally", page_size=page_size, page_token=token)
                )
                found += page.column.to_list()
                token, pages = page.next_page, pages + 1
            assert ([0, 1, 2, 3, 4], -(-5 // page_size)) == (found, pages)


def test_known_at_admits_its_whole_microsecond(arena: Arena) -> None:
    """Ingest times are finer than known_at."""
    with arena.scene() as scene:
        made_at = scene.clock.now
        row = Row(scene.entities[0], made_at, {("tally", 1): 1})
        request = request_of([row], scene.next_id(made_at, nanos=998), scene.oracle, whole_rows=True)
        assert 1 == scene.run(scene.servers[0].write(request)).accepted
        scene.clock.advance(SETTLING + SECOND)
        assert [("PRESENT", 1)] == past(scene, 0, made_at, "tally@1", known_at=made_at)
        assert [("NOT_FOUND", None)] == past(scene, 0, made_at, "tally@1", known_at=made_at - 1)


def test_of_one_event_time_the_later_request_wins_in_whatever_layout(arena: Arena) -> None:
    """Also when it arrives first, at another server that writes other column sets."""
    with arena.scene() as scene:
        t = scene.clock.now
        first = Row(scene.entities[0], t, {("tally", 1): 1, ("note", 1): "a"})
        second = Row(scene.entities[0], t, {("tally", 1): 2, ("flag", 1): True})
        for server, row, made_at in ((1, second, t - 1), (0, first, t - 2)):
            request = request_of([row], scene.next_id(made_at), scene.oracle, whole_rows=True)
            assert 1 == scene.run(scene.servers[server].write(request)).accepted
        expected: list[tuple[str, object]] = [("PRESENT", 2), ("PRESENT", "a"), ("PRESENT", True)]
        assert expected == online(scene, 0, "tally", "note", "flag")
        assert expected == past(scene, 0, t, "tally", "note", "flag")


def test_a_deletion_up_to_an_earlier_moment_spares_what_is_later(arena: Arena) -> None:
    """The cleaning too: later values of the same feature, and other features at covered times, are all still there."""
    with arena.scene() as scene:
        t, store, who = scene.clock.now, scene.servers[0], scene.entities[0]
        for number in range(4):
            write(scene, 0, t - number * SECOND, tally=number, note=f"n{number}")
        deletion = scene.run(store.delete_feature_values(who, ["tally"], t - 2 * SECOND))
        assert deletion.cleaned
        assert [0, 1] == scene.run(store.get_feature_history(who, "tally")).column.to_list()
        assert 4 == len(scene.run(store.get_feature_history(who, "note")))
        scene.run(store.delete_entity(who, t - SECOND))
        assert [0] == scene.run(store.get_feature_history(who, "tally")).column.to_list()
        assert ["n0"] == scene.run(store.get_feature_history(who, "note")).column.to_list()
        assert [("PRESENT", 0), ("PRESENT", "n0")] == online(scene, 0, "tally", "note")
        assert [("NOT_FOUND", None)] == past(scene, 0, t - SECOND, "note")
