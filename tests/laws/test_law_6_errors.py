"""Law 6, the fifth status: what cannot be read is ERROR, never NOT_FOUND, and the rest of the answer stands."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.faults.storage import FaultyStorage, Reading, not_answering
from tests.opened import OpenedStore

from featurama_core.storage.records import Cells
from featurama_core.storage.tombstone_cells import TOMBSTONE_BYTES
from featurama_core.types.errors import StoreUnavailable
from featurama_core.types.values import Status

from .oracle import Row, Value
from .scene import Arena, Scene
from .wire import request_of


def write(scene: Scene, entity: int, values: dict[str, Value]) -> None:
    """One row, now."""
    row = Row(scene.entities[entity], scene.clock.now, {(name, 1): value for name, value in values.items()})
    request = request_of([row], scene.next_id(scene.clock.now), scene.oracle, whole_rows=True)
    assert 1 == scene.run(scene.servers[0].write(request)).accepted
    scene.clock.advance(1)


def statuses(scene: Scene, store: OpenedStore, entities: Sequence[int], features: Sequence[str]) -> list[list[str]]:
    """A list of statuses an entity."""
    answer = scene.run(store.get_online_features([scene.entities[each] for each in entities], features))
    columns = [column.status.tolist() for column in answer.columns]
    return [[Status(column[row]).name for column in columns] for row in range(len(entities))]


def failing(scene: Scene, *entities: int) -> Reading:
    """The partitions of some entities do not answer."""
    return not_answering({scene.entities[each] for each in entities})


def cutting(size: int) -> Reading:
    """Every packed cell is cut to `size` bytes; there are no marks."""

    def read(_: Sequence[str], cells: Cells) -> Cells:
        assert TOMBSTONE_BYTES not in map(len, cells.cells)
        cut = [cell[:size] for cell in cells.cells]
        return Cells(cells.entities, cells.layout_ids, cut, cells.failed)

    return read


def test_an_entity_that_does_not_answer_is_an_error_and_the_others_stand(arena: Arena) -> None:
    """ERROR for every feature of that entity, found or not."""
    with arena.scene() as scene:
        write(scene, 0, {"tally": 1})
        write(scene, 1, {"tally": 2})
        store = scene.server(FaultyStorage(scene.storages[0], reading=failing(scene, 1)))  # type: ignore[arg-type]
        read = statuses(scene, store, [0, 1, 2], ["tally", "note"])
        assert [["PRESENT", "NOT_FOUND"], ["ERROR", "ERROR"], ["NOT_FOUND", "NOT_FOUND"]] == read


def test_no_answer_for_any_entity_fails_the_call(arena: Arena) -> None:
    """There is no rest that could stand."""
    with arena.scene() as scene:
        store = scene.server(FaultyStorage(scene.storages[0], reading=failing(scene, 0, 1)))  # type: ignore[arg-type]
        with pytest.raises(StoreUnavailable):
            statuses(scene, store, [0, 1], ["tally"])


def test_a_path_whose_target_does_not_answer_is_an_error_alone(arena: Arena) -> None:
    """The asked entity's own features stand, also when the only target is lost."""
    with arena.scene() as scene:
        write(scene, 0, {"tally": 1, "home": scene.entities[1]})
        write(scene, 1, {"pace": 2.5})
        store = scene.server(FaultyStorage(scene.storages[0], reading=failing(scene, 1)))  # type: ignore[arg-type]
        assert [["PRESENT", "PRESENT", "ERROR"]] == statuses(scene, store, [0], ["tally", "home", "home.pace"])


def test_a_training_set_is_refused_while_an_entity_does_not_answer(arena: Arena) -> None:
    """It has no ERROR to say so: a row without a value would be a lie."""
    with arena.scene() as scene:
        write(scene, 0, {"tally": 1})
        store = scene.server(FaultyStorage(scene.storages[0], reading=failing(scene, 1)))  # type: ignore[arg-type]
        with pytest.raises(StoreUnavailable):
            scene.run(store.get_historical_features([scene.entities[0], scene.entities[1]], ["tally"]))
        with pytest.raises(StoreUnavailable):
            scene.run(store.get_feature_history(scene.entities[1], "tally"))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 17, 18, 24])
def test_a_truncated_cell_is_an_error_for_the_features_of_its_layout(arena: Arena, size: int) -> None:
    """Also one that is cut to the length of a deletion mark; features that lie in no cell are NOT_FOUND."""
    with arena.scene() as scene:
        write(scene, 0, {"tally": 1, "note": "a"})
        store = scene.server(FaultyStorage(scene.storages[0], reading=cutting(size)))  # type: ignore[arg-type]
        assert [["ERROR", "ERROR", "NOT_FOUND"]] == statuses(scene, store, [0], ["tally", "note", "flag"])


def test_a_cell_of_an_unknown_layout_makes_the_entity_an_error(arena: Arena) -> None:
    """What it holds cannot be known, so no feature can be said to be missing."""
    with arena.scene() as scene:
        write(scene, 0, {"tally": 1})
        store = scene.server(FaultyStorage(scene.storages[0], forgets_layouts=True))  # type: ignore[arg-type]
        assert [["ERROR", "ERROR"], ["NOT_FOUND", "NOT_FOUND"]] == statuses(scene, store, [0, 1], ["tally", "note"])
