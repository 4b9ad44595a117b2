"""Training sets through servers are those of the store itself, and nobody opens the database."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd  # noqa: F401 - pyarrow loads it when it first converts, which must not be on a loop
import pyarrow as pa
import pytest

import featurama
from featurama.client import training_sets
from featurama_core.datasets.verify import verify
from featurama_core.types.errors import InvalidInput

SECOND = 1_000_000


@pytest.fixture
async def client(online_at, ingest_at, namespace):
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace, timeout=30
    ) as client:
        yield client


async def test_a_set_in_parts_is_one_read_of_all_rows(client, unique, tmp_path, monkeypatch):
    """Split into calls of 40 rows: the same columns, carried ones too, and a manifest with pinned versions."""
    monkeypatch.setattr(training_sets, "MAX_PART_ROWS", 40)
    speed, note = unique("speed"), unique("note")
    await client.register_feature(speed, "double")
    await client.register_feature(note, "text")
    start = time.time_ns() // 1_000 - 3_600 * SECOND
    who = [unique("fry"), unique("leela")]
    await client.write_features(
        {
            "entity_id": who * 30,
            "timestamp": start + np.arange(60) * SECOND,
            speed: [None if row % 9 == 0 else float(row) for row in range(60)],
            note: [f"n{row}" for row in range(60)],
        },
        time_unit="us",
    )
    labels = pa.table(
        {
            "entity_id": who * 50,
            "timestamp": pa.array(start + np.arange(-20, 80) * SECOND).cast(pa.timestamp("us", "UTC")),
            "y": np.arange(100),
        }
    )
    expected = await client.get_historical_features(labels, [speed, note])
    made = await client.training_set(labels, [speed, note], statuses=True)
    assert expected.to_arrow(statuses=True).equals((await made.to_arrow()).combine_chunks())
    manifest = await made.write(tmp_path / "set")
    assert (len(manifest.files), manifest.request["features"]) == (3, [f"{speed}@1", f"{note}@1"])
    assert (await verify(tmp_path / "set")).is_good
    assert (await made.explain()).parts == 3


async def test_newest_values_and_grids_need_no_labels(client, unique):
    """Of every registered entity of a type."""
    kind, group, speed = unique("kind"), unique("group"), unique("speed")
    await client.register_entity_type(kind)
    await client.register_feature_group(group, kind)
    await client.register_feature(speed, "double", group=group)
    fry = unique("fry")
    await client.register_entity(fry, kind)
    at = time.time_ns() // 1_000 - 60 * SECOND
    await client.write_features({"entity_id": [fry], "timestamp": [at], speed: [2.5]}, time_unit="us")
    newest = await (await client.training_set(features=[speed], entity_type=kind)).to_arrow()
    assert (newest.column("entity_id").to_pylist(), newest.column(speed).to_pylist()) == ([fry], [2.5])
    grid = await client.training_set(features=[speed], entity_type=kind, start=at - SECOND, end=at + SECOND, every="1s")
    assert (await grid.to_arrow()).column(speed).to_pylist() == [None, 2.5, 2.5]
    with pytest.raises(InvalidInput, match="entity_type"):
        await client.training_set(features=[speed])


async def test_rows_that_name_several_entities_get_the_features_of_each(client, unique, tmp_path, monkeypatch):
    """A call a column; by features and by a service; with rows that name nobody, also a whole part of them."""
    monkeypatch.setattr(training_sets, "MAX_PART_ROWS", 4)
    names = {each: unique(each) for each in ("driver", "customer", "rating", "trips", "place", "shape")}
    for kind in ("driver", "customer"):
        await client.register_entity_type(names[kind])
        await client.register_feature_group(unique(f"of_{kind}"), names[kind])
    await client.register_feature(names["rating"], "double", group=unique("of_driver"))
    await client.register_feature(names["place"], "text", group=unique("of_driver"), references=names["customer"])
    await client.register_feature(names["trips"], "int", group=unique("of_customer"))
    await client.register_feature(names["shape"], "vector[2]", group=unique("of_customer"))
    at = time.time_ns() // 1_000 - 3_600 * SECOND
    leela, fry = unique("leela"), unique("fry")
    await client.write_features(
        {
            "entity_id": [leela] * 2,
            "timestamp": [at, at + 5 * SECOND],
            names["rating"]: [1.5, 2.5],
            names["place"]: [fry] * 2,
        },
        time_unit="us",
    )
    await client.write_features(
        {"entity_id": [fry], "timestamp": [at], names["trips"]: [7], names["shape"]: [[1.0, 2.0]]}, time_unit="us"
    )
    labels = pa.table(
        {
            "driver_id": [leela, leela, None, "", leela, "nobody"],
            "customer_id": pa.array([None, None, None, None, fry, ""], pa.string()),
            "timestamp": pa.array(at + np.arange(6) * 2 * SECOND).cast(pa.timestamp("us", "UTC")),
        }
    )
    path = f"{names['place']}.{names['trips']}"
    asked = [names["trips"], names["rating"], path, names["shape"]]
    columns = {names["driver"]: "driver_id", names["customer"]: "customer_id"}
    in_role = {each: f"{names['customer']}.{names[each]}" for each in ("trips", "shape")}
    in_role |= {"rating": f"{names['driver']}.{names['rating']}", "path": f"{names['driver']}.{path}"}
    expected = {
        "driver_id": [leela, leela, None, "", leela, "nobody"],
        in_role["trips"]: [None, None, None, None, 7, None],
        in_role["rating"]: [1.5, 1.5, None, None, 2.5, None],
        in_role["path"]: [7, 7, None, None, 7, None],
        in_role["shape"]: [None, None, None, None, [1.0, 2.0], None],
        f"{in_role['trips']}__status": ["NOT_FOUND"] * 4 + ["PRESENT", "NOT_FOUND"],
        f"{in_role['path']}__status": ["PRESENT"] * 2 + ["NOT_FOUND"] * 2 + ["PRESENT", "NOT_FOUND"],
    }
    made = await client.training_set(labels, asked, entity_columns=columns, statuses=True)
    built = (await made.to_arrow()).to_pydict()
    assert expected == {name: built[name] for name in expected}
    manifest = await made.write(tmp_path / "set")
    pinned = [f"{in_role['trips']}@1", f"{in_role['rating']}@1"]
    pinned += [f"{names['driver']}.{names['place']}@1.{names['trips']}@1", f"{in_role['shape']}@1"]
    assert manifest.request["features"] == pinned
    assert {role: each["columns"] for role, each in manifest.request["roles"].items()} == {
        role: [column] for role, column in columns.items()
    }
    assert len(manifest.files) == 3
    assert (await verify(tmp_path / "set")).is_good
    plan = await made.explain()
    assert (plan.parts, plan.roles) == (3, tuple(columns))
    service = unique("dispatch")
    await client.register_feature_service(service, [names["rating"], path])
    of_driver = {names["driver"]: "driver_id"}
    served = await client.training_set(labels, service=service, entity_columns=of_driver)
    built = (await served.to_arrow()).to_pydict()
    assert [expected[in_role[each]] for each in ("rating", "path")] == [
        built[in_role[each]] for each in ("rating", "path")
    ]
    with pytest.raises(InvalidInput, match="no requested feature is of the role"):
        await client.training_set(labels, [names["trips"]], entity_columns=columns)
    with pytest.raises(InvalidInput, match="are of labels="):
        await client.training_set(features=asked, entity_type=names["driver"], entity_columns=columns)
    with pytest.raises(InvalidInput, match="which no role names"):
        await client.training_set(labels, asked, entity_columns=of_driver)
