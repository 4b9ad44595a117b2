"""Rules of a write that random scenes seldom meet: what refuses a value, and where the limits of times lie."""

from __future__ import annotations

import pytest

from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.values import Status
from featurama_core.types.writes import WriteMode, WriteReport

from .oracle import SECOND, SETTLING, SKEW, Row, Value
from .scene import RETENTION, Arena, Scene
from .wire import request_of


def write(scene: Scene, *rows: tuple[int, int, dict[tuple[str, int], Value]], whole_rows: bool = True) -> WriteReport:
    """Rows of (entity, event time, values) in one request."""
    made = [Row(scene.entities[entity], time, values) for entity, time, values in rows]
    return scene.run(scene.servers[0].write(request_of(made, scene.new_id(0), scene.oracle, whole_rows=whole_rows)))


def read(scene: Scene, entity: int, reference: str) -> tuple[str, object]:
    """(status, value) that another server reads online."""
    answer = scene.run(scene.servers[1].get_online_features([scene.entities[entity]], [reference]))
    (column,) = answer.columns
    return Status(column.status[0]).name, column.to_list()[0]


def test_a_feature_given_twice_in_a_row_is_refused_and_the_other_rows_stand(arena: Arena) -> None:
    """`tally` and `tally@1` are one feature: which of the two values is meant is not guessed."""
    with arena.scene(grows=False) as scene:
        t = scene.clock.now
        report = write(
            scene,
            (0, t, {("tally", 0): 1, ("tally", 1): 2, ("note", 1): "twice"}),
            (1, t, {("tally", 0): 3}),
            (2, t, {("tally", 1): 4}),
        )
        assert (2, 1, 0) == (report.accepted, report.rejected, report.unknown)
        (verdict,) = report.verdicts
        assert (0, Reason.CONFLICTING_DUPLICATE, "tally") == (verdict.row, verdict.reason, verdict.field)
        assert [("NOT_FOUND", None), ("PRESENT", 3), ("PRESENT", 4)] == [
            read(scene, entity, "tally@1") for entity in range(3)
        ]
        assert "NOT_FOUND" == read(scene, 0, "note@1")[0]


def test_a_feature_given_twice_costs_only_its_own_values_where_values_are_judged_alone(arena: Arena) -> None:
    """Both values are refused, the row's other value is stored."""
    with arena.scene(grows=False) as scene:
        values: dict[tuple[str, int], Value] = {("tally", 0): 1, ("tally", 1): 2, ("note", 1): "kept"}
        report = write(scene, (0, scene.clock.now, values), whole_rows=False)
        assert (1, 2, 0) == (report.accepted, report.rejected, report.unknown)
        assert {Reason.CONFLICTING_DUPLICATE} == {verdict.reason for verdict in report}
        assert "NOT_FOUND" == read(scene, 0, "tally@1")[0]
        assert ("PRESENT", "kept") == read(scene, 0, "note@1")


def test_the_limits_of_event_times_are_within_them(arena: Arena) -> None:
    """What is younger than retention is accepted, and the last microsecond of clock skew, but none beyond."""
    with arena.scene(grows=False) as scene:
        now = scene.clock.now
        for time, refused in (
            (now - RETENTION + 1, None),
            (now - RETENTION, Reason.PAST_RETENTION),
            (now + SKEW, None),
            (now + SKEW + 1, Reason.EVENT_TIME_IN_FUTURE),
        ):
            report = write(scene, (0, time, {("heat", 1): 1.5}))
            assert ([] if refused is None else [refused]) == [verdict.reason for verdict in report]


@pytest.mark.parametrize(("younger", "refused"), [(0, False), (999, False), (1_000, True)])
def test_an_import_may_be_as_young_as_what_is_settled(arena: Arena, younger: int, refused: bool) -> None:
    """The newest of its ingest times decides, wherever it stands; they count to the microsecond."""
    with arena.scene(grows=False) as scene:
        now = scene.clock.now
        rows = [Row(scene.entities[entity], now - 9_000 * SECOND, {("tally", 1): 1}) for entity in range(3)]
        newest, before = (now - SETTLING) * 1_000 + younger, now - 10_000 * SECOND
        number = scene.run(scene.servers[0].begin_import(ImportScope(("tally",), before, now, before, now - SETTLING)))
        request = request_of(
            rows,
            scene.new_id(0),
            scene.oracle,
            whole_rows=True,
            mode=WriteMode.BULK,
            ingested_at=[newest - 10**12, newest, newest - 10**12],
            import_number=number,
        )
        if not refused:
            assert 3 == scene.run(scene.servers[0].write(request)).accepted
            return
        with pytest.raises(FailedPrecondition) as error:
            scene.run(scene.servers[0].write(request))
        assert Reason.KNOWN_AT_NOT_SETTLED == error.value.reason


def test_a_resend_at_another_server_adds_nothing(arena: Arena) -> None:
    """The ingest time is the request's own, not the moment of arrival: one element of history after three sends."""
    with arena.scene(grows=False) as scene:
        row = Row(scene.entities[0], scene.clock.now, {("tally", 1): 1, ("heat", 1): 2.5})
        request = request_of([row], scene.new_id(0), scene.oracle, whole_rows=True)
        for server in (0, 1, 0):
            assert 1 == scene.run(scene.servers[server].write(request)).accepted
            scene.clock.advance(SECOND)
        for feature in ("tally", "heat@1"):
            history = scene.run(scene.servers[1].get_feature_history(scene.entities[0], feature, corrections=True))
            assert 1 == len(history)


def test_a_value_of_another_entity_type_is_refused_and_the_entity_named_types_too(arena: Arena) -> None:
    """A registered id takes features of its own type, and those of `entity`."""
    with arena.scene(grows=False) as scene:
        store, t = scene.servers[0], scene.clock.now
        scene.run(store.register_entity_type("place"))
        scene.run(store.register_entity(scene.entities[0], "place"))
        report = write(scene, (0, t, {("pace", 1): 1.5}), (1, t, {("pace", 1): 1.5}), (0, t, {("tally", 1): 1}))
        assert [(0, Reason.ENTITY_TYPE_MISMATCH)] == [(verdict.row, verdict.reason) for verdict in report]
        assert ["NOT_FOUND", "PRESENT"] == [read(scene, entity, "pace@1")[0] for entity in range(2)]
