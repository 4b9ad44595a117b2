"""Slices and scans of the history."""

from __future__ import annotations

from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.values import ValueType

from .batches import DAY, NOW, Row, definition, listed, store
from .conftest import Names

EVER = {"start": -(2**62), "end": 2**62}


async def test_both_bounds_belong_to_the_slice(namespace: NamespaceStorage, names: Names) -> None:
    """start <= event time <= end, across periods."""
    speed, fry = names.feature("speed"), names.entity("fry")
    times = [NOW - 70 * DAY, NOW - 35 * DAY, NOW - 1, NOW, NOW + 1]
    await store(namespace, [Row(fry, at, {speed.name: float(at)}) for at in times], [[speed]], names.group)
    wanted = [(speed, names.group)]
    for start, end, expected in (
        (times[1], times[3], times[1:4]),
        (times[1] + 1, times[3] - 1, times[2:3]),
        (NOW + 2, NOW + DAY, []),
        (times[0], times[0], times[:1]),
        (NOW, NOW - 1, []),
    ):
        (history,) = await namespace.read_history([fry], wanted, start=start, end=end)
        assert history.event_time.tolist() == expected


async def test_times_before_1970_are_in_order(namespace: NamespaceStorage, names: Names) -> None:
    """Negative times fall into periods like any other."""
    speed, fry = names.feature("speed"), names.entity("fry")
    times = [-400 * DAY, -30 * DAY - 1, -30 * DAY, -1, 0, 1]
    await store(namespace, [Row(fry, at, {speed.name: float(at)}) for at in times], [[speed]], names.group)
    (history,) = await namespace.read_history([fry], [(speed, names.group)], **EVER)
    assert history.event_time.tolist() == times
    (history,) = await namespace.read_history([fry], [(speed, names.group)], start=-30 * DAY, end=-1)
    assert history.event_time.tolist() == [-30 * DAY, -1]


async def test_rows_are_sorted_by_the_asked_position_event_time_and_ingest_time(
    namespace: NamespaceStorage, names: Names
) -> None:
    """Whatever the order of writing, and whatever the order of the ids themselves."""
    speed = names.feature("speed")
    zoidberg, amy = names.entity("zoidberg"), names.entity("amy")
    rows = [
        Row(amy, NOW, {speed.name: 1.0}, 5),
        Row(zoidberg, NOW, {speed.name: 2.0}, 5),
        Row(amy, NOW - 40 * DAY, {speed.name: 3.0}, 6),
    ]
    await store(namespace, rows, [[speed]], names.group)
    await store(namespace, [Row(amy, NOW, {speed.name: 4.0}, 4)], [[speed]], names.group)
    asked = [zoidberg, names.entity("nobody"), amy]
    (history,) = await namespace.read_history(asked, [(speed, names.group)], **EVER)
    assert history.entity.tolist() == [0, 2, 2, 2]
    assert history.column.values.tolist() == [2.0, 3.0, 4.0, 1.0]
    assert history.ingested_at.tolist() == [5, 6, 4, 5]


async def test_a_feature_is_found_in_every_layout_that_holds_it(namespace: NamespaceStorage, names: Names) -> None:
    """Whole rows and partial rows of the same features merge into one history."""
    speed, mood = names.feature("speed"), names.feature("mood", ValueType.TEXT)
    fry = names.entity("fry")
    for at in range(6):
        row = Row(fry, NOW + at, {speed.name: float(at), mood.name: f"m{at}"})
        layouts = [[speed, mood]] if at % 2 else [[speed], [mood]]
        await store(namespace, [row], layouts, names.group)
    speeds, moods = await namespace.read_history([fry], [(speed, names.group), (mood, names.group)], **EVER)
    assert listed(speeds, [fry]) == [(fry, NOW + at, float(at)) for at in range(6)]
    assert listed(moods, [fry]) == [(fry, NOW + at, f"m{at}") for at in range(6)]


async def test_one_write_that_reached_two_layouts_is_one_value(namespace: NamespaceStorage, names: Names) -> None:
    """Two replicas may cut the same row differently; the exact duplicate is one row of the history."""
    speed, mood, fry = names.feature("speed"), names.feature("mood", ValueType.TEXT), names.entity("fry")
    row = Row(fry, NOW, {speed.name: 1.0, mood.name: "calm"})
    await store(namespace, [row], [[speed, mood]], names.group)
    await store(namespace, [row], [[speed], [mood]], names.group)
    (history,) = await namespace.read_history([fry], [(speed, names.group)], **EVER)
    assert listed(history, [fry]) == [(fry, NOW, 1.0)]


async def test_versions_of_a_feature_have_histories_of_their_own(namespace: NamespaceStorage, names: Names) -> None:
    """The same name, another version, another type."""
    old, new = names.feature("speed"), names.feature("speed", ValueType.TEXT, version=2)
    fry = names.entity("fry")
    await store(namespace, [Row(fry, NOW, {old.name: 1.0})], [[old]], names.group)
    await store(namespace, [Row(fry, NOW + 1, {new.name: "fast"})], [[new]], names.group)
    first, second = await namespace.read_history([fry], [(old, names.group), (new, names.group)], **EVER)
    assert listed(first, [fry]) == [(fry, NOW, 1.0)]
    assert listed(second, [fry]) == [(fry, NOW + 1, "fast")]


async def test_features_of_several_groups_are_read_in_the_asked_order(
    namespace: NamespaceStorage, names: Names
) -> None:
    """Groups interleave in the question and stay apart in the store."""
    other = FeatureGroup(f"other_{names.suffix}")
    speed, mood = names.feature("speed"), names.feature("mood")
    rank = definition(f"rank_{names.suffix}", ValueType.INT, group=other.name)
    fry = names.entity("fry")
    await store(namespace, [Row(fry, NOW, {speed.name: 1.0, mood.name: 2.0})], [[speed, mood]], names.group)
    await store(namespace, [Row(fry, NOW + 1, {rank.name: 3})], [[rank]], other)
    wanted = [(speed, names.group), (rank, other), (mood, names.group)]
    histories = await namespace.read_history([fry], wanted, **EVER)
    assert [listed(history, [fry]) for history in histories] == [
        [(fry, NOW, 1.0)],
        [(fry, NOW + 1, 3)],
        [(fry, NOW, 2.0)],
    ]


async def test_nothing_stored_is_an_empty_history_of_the_features_type(
    namespace: NamespaceStorage, names: Names
) -> None:
    """Dtypes hold without rows, and for no entities."""
    position = names.feature("position", ValueType.VECTOR, vector_length=3)
    for ids in ([names.entity("nobody")], []):
        (history,) = await namespace.read_history(ids, [(position, names.group)], **EVER)
        assert (str(history.entity.dtype), str(history.event_time.dtype), len(history.entity)) == ("int64", "int64", 0)
        assert history.column.values.shape == (0, 3)
        assert str(history.column.values.dtype) == "float32"


async def test_newest_gives_the_newest_values_with_all_their_corrections(
    namespace: NamespaceStorage, names: Names
) -> None:
    """At least N rows a feature, the newest, and an event time is never returned without its corrections."""
    speed, fry = names.feature("speed"), names.entity("fry")
    rows = [Row(fry, NOW - at * 10 * DAY, {speed.name: float(at)}) for at in range(12)]
    rows += [Row(fry, NOW - 1, {speed.name: 100.0 + n}, 10 + n) for n in range(1)]
    await store(namespace, rows, [[speed]], names.group)
    for n in range(5):
        await store(namespace, [Row(fry, NOW, {speed.name: -1.0}, NOW * 1_000 + 1 + n)], [[speed]], names.group)
    (whole,) = await namespace.read_history([fry], [(speed, names.group)], **EVER)
    for newest in (1, 2, 6, 7, 10, 100):
        (history,) = await namespace.read_history([fry], [(speed, names.group)], **EVER, newest=newest)
        got = list(zip(history.event_time.tolist(), history.ingested_at.tolist(), strict=True))
        all_rows = list(zip(whole.event_time.tolist(), whole.ingested_at.tolist(), strict=True))
        assert got == all_rows[len(all_rows) - len(got) :]
        assert len(got) >= min(newest, len(all_rows))
        assert [pair for pair in all_rows if pair[0] == got[0][0]] == [pair for pair in got if pair[0] == got[0][0]]
    (history,) = await namespace.read_history(
        [fry], [(speed, names.group)], start=-(2**62), end=NOW - 5 * DAY, newest=1
    )
    assert history.event_time.tolist()[-1] == NOW - 10 * DAY


async def test_newest_counts_each_feature_by_itself(namespace: NamespaceStorage, names: Names) -> None:
    """A feature that is seldom written is found far behind one that is written always, for every entity."""
    often, seldom = names.feature("often"), names.feature("seldom")
    ids = [names.entity(name) for name in ("fry", "leela", "bender")]
    rows = []
    for depth, entity in enumerate(ids):
        for at in range(40):
            values: dict[str, object] = {often.name: float(at)}
            if at == 39 - depth * 10:
                values[seldom.name] = float(-at)
            rows.append(Row(entity, NOW - at * DAY, values))
    await store(namespace, rows, [[often, seldom]], names.group)
    wanted = [(often, names.group), (seldom, names.group)]
    common, rare = await namespace.read_history(ids, wanted, **EVER, newest=1)
    newest = dict(zip(common.entity.tolist(), common.event_time.tolist(), strict=True))
    assert newest == {0: NOW, 1: NOW, 2: NOW}
    assert listed(rare, ids) == [(ids[n], NOW - (39 - n * 10) * DAY, float(n * 10 - 39)) for n in range(3)]


async def test_partitions_list_the_periods_that_hold_data(namespace: NamespaceStorage, names: Names) -> None:
    """None before the first value; sorted; groups apart."""
    speed = names.feature("speed")
    assert await namespace.partitions(names.group) == []
    times = [NOW, NOW - 100 * DAY, -5 * DAY, NOW + 1]
    rows = [Row(names.entity("fry"), at, {speed.name: 1.0}) for at in times]
    await store(namespace, rows, [[speed]], names.group)
    found = await namespace.partitions(names.group)
    assert found == sorted(found, key=lambda one: (one.period, one.bucket))
    period = namespace.options.history_period
    assert {one.period for one in found} >= {at // period for at in times}
    assert await namespace.partitions(FeatureGroup(f"empty_{names.suffix}")) == []


async def test_a_scan_of_all_partitions_finds_every_value_once(namespace: NamespaceStorage, names: Names) -> None:
    """Whole entities in blocks, ids ascending by their UTF-8 bytes, values sorted within."""
    speed, mood = names.feature("speed", ValueType.INT), names.feature("mood", ValueType.TEXT)
    odd = ["z", "é", "a", "Z", "￦", "😀", "aa", "0"]
    ids = [names.entity(name) for name in odd]
    rows, expected = [], set()
    for number, entity in enumerate(ids):
        for at in range(number + 1):
            time = NOW - at * 11 * DAY
            values: dict[str, object] = {speed.name: number * 100 + at}
            if at % 3 == 0:
                values[mood.name] = None if at % 2 else f"{entity}{at}"
            rows.append(Row(entity, time, values))
            expected |= {(name, entity, time, value) for name, value in values.items()}
    await store(namespace, rows, [[speed, mood]], names.group)
    await store(namespace, [Row(ids[2], NOW + 1, {mood.name: "alone"})], [[mood]], names.group)
    expected.add((mood.name, ids[2], NOW + 1, "alone"))
    found: list[tuple[str, str, int, object]] = []
    for partition in await namespace.partitions(names.group):
        seen: list[str] = []
        async for block in namespace.scan_history([speed, mood], names.group, partition):
            seen += block.entity_ids
            for feature, history in zip((speed, mood), block.histories, strict=True):
                keys = list(
                    zip(history.entity.tolist(), history.event_time.tolist(), history.ingested_at.tolist(), strict=True)
                )
                assert keys == sorted(keys)
                assert history.column.name == feature.name
                found += [(feature.name, *entry) for entry in listed(history, block.entity_ids)]
        assert [entity.encode() for entity in seen] == sorted({entity.encode() for entity in seen})
    assert len(found) == len(expected)
    assert set(found) == expected


async def test_a_scan_reads_only_the_asked_features(namespace: NamespaceStorage, names: Names) -> None:
    """Others of the group do not appear, nor do their rows."""
    speed, mood, fry = names.feature("speed"), names.feature("mood"), names.entity("fry")
    await store(namespace, [Row(fry, NOW, {speed.name: 1.0})], [[speed]], names.group)
    await store(namespace, [Row(fry, NOW + 1, {mood.name: 2.0})], [[mood]], names.group)
    found = []
    for partition in await namespace.partitions(names.group):
        async for block in namespace.scan_history([mood], names.group, partition):
            found += [listed(history, block.entity_ids) for history in block.histories]
    assert [entries for entries in found if entries] == [[(fry, NOW + 1, 2.0)]]
