"""Rules of a deletion and of purging: what is recorded, what bytes are left, and what is spared."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from featurama_core.ingest.purge import purge
from featurama_core.storage.layouts import tombstone_id
from featurama_core.types.errors import Reason, Unknown
from featurama_core.types.writes import WriteReport

from .oracle import SECOND, SETTLING, Row, Value
from .scene import RETENTION, Arena, Scene
from .wire import read_online, request_of


def write(scene: Scene, entity: int, time: int, server: int = 0, **values: Value) -> WriteReport:
    """One row of first versions."""
    row = Row(scene.entities[entity], time, {(name, 1): value for name, value in values.items()})
    request = request_of([row], scene.new_id(0), scene.oracle, whole_rows=True)
    return scene.run(scene.servers[server].write(request))


def status(scene: Scene, entity: int, *references: str) -> list[str]:
    """What another server reads online."""
    online = scene.run(read_online(scene.servers[1], scene))
    return [online[entity, reference][0] for reference in references]


def cells(scene: Scene, entity: int) -> Mapping[int, bytes]:
    """layout id -> bytes of the entity's latest cells, the marks of deletions aside."""
    found = scene.run(scene.storages[0].read_cells([scene.entities[entity]]))
    marks = {tombstone_id(), tombstone_id("note"), tombstone_id("tally")}
    pairs = zip(found.layout_id.tolist(), map(bytes, found.cells), strict=True)
    return {layout_id: cell for layout_id, cell in pairs if layout_id not in marks}


def test_a_deletion_leaves_an_audit_record_of_what_and_up_to_when(arena: Arena) -> None:
    """One record a call, newest first, with the features that were named."""
    with arena.scene(grows=False) as scene:
        store, who = scene.servers[0], scene.entities[0]
        write(scene, 0, scene.clock.now, tally=1, note="a")
        first = scene.clock.now
        scene.run(store.delete_feature_values(who, ["tally", "note"], first - SECOND))
        scene.clock.advance(SECOND)
        scene.run(store.delete_entity(who))
        records = [each for each in scene.run(scene.storages[0].list_audit(10_000)) if each.subject == who]
        assert [
            (scene.clock.now, "delete_entity", {"features": [], "deleted_through_us": scene.clock.now}),
            (
                first,
                "delete_feature_values",
                {"features": ["tally", "note"], "deleted_through_us": first - SECOND},
            ),
        ] == [(each.at, each.action, json.loads(each.detail)) for each in records]


def test_deleting_features_rewrites_the_latest_cell_without_their_bytes(arena: Arena) -> None:
    """Text and number are gone from what is stored, and the neighbour of both is still there."""
    with arena.scene(grows=False) as scene:
        secret = 0x1122334455667788
        write(scene, 0, scene.clock.now, tally=secret, note="secret", word="kept", flag=True)
        before = b"".join(cells(scene, 0).values())
        assert b"secret" in before
        assert secret.to_bytes(8, "little") in before
        assert scene.run(scene.servers[0].delete_feature_values(scene.entities[0], ["tally", "note"])).cleaned
        after = b"".join(cells(scene, 0).values())
        assert b"secret" not in after
        assert secret.to_bytes(8, "little") not in after
        assert b"kept" in after
        assert ["NOT_FOUND", "NOT_FOUND", "PRESENT", "PRESENT"] == status(
            scene, 0, "tally@1", "note@1", "word@1", "flag@1"
        )


def test_every_feature_that_a_deletion_names_has_its_mark(arena: Arena) -> None:
    """A late write of any of them, which no cleaning has met, stays invisible; other features are seen."""
    with arena.scene(grows=False) as scene:
        write(scene, 0, scene.clock.now, tally=1, note="a", flag=True)
        scene.run(scene.servers[0].delete_feature_values(scene.entities[0], ["tally", "note"]))
        for late in ({"tally": 2}, {"note": "late"}, {"flag": False}):
            assert 1 == write(scene, 0, scene.clock.now, server=1, **late).accepted  # type: ignore[arg-type]
        assert ["NOT_FOUND", "NOT_FOUND", "PRESENT"] == status(scene, 0, "tally@1", "note@1", "flag@1")


def test_a_cell_that_is_newer_than_the_deletion_is_not_rewritten(arena: Arena) -> None:
    """The mark lies before it: byte for byte it stays what it was."""
    with arena.scene(grows=False) as scene:
        now = scene.clock.now
        write(scene, 0, now, tally=1, note="newer")
        before = cells(scene, 0)
        assert scene.run(scene.servers[0].delete_feature_values(scene.entities[0], ["note"], now - 1)).cleaned
        assert before == cells(scene, 0)
        assert scene.run(scene.servers[0].delete_feature_values(scene.entities[0], ["note"], now)).cleaned
        assert b"newer" not in b"".join(cells(scene, 0).values())


def test_deleting_an_entity_removes_its_cells_and_no_other_entitys(arena: Arena) -> None:
    """Of every layout it has been written in."""
    with arena.scene(grows=False) as scene:
        for entity in (0, 1):
            write(scene, entity, scene.clock.now, tally=1)
            write(scene, entity, scene.clock.now, note="a", word="b")
        kept = cells(scene, 1)
        assert scene.run(scene.servers[0].delete_entity(scene.entities[0])).cleaned
        assert {} == cells(scene, 0)
        assert kept == cells(scene, 1)
        assert ["PRESENT", "PRESENT", "PRESENT"] == status(scene, 1, "tally@1", "note@1", "word@1")


def test_a_deleted_entitys_type_is_forgotten(arena: Arena) -> None:
    """Here at once, though its type was just looked up: it may live again as an entity of another type."""
    with arena.scene(grows=False) as scene:
        store, who = scene.servers[0], scene.entities[0]
        scene.run(store.register_entity_type("place"))
        scene.run(store.register_entity(who, "place"))
        refused = write(scene, 0, scene.clock.now, pace=1.5)
        assert [Reason.ENTITY_TYPE_MISMATCH] == [verdict.reason for verdict in refused]
        scene.run(store.delete_entity(who))
        with pytest.raises(Unknown):
            scene.run(scene.servers[1].get_entity(who))
        assert 1 == write(scene, 0, scene.clock.now + 1, pace=1.5).accepted
        scene.run(store.register_entity(who, "thing"))
        assert ["PRESENT"] == status(scene, 0, "pace@1")


def test_deleting_some_features_keeps_the_entity_registered(arena: Arena) -> None:
    """Only a deletion of the whole entity takes it out of the list."""
    with arena.scene(grows=False) as scene:
        store, who = scene.servers[0], scene.entities[0]
        scene.run(store.register_entity(who, "thing"))
        scene.run(store.delete_feature_values(who, ["tally"]))
        assert who == scene.run(scene.servers[1].get_entity(who)).entity_id


def test_a_deletion_that_names_an_unknown_feature_deletes_nothing(arena: Arena) -> None:
    """The known features beside it are spared too, and no record is left."""
    with arena.scene(grows=False) as scene:
        write(scene, 0, scene.clock.now, tally=1)
        with pytest.raises(Unknown):
            scene.run(scene.servers[0].delete_feature_values(scene.entities[0], ["tally", "nothing"]))
        assert ["PRESENT"] == status(scene, 0, "tally@1")
        assert [] == [
            each for each in scene.run(scene.storages[0].list_audit(10_000)) if each.subject == scene.entities[0]
        ]


def test_a_feature_that_was_just_registered_elsewhere_can_be_deleted(arena: Arena) -> None:
    """A deletion looks its features up afresh, however stale the definitions of this server may be."""
    with arena.scene(grows=False) as scene:
        assert ["NOT_FOUND"] == status(scene, 0, "tally@1")  # both servers know the definitions of now
        scene.run(scene.servers[0].get_online_features([scene.entities[0]], ["tally"]))
        scene.run(scene.servers[1].register_feature(scene.growing, "int", group="plain"))
        assert scene.run(scene.servers[0].delete_feature_values(scene.entities[0], [scene.growing])).cleaned


def test_a_deletion_without_a_moment_reaches_every_version_and_layout(arena: Arena) -> None:
    """Versions of one name are deleted together, wherever their newest values stand."""
    with arena.scene(grows=False) as scene:
        ahead = scene.clock.now + 3 * SECOND
        row = Row(scene.entities[0], ahead, {("level", 2): 7})
        write(scene, 0, scene.clock.now, level=1.5)
        request = request_of([row], scene.new_id(0), scene.oracle, whole_rows=True)
        assert 1 == scene.run(scene.servers[0].write(request)).accepted
        deletion = scene.run(scene.servers[0].delete_feature_values(scene.entities[0], ["level"]))
        assert ahead == deletion.deleted_through
        assert ["NOT_FOUND", "NOT_FOUND"] == status(scene, 0, "level@1", "level@2")


def test_a_deletion_again_reaches_no_further_than_now(arena: Arena) -> None:
    """What was ahead of the clock is gone already; the cell that held it, and holds others still, does not count."""
    with arena.scene(grows=False) as scene:
        ahead, store, who = scene.clock.now + 3 * SECOND, scene.servers[0], scene.entities[0]
        write(scene, 0, ahead, tally=1, note="ahead")
        assert ahead == scene.run(store.delete_feature_values(who, ["note"])).deleted_through
        assert scene.clock.now == scene.run(store.delete_feature_values(who, ["note"])).deleted_through
        write(scene, 0, scene.clock.now + SECOND, note="under the first mark")
        assert ["PRESENT", "NOT_FOUND"] == status(scene, 0, "tally@1", "note@1")


def test_deleting_a_feature_cleans_the_history_of_all_its_versions(arena: Arena) -> None:
    """The table itself holds them no longer, whatever marks there are; the neighbours in their rows are still there."""
    with arena.scene(grows=False) as scene:
        store, who, t = scene.servers[0], scene.entities[0], scene.clock.now
        for number in range(2):
            row = Row(who, t - number * SECOND, {("level", 1): 1.5, ("level", 2): 2, ("tally", 1): number})
            request = request_of([row], scene.new_id(0), scene.oracle, whole_rows=True)
            assert 1 == scene.run(scene.servers[0].write(request)).accepted
        group = scene.run(store.get_feature_group("plain"))
        features = [scene.run(store.get_feature(*key)) for key in (("level", 1), ("level", 2), ("tally", 1))]
        wanted = [(feature, group) for feature in features]
        for through, left in ((None, [2, 2, 2]), (t - 1, [1, 1, 2]), (t, [0, 0, 2])):
            if through is not None:
                assert scene.run(store.delete_feature_values(who, ["level"], through)).cleaned
            found = scene.run(scene.storages[0].read_history([who], wanted, start=t - 60 * SECOND, end=t + SECOND))
            assert left == [len(history.entity) for history in found]


def test_a_purge_removes_cells_once_no_read_that_began_before_may_show_them(arena: Arena) -> None:
    """Not before the settling time has gone by as well, and never those of a group that keeps for ever."""
    with arena.scene(grows=False) as scene:
        t = scene.clock.now
        write(scene, 0, t, heat=1.5)
        write(scene, 1, t, tally=1)
        write(scene, 2, t + 1, heat=1.5)
        scene.clock.nanos = (t + RETENTION + SETTLING - 1) * 1_000
        for purged, left in ((0, [1, 1, 1]), (1, [0, 1, 1]), (1, [0, 1, 0]), (0, [0, 1, 0])):
            found = scene.run(purge(scene.servers[0].space))
            # On a cluster scenes share a namespace, and the server expires history by its own clock.
            assert arena.adapter == "cql" or (purged, purged) == (found.latest_cells, found.history_rows)
            assert left == [len(cells(scene, entity)) for entity in range(3)]
            scene.clock.advance(1)
        assert ["PRESENT"] == status(scene, 1, "tally@1")
        assert 1 == len(scene.run(scene.servers[0].get_feature_history(scene.entities[1], "tally")))
