"""The merge of an entity's cells: the newest of all layouts, marks applied, nothing guessed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from featurama_core.retrieval.answer import answered
from featurama_core.retrieval.online import newest_cells
from featurama_core.retrieval.plan import Features
from featurama_core.retrieval.tombstones import Tombstones
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.layouts import Layout, tombstone_id
from featurama_core.storage.packed_cell import pack, without_fields
from featurama_core.storage.records import TOMBSTONE_BYTES, Cells
from featurama_core.storage.tombstone_cells import pack_tombstone
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import Status, ValueType, empty_values

SPEED = FeatureDefinition("speed", ValueType.DOUBLE)
FASTER = FeatureDefinition("speed", ValueType.INT, version=2)
NOTE = FeatureDefinition("note", ValueType.TEXT)
ALL = (SPEED, FASTER, NOTE)

Cell = tuple[int, int, bytes]
"""(entity, layout id, content)."""
Shown = tuple[str, object, int | None]


def cell(values: dict[FeatureDefinition, object], time: int, ingested: int = 0, entity: int = 0) -> Cell:
    """One packed cell; None is a null."""
    layout = Layout.of(values)
    by_key = {definition.key: definition for definition in values}
    columns = []
    for field in layout.fields:
        definition = by_key[field.key]
        array = empty_values(definition.value_type, 1)
        value = values[definition]
        if value is not None:
            array[0] = value
        status = np.array([Status.NULL_VALUE if value is None else Status.PRESENT], dtype=np.uint8)
        columns.append(Column(field.name, field.value_type, array, status, np.zeros(1, dtype=np.int64)))
    packed = pack(layout, columns, np.array([time]), np.array([ingested]))
    return entity, layout.layout_id, packed[0]


def mark(through: int, name: str = "", entity: int = 0) -> Cell:
    return entity, tombstone_id(name), pack_tombstone(through)


def cells(found: Iterable[Cell], entities: int = 1, failed: Sequence[int] = ()) -> Cells:
    rows = list(found)
    lost = np.zeros(entities, dtype=np.bool_)
    lost[list(failed)] = True
    return Cells(
        tuple(row[0] for row in rows),
        tuple(row[1] for row in rows),
        [row[2] for row in rows],
        lost,
    )


LAYOUTS = {
    layout.layout_id: layout
    for size in (1, 2, 3)
    for layout in (Layout.of(each) for each in itertools.combinations(ALL, size))
}


def shown(stored: Cells, feature: FeatureDefinition, entities: int = 1) -> list[Shown]:
    """(status, value, event time) an entity."""
    as_of = ReadBounds(None, 1_000, at_now=True).rows(None)
    features = Features(ResolvedFeature(each, FeatureGroup("default")) for each in ALL)
    columns = {}
    for positions, winners in newest_cells(stored, LAYOUTS, features, entities, as_of):
        found = answered(features.part(positions), winners, Tombstones.of_cells(stored, entities), as_of)
        columns |= dict(zip(positions, found, strict=True))
    column = columns[ALL.index(feature)]
    rows = zip(column.status.tolist(), column.values.tolist(), column.event_time.tolist(), strict=True)
    return [
        (
            Status(status).name,
            value if status == Status.PRESENT else None,
            time if status in (Status.PRESENT, Status.NULL_VALUE) else None,
        )
        for status, value, time in rows
    ]


def test_the_newest_of_all_layouts_wins_in_any_order() -> None:
    """By event time, then by ingest time; a layout that lacks the feature says nothing."""
    parts = [
        cell({SPEED: 1.0}, 10, 5),
        cell({SPEED: 2.0, NOTE: "a"}, 20, 1),
        cell({SPEED: 3.0, FASTER: 7}, 20, 2),
        cell({NOTE: "b"}, 30, 9),
    ]
    for order in itertools.permutations(parts):
        assert [("PRESENT", 3.0, 20)] == shown(cells(order), SPEED)
        assert [("PRESENT", "b", 30)] == shown(cells(order), NOTE)
        assert [("PRESENT", 7, 20)] == shown(cells(order), FASTER)


def test_a_newer_null_hides_an_older_value() -> None:
    """It was written, at a time."""
    stored = cells([cell({SPEED: 1.0}, 10), cell({SPEED: None, NOTE: "a"}, 20)])
    assert [("NULL_VALUE", None, 20)] == shown(stored, SPEED)


def test_a_mark_covers_up_to_its_time_included() -> None:
    """Of its own feature or of the whole entity, whichever is higher; all versions."""
    stored = [cell({SPEED: 1.0}, 10), cell({NOTE: "a"}, 11), cell({FASTER: 2}, 10)]
    assert [("NOT_FOUND", None, None)] == shown(cells([*stored, mark(10, "speed")]), SPEED)
    assert [("NOT_FOUND", None, None)] == shown(cells([*stored, mark(10, "speed")]), FASTER)
    assert [("PRESENT", 1.0, 10)] == shown(cells([*stored, mark(9, "speed")]), SPEED)
    assert [("NOT_FOUND", None, None)] == shown(cells([*stored, mark(10), mark(3, "speed")]), SPEED)
    assert [("PRESENT", "a", 11)] == shown(cells([*stored, mark(10), mark(10, "note")]), NOTE)


def test_marks_of_other_features_and_entities_are_ignored() -> None:
    """And they never make an entity ERROR, though no layout has their id."""
    stored = cells([cell({SPEED: 1.0}, 10), mark(99, "note"), mark(99, "other"), mark(99, entity=1)], 2)
    assert [("PRESENT", 1.0, 10), ("NOT_FOUND", None, None)] == shown(stored, SPEED, 2)
    assert [99, 99] == np.asarray(Tombstones.of_cells(stored, 2).through("note")).tolist()
    assert {Layout.of([SPEED]).layout_id} == stored.layouts


def test_an_unknown_layout_makes_its_entity_an_error() -> None:
    """Every feature of it; other entities stand."""
    unknown = cell({FeatureDefinition("secret", ValueType.DOUBLE): 1.0}, 10)
    stored = cells([unknown, cell({SPEED: 1.0}, 10, entity=0), cell({SPEED: 2.0}, 10, entity=1)], 2)
    assert [("ERROR", None, None), ("PRESENT", 2.0, 10)] == shown(stored, SPEED, 2)
    assert [("ERROR", None, None), ("NOT_FOUND", None, None)] == shown(stored, NOTE, 2)


@pytest.mark.parametrize("size", [0, 1, 7, TOMBSTONE_BYTES, 9, 20])
def test_an_unreadable_cell_is_an_error_for_the_features_of_its_layout_only(size: int) -> None:
    """Even beside a newer good cell, and when it is as long as a mark: which value is the newest cannot be known."""
    entity, layout_id, content = cell({SPEED: 1.0, NOTE: "a"}, 10)
    stored = cells([(entity, layout_id, content[:size]), cell({SPEED: 2.0}, 20), cell({FASTER: 3}, 20)])
    assert [("ERROR", None, None)] == shown(stored, SPEED)
    assert [("ERROR", None, None)] == shown(stored, NOTE)
    assert [("PRESENT", 3, 20)] == shown(stored, FASTER)


def test_another_codec_version_is_an_error() -> None:
    """A newer release wrote it."""
    entity, layout_id, content = cell({SPEED: 1.0}, 10)
    newer = content[:16] + bytes([content[16] + 1]) + content[17:]
    assert [("ERROR", None, None)] == shown(cells([(entity, layout_id, newer)]), SPEED)


def test_an_entity_that_did_not_answer_is_an_error() -> None:
    """Not NOT_FOUND."""
    stored = cells([cell({SPEED: 2.0}, 10, entity=1)], 3, failed=[0])
    expected = [("ERROR", None, None), ("PRESENT", 2.0, 10), ("NOT_FOUND", None, None)]
    assert expected == shown(stored, SPEED, 3)


def test_a_cleaned_field_says_nothing_and_beats_the_cell_it_came_from() -> None:
    """A resend of the original loses by its bytes; the other fields stay."""
    _, layout_id, content = cell({SPEED: 1.0, NOTE: "a"}, 10, 5)
    layout = LAYOUTS[layout_id]
    cleaned = without_fields(layout, content, [field.name == "note" for field in layout.fields])
    assert cleaned > content
    stored = cells([(0, layout_id, cleaned)])
    assert [("PRESENT", 1.0, 10)] == shown(stored, SPEED)
    assert [("NOT_FOUND", None, None)] == shown(stored, NOTE)


def test_of_equal_event_times_the_later_correction_has_the_larger_bytes() -> None:
    """So that a cluster, which compares bytes, keeps it; also before 1970 and against a cleaned cell."""
    for time in (-5, 0, 5):
        for earlier, later in ((-2, -1), (-1, 0), (0, 1), (255, 256)):
            first, second = cell({SPEED: 9.0}, time, earlier)[2], cell({SPEED: 1.0}, time, later)[2]
            assert first < second
            assert without_fields(Layout.of([SPEED]), first, [True]) < second
