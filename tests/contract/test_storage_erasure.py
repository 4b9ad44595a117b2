"""What was cleaned is gone from the tables, and a write that comes again brings it back into none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from featurama_core.storage.layouts import tombstone_id
from featurama_core.storage.packed_cell import without_fields
from featurama_core.storage.port import NamespaceOptions, NamespaceStorage
from featurama_core.storage.records import Tombstone
from featurama_core.storage.sqlite import SqliteStorage
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode

from .batches import NOW, Row, batch, listed, store
from .conftest import Names

EVER = {"start": -(2**62), "end": 2**62}


async def history_of(
    namespace: NamespaceStorage, names: Names, entity: str, *features: FeatureDefinition
) -> list[list[tuple[int, object]]]:
    """(event time, value) of each feature, as the history table holds them: marks are not applied."""
    found = await namespace.read_history([entity], [(feature, names.group) for feature in features], **EVER)
    return [[(time, value) for _, time, value in listed(each, [entity])] for each in found]


async def test_a_resend_brings_no_erased_value_back_into_history(namespace: NamespaceStorage, names: Names) -> None:
    """Neither into a row that still holds other features nor into one that went as a whole."""
    speed, mood, fry = names.feature("speed"), names.feature("mood", ValueType.TEXT), names.entity("fry")
    row = Row(fry, NOW, {speed.name: 1.0, mood.name: "calm"})
    made = await store(namespace, [row], [[speed, mood]], names.group)
    mark = Tombstone(fry, mood.name, NOW)
    await namespace.put_tombstone(mark)
    await namespace.clean(mark, [(mood, names.group)])
    assert [[(NOW, 1.0)], []] == await history_of(namespace, names, fry, speed, mood)
    for mode in (WriteMode.ATOMIC, WriteMode.BULK):
        await namespace.write(made, mode)
        assert [[(NOW, 1.0)], []] == await history_of(namespace, names, fry, speed, mood)


async def test_cleaning_a_feature_spares_newer_rows_of_the_same_layout(
    namespace: NamespaceStorage, names: Names
) -> None:
    """The mark's own moment is covered, the microsecond after it is not; corrections go with what they correct."""
    speed, mood, fry = names.feature("speed"), names.feature("mood", ValueType.TEXT), names.entity("fry")
    rows = [
        Row(fry, NOW - 1, {speed.name: 1.0, mood.name: "a"}),
        Row(fry, NOW, {speed.name: 2.0, mood.name: "b"}),
        Row(fry, NOW, {speed.name: 3.0, mood.name: "c"}, ingested_at=NOW * 1_000 + 1),
        Row(fry, NOW + 1, {speed.name: 4.0, mood.name: "d"}),
    ]
    await store(namespace, rows, [[speed, mood]], names.group)
    await namespace.clean(Tombstone(fry, mood.name, NOW), [(mood, names.group)])
    speeds = [(NOW - 1, 1.0), (NOW, 2.0), (NOW, 3.0), (NOW + 1, 4.0)]
    assert [speeds, [(NOW + 1, "d")]] == await history_of(namespace, names, fry, speed, mood)
    await namespace.clean(Tombstone(fry, "", NOW), [(speed, names.group), (mood, names.group)])
    assert [[(NOW + 1, 4.0)], [(NOW + 1, "d")]] == await history_of(namespace, names, fry, speed, mood)


async def test_cleaning_an_entity_spares_its_marks(namespace: NamespaceStorage, names: Names) -> None:
    """Without them old writes would be seen again."""
    speed, fry = names.feature("speed"), names.entity("fry")
    await store(namespace, [Row(fry, NOW, {speed.name: 1.0})], [[speed]], names.group)
    marks = [Tombstone(fry, "", NOW), Tombstone(fry, speed.name, NOW)]
    for mark in marks:
        await namespace.put_tombstone(mark)
    await namespace.clean(marks[0], [(speed, names.group)])
    cells = await namespace.read_cells([fry])
    assert {tombstone_id(), tombstone_id(speed.name)} == set(cells.layout_id.tolist())
    assert set(marks) == {mark for mark in await namespace.list_tombstones() if mark.entity_id == fry}


@pytest.mark.parametrize(("later", "ingested_later"), [(0, 1), (1, -1)], ids=["correction", "newer event"])
async def test_rewriting_a_cell_spares_what_came_meanwhile(
    namespace: NamespaceStorage, names: Names, later: int, ingested_later: int
) -> None:
    """A correction of the same event time, and a newer event though its ingest time, and so its bytes, are smaller."""
    speed, mood, fry = names.feature("speed"), names.feature("mood", ValueType.TEXT), names.entity("fry")
    older = Row(fry, NOW, {speed.name: 1.0, mood.name: "a"})
    winner = Row(fry, NOW + later, {speed.name: 2.0, mood.name: "b"}, ingested_at=NOW * 1_000 + ingested_later)
    (old,) = (await store(namespace, [older], [[speed, mood]], names.group)).runs
    (new,) = (await store(namespace, [winner], [[speed, mood]], names.group)).runs
    deleted = [field.name == mood.name for field in old.layout.fields]
    rewritten = without_fields(old.layout, old.cells[0], deleted)
    await namespace.replace_cell(fry, old.layout.layout_id, rewritten, NOW)
    assert [new.cells[0]] == list(map(bytes, (await namespace.read_cells([fry])).cells))


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[NamespaceStorage]:
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        yield await storage.namespace("crew")


async def test_no_cell_of_the_file_holds_what_was_deleted(
    embedded: NamespaceStorage, names: Names, tmp_path: Path
) -> None:
    """Read with SQLite itself: the text and the number are in no row of either table, the neighbours are."""
    speed, mood = names.feature("speed", ValueType.INT), names.feature("mood", ValueType.TEXT)
    kept, fry = names.feature("kept", ValueType.TEXT), names.entity("fry")
    secret = 0x1122334455667788
    rows = [Row(fry, NOW - number, {speed.name: secret, mood.name: "secret", kept.name: "kept"}) for number in range(3)]
    made = batch(rows, [[speed, mood, kept], [mood]], names.group)
    await embedded.put_layouts([run.layout for run in made.runs])
    await embedded.write(made, WriteMode.ATOMIC)
    for feature in (speed, mood):
        await embedded.clean(Tombstone(fry, feature.name, NOW), [(feature, names.group)])
    other = sqlite3.connect(tmp_path / "crew.db")
    try:
        cells = [cell for (cell,) in other.execute("SELECT cell FROM feature_history")]
    finally:
        other.close()
    assert 3 == len(cells)
    assert all(b"kept" in cell for cell in cells)
    assert not any(b"secret" in cell or secret.to_bytes(8, "little") in cell for cell in cells)


async def test_a_cell_that_cannot_be_read_is_left_to_the_mark(
    embedded: NamespaceStorage, names: Names, tmp_path: Path
) -> None:
    """A newer release wrote it: what it holds beside the deleted feature is not known, so that it stays as it is."""
    speed, mood, fry = names.feature("speed"), names.feature("mood", ValueType.TEXT), names.entity("fry")
    rows = [Row(fry, NOW - number, {speed.name: 1.0, mood.name: "a"}) for number in range(2)]
    await store(embedded, rows, [[speed, mood]], names.group)
    other = sqlite3.connect(tmp_path / "crew.db")
    try:
        with other:
            other.execute("UPDATE feature_history SET cell = x'00112233' WHERE timestamp = ?", (NOW,))
        await embedded.clean(Tombstone(fry, mood.name, NOW), [(mood, names.group)])
        cells = dict(other.execute("SELECT timestamp, cell FROM feature_history").fetchall())
    finally:
        other.close()
    assert {NOW, NOW - 1} == set(cells)
    assert bytes.fromhex("00112233") == cells[NOW]
    assert [(NOW - 1, 1.0)] == [each for each in (await history_of(embedded, names, fry, speed))[0] if each[0] != NOW]
