"""What a caller learns when the store fails during a write or a deletion, and what is true then; on every adapter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.laws.oracle import SECOND, Row
from tests.laws.scene import Arena, Scene
from tests.laws.wire import read_online, request_of
from tests.opened import OpenedStore

from featurama_core.storage.layouts import tombstone_id
from featurama_core.storage.records import AuditRecord, Cells
from featurama_core.types.errors import OutcomeUnknown, Reason, StoreUnavailable
from featurama_core.types.writes import Outcome, WriteReport

from .storage import Fault, FaultyStorage, Meddling


def failing(scene: Scene, call: str, fault: Fault) -> OpenedStore:
    """A server whose first `call` meets the fault; it has registered no layout yet."""
    number = {"put_layouts": 0, "write": 1, "put_tombstone": 0, "append_audit": 1, "clean": 2}[call]
    return scene.server(FaultyStorage(scene.storages[0], Meddling(fault, number)))  # type: ignore[arg-type]


def write(scene: Scene, store: OpenedStore, **values: object) -> WriteReport:
    """Two rows of the first two entities, a second ago."""
    rows = [
        Row(entity, scene.clock.now - SECOND, {(name, 1): value for name, value in values.items()})  # type: ignore[misc]
        for entity in scene.entities[:2]
    ]
    return scene.run(store.write(request_of(rows, scene.new_id(0), scene.oracle, whole_rows=True)))


def tallies(scene: Scene) -> list[str]:
    """Status of tally for the two entities, as another server reads it online and from the history."""
    online = scene.run(read_online(scene.servers[1], scene))
    found = []
    for row, entity in enumerate(scene.entities[:2]):
        history = scene.run(scene.servers[1].get_feature_history(entity, "tally@1", corrections=True))
        status = online[row, "tally@1"][0]
        assert (status == "PRESENT") is (len(history) == 1)
        found.append(status)
    return found


def cells(scene: Scene) -> int:
    """How many cells the latest table holds of the first entity, the mark of a deletion aside."""
    found = scene.run(scene.storages[0].read_cells([scene.entities[0]])).layout_id
    return sum(layout_id != tombstone_id() for layout_id in found.tolist())


def audits(scene: Scene) -> list[AuditRecord]:
    """The audit records about the first entity."""
    records = scene.run(scene.storages[0].list_audit(10_000))
    return [record for record in records if record.subject == scene.entities[0]]


@pytest.mark.parametrize("call", ["put_layouts", "write"])
def test_a_write_that_the_store_surely_did_not_take_is_rejected_and_nothing_of_it_is_read(
    arena: Arena, call: str
) -> None:
    """REJECTED promises that nothing was stored."""
    with arena.scene(grows=False) as scene:
        report = write(scene, failing(scene, call, Fault.NOT_DONE), tally=1)
        assert (0, 2, 0) == (report.accepted, report.rejected, report.unknown)
        assert {(Outcome.REJECTED, Reason.STORE_UNAVAILABLE)} == {(each.outcome, each.reason) for each in report}
        assert ["NOT_FOUND", "NOT_FOUND"] == tallies(scene)


@pytest.mark.parametrize("call", ["put_layouts", "write"])
def test_a_write_whose_answer_is_lost_is_unknown_and_never_rejected(arena: Arena, call: str) -> None:
    """It may be stored, and here it is where the write itself was done."""
    with arena.scene(grows=False) as scene:
        report = write(scene, failing(scene, call, Fault.DONE_UNSEEN), tally=1)
        assert (0, 0, 2) == (report.accepted, report.rejected, report.unknown)
        assert {(Outcome.UNKNOWN, Reason.UNKNOWN_OUTCOME)} == {(each.outcome, each.reason) for each in report}
        assert ["PRESENT" if call == "write" else "NOT_FOUND"] * 2 == tallies(scene)


def test_a_deletion_whose_mark_is_not_stored_deletes_nothing_and_leaves_no_record(arena: Arena) -> None:
    """The mark is the first step: without it the call fails, and every value is still read."""
    with arena.scene(grows=False) as scene:
        write(scene, scene.servers[0], tally=1)
        with pytest.raises(StoreUnavailable):
            scene.run(
                failing(scene, "put_tombstone", Fault.NOT_DONE).delete_feature_values(scene.entities[0], ["tally"])
            )
        assert ["PRESENT", "PRESENT"] == tallies(scene)
        assert [] == audits(scene)


def test_a_deletion_without_its_audit_record_fails_although_the_values_are_gone(arena: Arena) -> None:
    """No deletion is acknowledged without its record; the caller deletes again."""
    with arena.scene(grows=False) as scene:
        write(scene, scene.servers[0], tally=1)
        store = failing(scene, "append_audit", Fault.NOT_DONE)
        with pytest.raises(StoreUnavailable):
            scene.run(store.delete_feature_values(scene.entities[0], ["tally"]))
        assert ["NOT_FOUND", "PRESENT"] == tallies(scene)
        assert [] == audits(scene)
        assert scene.run(scene.servers[0].delete_feature_values(scene.entities[0], ["tally"])).cleaned
        assert 1 == len(audits(scene))


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.DONE_UNSEEN], ids=lambda fault: fault.name.lower())
def test_a_deletion_whose_cleaning_fails_says_so_and_is_true_all_the_same(arena: Arena, fault: Fault) -> None:
    """`cleaned` is false, the mark hides the value; the same call again removes the bytes that are left."""
    with arena.scene(grows=False) as scene:
        write(scene, scene.servers[0], tally=1)
        deletion = scene.run(failing(scene, "clean", fault).delete_feature_values(scene.entities[0], ["tally"]))
        assert not deletion.cleaned
        assert ["NOT_FOUND", "PRESENT"] == tallies(scene)
        assert 1 == len(audits(scene))
        again = scene.run(scene.servers[1].delete_feature_values(scene.entities[0], ["tally"]))
        assert (True, scene.clock.now) == (again.cleaned, again.deleted_through)
        assert ["NOT_FOUND", "PRESENT"] == tallies(scene)


def test_an_entity_that_the_store_does_not_answer_for_is_not_deleted(arena: Arena) -> None:
    """Its newest event time is not known, so a mark at the wall clock might not reach it."""
    with arena.scene(grows=False) as scene:
        write(scene, scene.servers[0], tally=1)

        def fails(_: Sequence[str], found: Cells) -> Cells:
            return Cells(found.entities, found.layout_ids, found.cells, np.ones_like(found.failed))

        store = scene.server(FaultyStorage(scene.storages[0], reading=fails))  # type: ignore[arg-type]
        with pytest.raises(StoreUnavailable):
            scene.run(store.delete_entity(scene.entities[0]))
        assert ["PRESENT", "PRESENT"] == tallies(scene)
        assert 1 == cells(scene)


def test_a_lost_answer_of_the_mark_is_an_unknown_outcome_and_deleting_again_settles_it(arena: Arena) -> None:
    """The caller must not believe that nothing was deleted."""
    with arena.scene(grows=False) as scene:
        write(scene, scene.servers[0], tally=1)
        with pytest.raises(OutcomeUnknown):
            scene.run(failing(scene, "put_tombstone", Fault.DONE_UNSEEN).delete_entity(scene.entities[0]))
        assert ["NOT_FOUND", "PRESENT"] == tallies(scene)
        assert scene.run(scene.servers[1].delete_entity(scene.entities[0])).cleaned
        assert 0 == cells(scene)
