"""The sample world yields the same rows for the same seed, in any batch size, never past its end."""

from __future__ import annotations

import json
import tracemalloc
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from featurama_world import (
    CHARACTER_STATS,
    COLUMNS,
    DELIVERY_METRICS,
    DELIVERY_OUTCOME,
    GROUPS,
    PLANET_CONDITIONS,
    World,
    WorldConfig,
    generate,
)

SMALL = WorldConfig(characters=5, planets=4, deliveries=333, days=9, readings_per_day=8, character_readings_per_day=3)

FIRST_DELIVERY = {
    "entity_id": "delivery_00000001",
    "timestamp": "2025-11-02T01:04:36.941468+00:00",
    "distance": 2481.0,
    "package_weight": 75.32,
    "hazard_level": 0,
    "estimated_duration": 5.88,
    "origin": "planet_spheron_1",
    "destination": "planet_sicily_8",
    "assigned_to": "char_leela",
}
FIRST_DURATION = 3.6052
FIRST_READING = {
    "entity_id": "planet_earth",
    "timestamp": "2025-11-02T00:00:00+00:00",
    "incoming_deliveries": 74,
    "outgoing_deliveries": 53,
    "traffic_level": 0.3613,
    "weather_index": 0.3374,
    "population_density": 859.22,
}


def _group(world: World, group: str, rows_per_batch: int = 10_000) -> pa.Table:
    batches = world.batches(rows_per_batch=rows_per_batch, groups=[group])
    return pa.concat_tables([batch.table for batch in batches]).combine_chunks()


def _entities(world: World, rows_per_batch: int = 10_000) -> pa.Table:
    return pa.concat_tables(world.entities(rows_per_batch=rows_per_batch)).combine_chunks()


def _labels(world: World, rows_per_batch: int = 10_000) -> pa.Table:
    return pa.concat_tables(world.labels(rows_per_batch=rows_per_batch)).combine_chunks()


def _bytes(world: World, rows_per_batch: int = 10_000) -> bytes:
    sink = pa.BufferOutputStream()
    tables = [_group(world, group, rows_per_batch) for group in GROUPS]
    for table in [_entities(world, rows_per_batch), *tables, _labels(world, rows_per_batch)]:
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return bytes(sink.getvalue())


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two worlds of one configuration are equal byte for byte; another seed gives other bytes."""
    assert _bytes(generate(SMALL)) == _bytes(generate(SMALL))
    assert _bytes(generate(SMALL)) != _bytes(generate(WorldConfig(seed=1, deliveries=333, days=9)))


def test_known_rows_stay_what_they_are() -> None:
    """The default world does not change from one release, machine or library version to another."""
    world = generate()
    first = next(world.batches(groups=[DELIVERY_METRICS], rows_per_batch=1)).table.to_pylist()[0]
    label = next(world.labels(rows_per_batch=1)).to_pylist()[0]
    reading = next(world.batches(groups=[PLANET_CONDITIONS], rows_per_batch=1)).table.to_pylist()[0]
    assert {**first, "timestamp": first["timestamp"].isoformat()} == FIRST_DELIVERY
    assert label["actual_duration"] == FIRST_DURATION
    assert {**reading, "timestamp": reading["timestamp"].isoformat()} == FIRST_READING


@pytest.mark.parametrize("rows_per_batch", [1, 7, 100, 1_000_000])
def test_any_batch_size_gives_the_same_rows(rows_per_batch: int) -> None:
    """How the world is cut into batches changes no value."""
    assert _bytes(generate(SMALL), rows_per_batch) == _bytes(generate(SMALL))


def test_no_batch_is_larger_than_asked() -> None:
    """Every batch of values, entities and labels has 1 to `rows_per_batch` rows."""
    world = generate(SMALL)
    sizes = [batch.table.num_rows for batch in world.batches(rows_per_batch=50)]
    sizes += [table.num_rows for table in world.entities(rows_per_batch=50)]
    sizes += [table.num_rows for table in world.labels(rows_per_batch=50)]
    assert min(sizes) >= 1
    assert max(sizes) == 50


def test_sizes_are_as_configured() -> None:
    """The rows of each group and the entities follow from the settings, and `size` tells them beforehand."""
    world = generate(SMALL)
    rows = {group: _group(world, group).num_rows for group in GROUPS}
    assert rows == {
        PLANET_CONDITIONS: 4 * 9 * 8,
        CHARACTER_STATS: 5 * 9 * 3,
        DELIVERY_METRICS: 333,
        DELIVERY_OUTCOME: 333,
    }
    size = world.size()
    assert size.rows == sum(rows.values())
    assert size.values == sum(count * len(COLUMNS[group]) for group, count in rows.items())
    assert size.entities == _entities(world).num_rows == 4 + 5 + 333
    assert _labels(world).num_rows == 333


def test_a_world_may_have_no_deliveries() -> None:
    """Zero deliveries give planets and characters only, and no labels."""
    world = generate(WorldConfig(deliveries=0, days=2))
    assert {batch.group for batch in world.batches()} == {PLANET_CONDITIONS, CHARACTER_STATS}
    assert list(world.labels()) == []


def test_ids_are_the_documented_ones() -> None:
    """Ids look like `char_fry`, `planet_mars`, `delivery_00000001`."""
    entities = _entities(generate())
    ids = entities["entity_id"].to_pylist()
    assert {"char_fry", "char_leela", "char_bender", "char_zoidberg"} <= set(ids)
    assert {"planet_earth", "planet_mars", "planet_omicron_persei_8", "planet_decapod_10"} <= set(ids)
    assert [entity for entity in ids if entity.startswith("delivery_")] == [
        f"delivery_{number:08d}" for number in range(1, 2_001)
    ]


def test_ids_are_unique_in_a_world_with_more_places_than_names() -> None:
    """Beyond the list of names the ids go on with a number."""
    entities = _entities(generate(WorldConfig(characters=500, planets=700, deliveries=10)))
    assert pc.count_distinct(entities["entity_id"]).as_py() == 500 + 700 + 10
    assert {"char_fry_2", "planet_mars_2"} <= set(entities["entity_id"].to_pylist())


def test_entities_have_a_type_a_name_and_json_metadata() -> None:
    """An entity row says what the id is; its metadata is a JSON object."""
    entities = _entities(generate(SMALL))
    assert entities.column_names == ["entity_id", "entity_type", "name", "metadata"]
    rows = {row["entity_id"]: row for row in entities.to_pylist()}
    assert (rows["char_fry"]["entity_type"], rows["char_fry"]["name"]) == ("character", "Fry")
    assert json.loads(rows["char_fry"]["metadata"]) == {"species": "human", "role": "delivery boy"}
    assert (rows["planet_mars"]["entity_type"], rows["planet_mars"]["name"]) == ("planet", "Mars")
    assert rows["delivery_00000001"]["entity_type"] == "delivery"
    assert all(isinstance(json.loads(row["metadata"]), dict) for row in rows.values())


def test_every_value_is_of_an_entity_of_the_world_and_every_reference_leads_to_one() -> None:
    """Frames name only entities of the world, and no delivery goes where it came from."""
    world = generate(SMALL)
    by_type: dict[str, set[str]] = {}
    for row in _entities(world).to_pylist():
        by_type.setdefault(row["entity_type"], set()).add(row["entity_id"])
    assert set(_group(world, PLANET_CONDITIONS)["entity_id"].to_pylist()) == by_type["planet"]
    assert set(_group(world, CHARACTER_STATS)["entity_id"].to_pylist()) == by_type["character"]
    assert set(_group(world, DELIVERY_OUTCOME)["entity_id"].to_pylist()) == by_type["delivery"]
    sent = _group(world, DELIVERY_METRICS)
    assert set(sent["origin"].to_pylist()) == by_type["planet"]
    assert set(sent["destination"].to_pylist()) == by_type["planet"]
    assert set(sent["assigned_to"].to_pylist()) == by_type["character"]
    assert not pc.any(pc.equal(sent["origin"], sent["destination"])).as_py()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_happens_outside_the_days_of_the_world(seed: int) -> None:
    """Every event time, arrivals too, is in `[end - days, end]`, even in the shortest world."""
    config = WorldConfig(seed=seed, deliveries=500, days=2)
    for batch in generate(config).batches():
        times = batch.table["timestamp"]
        assert pc.min(times).as_py() >= config.end - timedelta(days=2)
        assert pc.max(times).as_py() <= config.end


def test_a_delivery_arrives_its_duration_after_its_dispatch() -> None:
    """From dispatch to arrival is `actual_duration`; labels carry the dispatch and that duration."""
    world = generate(SMALL)
    sent, arrived, labels = _group(world, DELIVERY_METRICS), _group(world, DELIVERY_OUTCOME), _labels(world)
    assert labels.column_names == ["entity_id", "timestamp", "actual_duration"]
    assert labels["entity_id"] == sent["entity_id"] == arrived["entity_id"]
    assert labels["timestamp"] == sent["timestamp"]
    assert labels["actual_duration"] == arrived["actual_duration"]
    took = pc.subtract(arrived["timestamp"].cast(pa.int64()), sent["timestamp"].cast(pa.int64())).to_numpy()
    assert took.min() > 0
    assert took / 3.6e9 == pytest.approx(arrived["actual_duration"].to_numpy())


def test_deliveries_come_in_order_of_dispatch() -> None:
    """A later delivery number never left earlier."""
    times = _group(generate(), DELIVERY_METRICS)["timestamp"].cast(pa.int64()).to_numpy()
    assert (times[1:] >= times[:-1]).all()


def test_readings_come_entity_by_entity_in_order_of_time() -> None:
    """One planet's readings are together, evenly spaced, the first at the start of the world."""
    table = _group(generate(SMALL), PLANET_CONDITIONS)
    mars = table.filter(pc.equal(table["entity_id"], "planet_mars"))["timestamp"].to_pylist()
    step = timedelta(hours=3)
    assert mars == [SMALL.end - timedelta(days=9) + number * step for number in range(9 * 8)]
    assert table["entity_id"].to_pylist() == sorted(
        table["entity_id"].to_pylist(), key=_entities(generate(SMALL))["entity_id"].to_pylist().index
    )


def test_frames_are_wide_typed_and_without_nulls() -> None:
    """Columns are entity_id, timestamp[us, UTC], then the group's features in their Arrow types."""
    arrow = {"double": pa.float64(), "int": pa.int64(), "text": pa.string()}
    for batch in generate(SMALL).batches():
        features = [(name, arrow[kind]) for name, kind in COLUMNS[batch.group].items()]
        fixed = [("entity_id", pa.string()), ("timestamp", pa.timestamp("us", tz="UTC"))]
        assert batch.table.schema == pa.schema([*fixed, *features])
        assert all(column.null_count == 0 for column in batch.table.columns)


def test_unknown_groups_and_empty_batches_are_refused() -> None:
    """The error names the argument and what is allowed."""
    world = generate(SMALL)
    with pytest.raises(ValueError, match=r"^groups must be among planet_conditions, .*, not planets$"):
        next(world.batches(groups=["planets"]))
    with pytest.raises(ValueError, match=r"^rows_per_batch must be at least 1, not 0$"):
        next(world.labels(rows_per_batch=0))


def test_memory_follows_the_batch_and_not_the_world() -> None:
    """Iterating 200,000 deliveries keeps Python's and numpy's peak below 60 float columns of one batch."""
    rows = 5_000
    world = generate(WorldConfig(deliveries=200_000, days=30))
    batches = world.batches(rows_per_batch=rows, groups=[DELIVERY_METRICS, DELIVERY_OUTCOME])
    next(batches)
    arrow_before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        counted, arrow_peak = rows, 0
        for batch in batches:
            counted += batch.table.num_rows
            arrow_peak = max(arrow_peak, pa.total_allocated_bytes() - arrow_before)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counted == 2 * 200_000
    assert peak < 60 * 8 * rows
    assert arrow_peak < 60 * 8 * rows


def test_the_end_may_be_any_aware_time() -> None:
    """A given `end` moves the world; the same instant in another zone is the same world."""
    utc = WorldConfig(deliveries=20, days=3, end=datetime.fromisoformat("2025-03-01T12:00:00+00:00"))
    plus = WorldConfig(deliveries=20, days=3, end=datetime.fromisoformat("2025-03-01T14:00:00+02:00"))
    assert _bytes(generate(utc)) == _bytes(generate(plus))
    assert pc.max(_group(generate(utc), DELIVERY_OUTCOME)["timestamp"]).as_py() <= utc.end
