"""Marks, and the cleaning that follows them."""

from __future__ import annotations

from featurama_core.storage.layouts import tombstone_id
from featurama_core.storage.packed_cell import without_fields
from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import Tombstone
from featurama_core.storage.tombstone_cells import pack_tombstone
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode

from .batches import DAY, NOW, Row, decoded, listed, store
from .conftest import Names

EVER = {"start": -(2**62), "end": 2**62}


async def marks_of(namespace: NamespaceStorage, entity_id: str) -> dict[int, bytes]:
    """layout id -> content of all cells of an entity."""
    cells = await namespace.read_cells([entity_id])
    return dict(zip(cells.layout_id.tolist(), map(bytes, cells.cells), strict=True))


async def test_a_mark_lies_among_the_cells_and_in_the_list(namespace: NamespaceStorage, names: Names) -> None:
    """For the entity as a whole and for a feature, also where nothing else is stored."""
    fry, speed = names.entity("fry"), names.feature("speed")
    whole, one = Tombstone(fry, "", NOW), Tombstone(fry, speed.name, NOW + 5)
    await namespace.put_tombstone(whole)
    await namespace.put_tombstone(one)
    assert await marks_of(namespace, fry) == {
        tombstone_id(): pack_tombstone(NOW),
        tombstone_id(speed.name): pack_tombstone(NOW + 5),
    }
    assert {mark for mark in await namespace.list_tombstones() if mark.entity_id == fry} == {whole, one}


async def test_the_higher_mark_stays(namespace: NamespaceStorage, names: Names) -> None:
    """Lower, equal and higher marks after one another, times before 1970 among them."""
    fry = names.entity("fry")
    for through, expected in ((-5 * DAY, -5 * DAY), (-6 * DAY, -5 * DAY), (NOW, NOW), (NOW, NOW), (NOW - 1, NOW)):
        await namespace.put_tombstone(Tombstone(fry, "", through))
        assert await marks_of(namespace, fry) == {tombstone_id(): pack_tombstone(expected)}
        found = [mark for mark in await namespace.list_tombstones() if mark.entity_id == fry]
        assert found == [Tombstone(fry, "", expected)]


async def test_cleaning_an_entity_removes_what_its_mark_covers_and_nothing_newer(
    namespace: NamespaceStorage, names: Names
) -> None:
    """History at or before D and cells at or before D go; the mark, newer values and other entities stay."""
    speed, mood = names.feature("speed"), names.feature("mood", ValueType.TEXT)
    fry, leela = names.entity("fry"), names.entity("leela")
    rows = [
        Row(fry, NOW - 40 * DAY, {speed.name: 1.0}),
        Row(fry, NOW, {speed.name: 2.0}),
        Row(leela, NOW, {speed.name: 3.0}),
    ]
    await store(namespace, rows, [[speed]], names.group)
    newer = await store(namespace, [Row(fry, NOW + 1, {mood.name: "alive"})], [[mood]], names.group)
    mark = Tombstone(fry, "", NOW)
    features = [(speed, names.group), (mood, names.group)]
    await namespace.put_tombstone(mark)
    for _ in range(2):
        await namespace.clean(mark, features)
        speeds, moods = await namespace.read_history([fry, leela], features, **EVER)
        assert listed(speeds, [fry, leela]) == [(leela, NOW, 3.0)]
        assert listed(moods, [fry, leela]) == [(fry, NOW + 1, "alive")]
        run = newer.runs[0]
        assert await marks_of(namespace, fry) == {
            tombstone_id(): pack_tombstone(NOW),
            run.layout.layout_id: run.cells[0],
        }
    assert len(await marks_of(namespace, leela)) == 1


async def test_cleaning_a_feature_spares_the_others_of_its_rows(namespace: NamespaceStorage, names: Names) -> None:
    """All versions of the feature go, its neighbours in the same cells stay, in one layout and in several."""
    speed, faster = names.feature("speed"), names.feature("speed", version=2)
    mood = names.feature("mood", ValueType.TEXT)
    fry, leela = names.entity("fry"), names.entity("leela")
    for who in (fry, leela):
        await store(namespace, [Row(who, NOW, {speed.name: 1.0, mood.name: "calm"})], [[speed, mood]], names.group)
        await store(namespace, [Row(who, NOW - 40 * DAY, {speed.name: 2.0})], [[faster]], names.group)
        await store(namespace, [Row(who, NOW + 1, {speed.name: 3.0, mood.name: None})], [[speed, mood]], names.group)
    mark = Tombstone(fry, speed.name, NOW)
    await namespace.put_tombstone(mark)
    for _ in range(2):
        await namespace.clean(mark, [(speed, names.group), (faster, names.group)])
        wanted = [(speed, names.group), (faster, names.group), (mood, names.group)]
        first, second, moods = await namespace.read_history([fry, leela], wanted, **EVER)
        assert listed(first, [fry, leela]) == [(fry, NOW + 1, 3.0), (leela, NOW, 1.0), (leela, NOW + 1, 3.0)]
        assert listed(second, [fry, leela]) == [(leela, NOW - 40 * DAY, 2.0)]
        assert [entry for entry in listed(moods, [fry, leela]) if entry[0] == fry] == [
            (fry, NOW, "calm"),
            (fry, NOW + 1, None),
        ]


async def test_a_rewritten_cell_beats_the_original_and_its_resends_and_yields_to_newer_ones(
    namespace: NamespaceStorage, names: Names
) -> None:
    """replace_cell after a feature's deletion, then the replay of the old write, then a new write."""
    speed, mood, fry = names.feature("speed"), names.feature("mood", ValueType.TEXT), names.entity("fry")
    row = Row(fry, NOW, {speed.name: 1.0, mood.name: "calm"})
    made = await store(namespace, [row], [[speed, mood]], names.group)
    (run,) = made.runs
    layout_id = run.layout.layout_id
    gone = [field.name == speed.name for field in run.layout.fields]
    new = without_fields(run.layout, run.cells[0], gone)
    await namespace.replace_cell(fry, layout_id, new, NOW)
    assert decoded(run.layout, (await marks_of(namespace, fry))[layout_id]) == {mood.name: "calm"}
    await namespace.write(made, WriteMode.ATOMIC)
    assert decoded(run.layout, (await marks_of(namespace, fry))[layout_id]) == {mood.name: "calm"}
    await store(namespace, [Row(fry, NOW + 1, {speed.name: 2.0, mood.name: "new"})], [[speed, mood]], names.group)
    await namespace.replace_cell(fry, layout_id, new, NOW)
    assert decoded(run.layout, (await marks_of(namespace, fry))[layout_id]) == {speed.name: 2.0, mood.name: "new"}


async def test_dropping_a_cell_spares_one_that_is_newer_by_now(namespace: NamespaceStorage, names: Names) -> None:
    """Housekeeping saw an old cell; a write came in between for one of two entities."""
    speed, fry, leela = names.feature("speed"), names.entity("fry"), names.entity("leela")
    rows = [Row(fry, NOW, {speed.name: 1.0}), Row(leela, NOW, {speed.name: 1.0})]
    made = await store(namespace, rows, [[speed]], names.group)
    await store(namespace, [Row(leela, NOW + 1, {speed.name: 2.0})], [[speed]], names.group)
    layout_id = made.runs[0].layout.layout_id
    await namespace.drop_cells([fry, leela, names.entity("nobody")], [layout_id] * 3, [NOW] * 3)
    assert await marks_of(namespace, fry) == {}
    assert len(await marks_of(namespace, leela)) == 1


async def test_pages_of_entities_with_cells_cover_each_once(namespace: NamespaceStorage, names: Names) -> None:
    """Housekeeping walks them all, with pages of any size."""
    speed = names.feature("speed")
    ids = {names.entity(f"e{number}") for number in range(7)}
    await store(namespace, [Row(entity, NOW, {speed.name: 1.0}) for entity in sorted(ids)], [[speed]], names.group)
    for limit in (3, 10_000):
        found: list[str] = []
        after: str | None = None
        while True:
            page, after = await namespace.list_latest_entities(after, limit)
            assert len(page) <= limit
            found += page
            if after is None:
                break
        assert len(found) == len(set(found))
        assert {entity for entity in found if entity.endswith(names.suffix)} == ids
