"""Written values come back: through the latest cells and through the history."""

from __future__ import annotations

import math
from itertools import permutations

import pytest

from featurama_core.storage.packed_cell import pack
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode

from .batches import NOW, Row, batch, column, decoded, listed, store
from .conftest import Names

EVER = {"start": -(2**62), "end": 2**62}


@pytest.mark.parametrize("mode", list(WriteMode))
@pytest.mark.parametrize(
    ("value_type", "vector_length", "values"),
    [
        (ValueType.DOUBLE, 0, [1.5, -0.0, 5e-324, math.inf, -math.inf, math.nan, 1.7976931348623157e308]),
        (ValueType.INT, 0, [0, -1, 2**63 - 1, -(2**63), 2**53 + 1]),
        (ValueType.TEXT, 0, ["", "a", "планета\U0001f680", "quote ' \" ; --", "x" * 8_192]),
        (ValueType.BOOL, 0, [True, False]),
        (ValueType.VECTOR, 3, [[0.5, -1.0, math.inf], [0.0, 0.0, 0.0]]),
    ],
    ids=lambda value: value.label if isinstance(value, ValueType) else None,
)
async def test_every_type_comes_back_as_it_was_written(
    namespace: NamespaceStorage,
    names: Names,
    value_type: ValueType,
    vector_length: int,
    values: list[object],
    mode: WriteMode,
) -> None:
    """A value a row, and a null: equal in the latest cell and in the history, in both write modes."""
    feature = names.feature("value", value_type, vector_length=vector_length)
    fry = names.entity("fry")
    rows = [Row(fry, NOW + at, {feature.name: value}) for at, value in enumerate([*values, None])]
    await store(namespace, rows, [[feature]], names.group, mode)
    (history,) = await namespace.read_history([fry], [(feature, names.group)], **EVER)
    expected = [(fry, row.event_time, row.values[feature.name]) for row in rows]
    assert repr(listed(history, [fry])) == repr(expected)
    assert history.ingested_at.tolist() == [row.ingested_at for row in rows]
    cells = await namespace.read_cells([fry])
    (run,) = batch(rows, [[feature]], names.group).runs
    assert [bytes(cell) for cell in cells.cells] == [run.cells[-1]]


async def test_a_feature_that_was_not_written_is_not_in_the_history_and_a_null_is(
    namespace: NamespaceStorage, names: Names
) -> None:
    """Absent is nothing, null is a value."""
    speed, mood = names.feature("speed"), names.feature("mood", ValueType.TEXT)
    fry, leela = names.entity("fry"), names.entity("leela")
    rows = [Row(fry, NOW, {speed.name: 1.0}), Row(leela, NOW, {speed.name: None, mood.name: "calm"})]
    await store(namespace, rows, [[speed, mood]], names.group)
    asked = [leela, fry]
    speeds, moods = await namespace.read_history(asked, [(speed, names.group), (mood, names.group)], **EVER)
    assert listed(speeds, asked) == [(leela, NOW, None), (fry, NOW, 1.0)]
    assert listed(moods, asked) == [(leela, NOW, "calm")]


async def test_cells_are_placed_by_the_position_of_the_asked_id(namespace: NamespaceStorage, names: Names) -> None:
    """Known, unknown and several cells of one entity, in the order of the question."""
    speed, mood = names.feature("speed"), names.feature("mood", ValueType.TEXT)
    fry, leela, nobody = names.entity("fry"), names.entity("leela"), names.entity("nobody")
    rows = [Row(fry, NOW, {speed.name: 1.0}), Row(leela, NOW, {speed.name: 2.0, mood.name: "calm"})]
    made = await store(namespace, rows, [[speed], [mood]], names.group)
    cells = await namespace.read_cells([leela, nobody, fry])
    layouts = await namespace.get_layouts(cells.layout_id.tolist())
    assert layouts == {run.layout.layout_id: run.layout for run in made.runs}
    found = {
        (position, *decoded(layouts[layout_id], cell).items())
        for position, layout_id, cell in zip(cells.entity.tolist(), cells.layout_id.tolist(), cells.cells, strict=True)
    }
    assert found == {(0, (speed.name, 2.0)), (0, (mood.name, "calm")), (2, (speed.name, 1.0))}
    assert cells.failed.tolist() == [False, False, False]


async def test_the_newest_event_wins_in_latest_whatever_came_first(namespace: NamespaceStorage, names: Names) -> None:
    """A late value joins the history and leaves the latest cell alone."""
    speed, fry = names.feature("speed"), names.entity("fry")
    await store(namespace, [Row(fry, NOW, {speed.name: 1.0})], [[speed]], names.group)
    await store(namespace, [Row(fry, NOW - 5, {speed.name: 2.0}, NOW * 1_000 + 7)], [[speed]], names.group)
    cells = await namespace.read_cells([fry])
    (layout,) = (await namespace.get_layouts(cells.layout_id.tolist())).values()
    assert [decoded(layout, cell) for cell in cells.cells] == [{speed.name: 1.0}]
    (history,) = await namespace.read_history([fry], [(speed, names.group)], **EVER)
    assert listed(history, [fry]) == [(fry, NOW - 5, 2.0), (fry, NOW, 1.0)]


async def test_a_correction_wins_in_latest_and_stands_beside_what_it_corrects_in_history(
    namespace: NamespaceStorage, names: Names
) -> None:
    """Equal event time: the later ingest time wins, also when the earlier one arrives last."""
    speed, fry = names.feature("speed"), names.entity("fry")
    correction = Row(fry, NOW, {speed.name: 2.0}, NOW * 1_000 + 1)
    first = Row(fry, NOW, {speed.name: 9.0}, NOW * 1_000)
    await store(namespace, [correction], [[speed]], names.group)
    await store(namespace, [first], [[speed]], names.group)
    cells = await namespace.read_cells([fry])
    (layout,) = (await namespace.get_layouts(cells.layout_id.tolist())).values()
    assert [decoded(layout, cell) for cell in cells.cells] == [{speed.name: 2.0}]
    (history,) = await namespace.read_history([fry], [(speed, names.group)], **EVER)
    assert listed(history, [fry]) == [(fry, NOW, 9.0), (fry, NOW, 2.0)]
    assert history.ingested_at.tolist() == [NOW * 1_000, NOW * 1_000 + 1]


async def test_of_corrections_in_one_batch_the_last_to_be_known_is_the_latest(
    namespace: NamespaceStorage, names: Names
) -> None:
    """An import brings several of one event time, in any order."""
    speed, fry = names.feature("speed"), names.entity("fry")
    known = [NOW * 1_000 + late for late in (5, 9, 7)]
    rows = [Row(fry, NOW, {speed.name: float(number)}, at) for number, at in enumerate(known)]
    rows.append(Row(fry, NOW - 1, {speed.name: 9.0}, NOW * 1_000 + 20))
    made = await store(namespace, rows, [[speed]], names.group)
    (cell,) = (await namespace.read_cells([fry])).cells
    assert {speed.name: 1.0} == decoded(made.runs[0].layout, bytes(cell))


async def test_a_resent_batch_changes_nothing(namespace: NamespaceStorage, names: Names) -> None:
    """The same rows again, in either mode, leave one copy."""
    speed, fry, leela = names.feature("speed"), names.entity("fry"), names.entity("leela")
    rows = [Row(fry, NOW, {speed.name: 1.0}), Row(leela, NOW, {speed.name: None}), Row(fry, NOW + 1, {speed.name: 3.0})]
    for mode in (WriteMode.ATOMIC, WriteMode.BULK, WriteMode.ATOMIC):
        await store(namespace, rows, [[speed]], names.group, mode)
    (history,) = await namespace.read_history([fry, leela], [(speed, names.group)], **EVER)
    assert listed(history, [fry, leela]) == [(fry, NOW, 1.0), (fry, NOW + 1, 3.0), (leela, NOW, None)]
    assert len((await namespace.read_cells([fry, leela])).cells) == 2


async def test_any_order_of_the_same_writes_leaves_the_same_state(namespace: NamespaceStorage, names: Names) -> None:
    """Newer, late, corrected and partial writes in all 24 orders."""
    speed, mood = names.feature("speed"), names.feature("mood", ValueType.TEXT)
    states = set()
    for number, order in enumerate(permutations(range(4))):
        fry = names.entity(f"fry{number}")
        writes = [
            ([Row(fry, NOW, {speed.name: 1.0, mood.name: "calm"}, 10)], [speed, mood]),
            ([Row(fry, NOW, {speed.name: 2.0, mood.name: None}, 11)], [speed, mood]),
            ([Row(fry, NOW - 9, {speed.name: 3.0, mood.name: "late"}, 12)], [speed, mood]),
            ([Row(fry, NOW + 1, {mood.name: "new"}, 9)], [mood]),
        ]
        for position in order:
            rows, layout = writes[position]
            await store(namespace, rows, [layout], names.group)
        histories = await namespace.read_history([fry], [(speed, names.group), (mood, names.group)], **EVER)
        cells = await namespace.read_cells([fry])
        shown = [[entry[1:] for entry in listed(history, [fry])] for history in histories]
        latest = sorted(zip(cells.layout_id.tolist(), map(bytes, cells.cells), strict=True))
        states.add(repr((shown, latest)))
    assert len(states) == 1


async def test_a_later_resend_never_replaces_a_cell_by_smaller_bytes(namespace: NamespaceStorage, names: Names) -> None:
    """Two cells of one event and ingest time: the larger bytes win in either order."""
    speed = names.feature("speed")
    fry, leela = names.entity("fry"), names.entity("leela")
    made = {
        who: [batch([Row(who, NOW, {speed.name: value})], [[speed]], names.group) for value in (1.0, 2.0)]
        for who in (fry, leela)
    }
    await namespace.put_layouts([made[fry][0].runs[0].layout])
    small, large = sorted(one.runs[0].cells[0] for one in made[fry])
    assert small != large
    for one in (*made[fry], made[fry][0], *reversed(made[leela])):
        await namespace.write(one, WriteMode.ATOMIC)
    cells = await namespace.read_cells([fry, leela])
    assert {bytes(cell) for cell in cells.cells} == {large}


async def test_a_cell_that_cannot_be_read_comes_back_as_it_is(namespace: NamespaceStorage, names: Names) -> None:
    """The adapter keeps bytes; judging them is its caller's work."""
    speed, fry = names.feature("speed"), names.entity("fry")
    made = batch([Row(fry, NOW, {speed.name: 1.0})], [[speed]], names.group)
    made.runs[0].cells[0] = made.runs[0].cells[0][:-3]
    await namespace.put_layouts([made.runs[0].layout])
    await namespace.write(made, WriteMode.ATOMIC)
    cells = await namespace.read_cells([fry])
    assert [bytes(cell) for cell in cells.cells] == made.runs[0].cells
    assert cells.failed.tolist() == [False]


async def test_thousands_of_rows_and_entities_in_one_call(namespace: NamespaceStorage, names: Names) -> None:
    """2,500 entities, two rows each, written and read at once."""
    speed = names.feature("speed", ValueType.INT)
    ids = [names.entity(f"e{number:05}") for number in range(2_500)]
    rows = [Row(entity, NOW + at, {speed.name: number * 2 + at}) for at in (0, 1) for number, entity in enumerate(ids)]
    await store(namespace, rows, [[speed]], names.group, WriteMode.BULK)
    cells = await namespace.read_cells(ids)
    assert sorted(cells.entity.tolist()) == list(range(2_500))
    (history,) = await namespace.read_history(ids, [(speed, names.group)], **EVER)
    assert history.column.values.tolist() == list(range(5_000))
    assert history.entity.tolist() == [number // 2 for number in range(5_000)]


async def test_ids_hold_any_character(namespace: NamespaceStorage, names: Names) -> None:
    """Quotes, wildcards, semicolons, brackets and other scripts are just text."""
    speed = names.feature("speed")
    ids = [
        names.entity(odd) for odd in ("o'neil", 'a"b', "%", "_", "[1]", "\\", "x; DROP TABLE entities", "Фрай", "🚀")
    ]
    rows = [Row(entity, NOW, {speed.name: float(at)}) for at, entity in enumerate(ids)]
    await store(namespace, rows, [[speed]], names.group)
    (history,) = await namespace.read_history(ids, [(speed, names.group)], **EVER)
    assert listed(history, ids) == [(row.entity_id, NOW, row.values[speed.name]) for row in rows]
    assert sorted((await namespace.read_cells(ids)).entity.tolist()) == list(range(len(ids)))


async def test_layouts_may_be_put_twice_and_unknown_ones_are_left_out(
    namespace: NamespaceStorage, names: Names
) -> None:
    """put_layouts is idempotent; get_layouts answers what it knows."""
    made = batch([Row(names.entity("fry"), NOW, {})], [[names.feature("a"), names.feature("b")]], names.group)
    layout = made.runs[0].layout
    await namespace.put_layouts([layout])
    await namespace.put_layouts([layout])
    assert await namespace.get_layouts([layout.layout_id, 17]) == {layout.layout_id: layout}
    assert await namespace.get_layouts([]) == {}


async def test_a_cell_may_hold_fifty_features_of_all_types(namespace: NamespaceStorage, names: Names) -> None:
    """A wide row, some of it null, some absent, comes back whole."""
    kinds = [ValueType.DOUBLE, ValueType.INT, ValueType.TEXT, ValueType.BOOL, ValueType.VECTOR]
    features = [
        names.feature(f"f{number:02}", kinds[number % 5], vector_length=2 if number % 5 == 4 else 0)
        for number in range(50)
    ]
    samples: list[object] = [0.25, 7, "text", True, [1.0, 2.0]]
    values: dict[str, object] = {}
    for number, feature in enumerate(features):
        if number % 7 != 6:
            values[feature.name] = None if number % 6 == 5 else samples[number % 5]
    fry = names.entity("fry")
    made = await store(namespace, [Row(fry, NOW, values)], [features], names.group)
    cells = await namespace.read_cells([fry])
    assert decoded(made.runs[0].layout, bytes(cells.cells[0])) == values
    histories = await namespace.read_history([fry], [(feature, names.group) for feature in features], **EVER)
    found = {history.column.name: listed(history, [fry]) for history in histories if len(history.entity)}
    assert found == {name: [(fry, NOW, value)] for name, value in values.items()}


async def test_packing_by_hand_gives_the_cell_that_is_stored(namespace: NamespaceStorage, names: Names) -> None:
    """What `pack` makes is what `read_cells` answers, byte for byte."""
    speed, fry = names.feature("speed"), names.entity("fry")
    made = await store(namespace, [Row(fry, NOW, {speed.name: 4.5})], [[speed]], names.group)
    expected = pack(made.runs[0].layout, [column(speed, [4.5])], made.event_time, made.ingested_at)
    assert [bytes(cell) for cell in (await namespace.read_cells([fry])).cells] == expected
