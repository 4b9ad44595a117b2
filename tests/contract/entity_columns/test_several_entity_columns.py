"""Label rows that name several entities (a ride: a driver, a customer): each feature is that of its own entity."""

from __future__ import annotations

import asyncio
import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore

from featurama import sync
from featurama_core.datasets.verify import verify
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import InvalidInput

from .ride_city import (
    COLUMNS,
    CUSTOMER,
    DRIVER,
    HOUR,
    MIXED,
    START,
    City,
    in_small_parts,
    of_one,
    rides,
    told,
)


@pytest.mark.parametrize("known", [None, "label", "settled"])
@pytest.mark.parametrize("strategy", ["scan", "lookup"])
@pytest.mark.parametrize("small", [False, True])
async def test_a_set_of_several_columns_is_the_sets_of_each_side_by_side(
    store: OpenedStore, city: City, monkeypatch: pytest.MonkeyPatch, known: Any, strategy: Any, small: bool
) -> None:
    """Values, statuses and event times; before and after corrections; with rows that name nobody."""
    table = rides()
    known_at = city.settled if known == "settled" else known
    shown: Any = {"known_at": known_at, "statuses": True, "event_times": True}
    expected: dict[str, list[object]] = {}
    for column, features in (("driver_id", DRIVER), ("customer_id", CUSTOMER)):
        one = await (await store.training_set(of_one(table, column), features, **shown)).to_arrow()
        expected |= told(one, one.column_names[2:])
    if small:
        in_small_parts(monkeypatch)
    made = await store.training_set(
        table, MIXED, entity_columns=COLUMNS, strategy=strategy, memory="10KB" if small else "1GB", **shown
    )
    built = await made.to_arrow()
    assert built.select(table.column_names).equals(table)
    suffixes = ("", "__status", "__event_time")
    assert built.column_names == [*table.column_names, *(name + each for name in MIXED for each in suffixes)]
    assert told(built, list(expected)) == expected
    found = set(built.column("rating__status").to_pylist())
    assert found >= {"PRESENT", "NOT_FOUND"} | ({"NULL_VALUE", "OUTSIDE_MAX_AGE"} if known != "label" else set())
    assert {"PRESENT", "NOT_FOUND"} == set(built.column("trips__status").to_pylist())
    assert {"PRESENT", "NOT_FOUND"} <= set(built.column("home.heat__status").to_pylist())
    plain = await store.training_set(table, MIXED, entity_columns=COLUMNS, strategy=strategy, known_at=known_at)
    names = [name for name in expected if "__" not in name]
    assert told(await plain.to_arrow(), names) == {name: expected[name] for name in names}


async def test_each_feature_is_that_of_its_own_entity(store: OpenedStore) -> None:
    """Reckoned by hand; an id that is null or empty finds nothing, and is kept as it is."""
    at = START + 2_000
    who = [f"{each}_{uuid.uuid4().hex[:8]}" for each in ("zoidberg", "hermes", "north")]
    await store.write_features(
        {"entity_id": [who[0]] * 2, "timestamp": [at - HOUR, at], "rating": [4.5, 2.0], "home": [who[2]] * 2},
        time_unit="us",
    )
    # The id of a driver may be the id of a customer too: the column tells which is meant.
    await store.write_features({"entity_id": [who[0], who[1]], "timestamp": [at] * 2, "trips": [7, 9]}, time_unit="us")
    await store.write_features({"entity_id": [who[2]], "timestamp": [at - HOUR], "heat": [30]}, time_unit="us")
    rows = {
        "driver_id": [who[0], who[0], None, "", who[1]],
        "customer_id": [who[1], who[0], who[1], None, None],
        "when": pa.array([at, at - 1, at, at, at]).cast(pa.timestamp("us", "UTC")),
    }
    made = await store.training_set(
        pa.table(rows),
        ["rating", "trips", "home.heat"],
        entity_columns=COLUMNS,
        time_column="when",
        statuses=True,
        event_times=True,
    )
    built = (await made.to_arrow()).to_pydict()
    assert built["driver_id"] == rows["driver_id"]
    assert built["rating"] == [2.0, 4.5, None, None, None]
    assert built["rating__status"] == ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]
    assert built["trips"] == [9, None, 9, None, None]
    assert built["trips__status"] == ["PRESENT", "NOT_FOUND", "PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert built["home.heat"] == [30, 30, None, None, None]
    assert [each is None for each in built["trips__event_time"]] == [False, True, False, True, True]


async def test_the_default_column_serves_the_types_that_are_not_named(store: OpenedStore) -> None:
    """And only it must name somebody in every row; a column of types that names nobody at all is no error."""
    table = rides(50)
    expected = await store.training_set(table, ["trips", "rating"], entity_columns=COLUMNS)
    drivers = of_one(table, "driver_id").column("entity_id")
    mixed = table.set_column(3, "who", drivers)
    made = await store.training_set(
        mixed, ["trips", "rating"], entity_column="who", entity_columns={"customer": "customer_id"}
    )
    names = ["trips", "rating"]
    assert told(await made.to_arrow(), names) == told(await expected.to_arrow(), names)
    nobody = mixed.set_column(1, "customer_id", pa.nulls(len(mixed)))
    made = await store.training_set(
        nobody, ["trips", "rating"], entity_column="who", entity_columns={"customer": "customer_id"}, statuses=True
    )
    built = await made.to_arrow()
    assert set(built.column("trips__status").to_pylist()) == {"NOT_FOUND"}
    assert told(built, ["rating"]) == told(await expected.to_arrow(), ["rating"])
    made = await store.training_set(
        table, ["trips", "rating"], entity_column="driver_id", entity_columns={"customer": "customer_id"}
    )
    with pytest.raises(InvalidInput, match="label row 3: column driver_id: entity_id is missing"):
        await made.to_arrow()


async def test_every_kind_of_labels_may_have_several_columns(store: OpenedStore, tmp_path: Path) -> None:
    """An id that looks like a number, or a missing one, is read from a CSV as what it is."""
    table = rides(60)

    def write_files() -> None:
        pyarrow.parquet.write_table(table, tmp_path / "l.parquet")
        times = pa.array([each.isoformat() for each in table.column("timestamp").to_pylist()])
        pyarrow.csv.write_csv(table.set_column(2, "timestamp", times), tmp_path / "l.csv")

    await asyncio.to_thread(write_files)
    expected = told(await (await store.training_set(table, MIXED, entity_columns=COLUMNS)).to_arrow(), MIXED)
    for labels in (table.to_pandas(), tmp_path / "l.parquet", tmp_path / "l.csv"):
        made = await store.training_set(labels, MIXED, entity_columns=COLUMNS)
        assert told(await made.to_arrow(), list(expected)) == expected
    numbers = pd.DataFrame({"driver_id": ["007"], "customer_id": ["12"], "timestamp": ["2026-09-01T00:00:00Z"]})
    await asyncio.to_thread(numbers.to_csv, tmp_path / "n.csv", index=False)
    built = await (await store.training_set(tmp_path / "n.csv", MIXED, entity_columns=COLUMNS)).to_arrow()
    assert (built.column("driver_id").to_pylist(), built.column("customer_id").to_pylist()) == (["007"], ["12"])


async def test_one_moment_for_all_needs_no_time_column(store: OpenedStore, tmp_path: Path) -> None:
    table = rides(30)
    moment = START + 500 * HOUR
    made = await store.training_set(table.drop_columns(["timestamp"]), MIXED, entity_columns=COLUMNS, timestamp=moment)
    times = pa.array([moment] * len(table)).cast(pa.timestamp("us", "UTC"))
    same = await store.training_set(table.set_column(2, "timestamp", times), MIXED, entity_columns=COLUMNS)
    names = MIXED
    assert told(await made.to_arrow(), names) == told(await same.to_arrow(), names)
    await made.write(tmp_path / "set")
    assert (await verify(tmp_path / "set", partial(rebuilt, store.space))).differences == ()


async def test_explain_says_for_which_column_a_read_is(store: OpenedStore) -> None:
    plan = await (await store.training_set(rides(), MIXED, entity_columns=COLUMNS)).explain()
    groups = {(read.column, read.group, read.via) for read in plan.reads}
    assert groups == {
        ("customer_id", "riding", ""),
        ("driver_id", "driving", ""),
        ("driver_id", "places", "home@1"),
    }
    assert (plan.label_rows, plan.label_entities, plan.columns) == (403, 14 + 22, ("customer_id", "driver_id"))
    assert plan.paths == ("home@1.heat@1",)
    nobody = rides(20).set_column(3, "driver_id", pa.nulls(23))
    plan = await (await store.training_set(nobody, MIXED, entity_columns=COLUMNS)).explain()
    assert {read.column for read in plan.reads} == {"customer_id"}
    single = await (await store.training_set(of_one(rides(), "driver_id"), DRIVER)).explain()
    assert ({read.column for read in single.reads}, single.columns) == ({""}, ())


async def test_what_cannot_work_is_refused_and_named(store: OpenedStore) -> None:
    table = rides(10)

    async def refused(match: str, field: str | None, *, labels: Any = table, **asked: Any) -> None:
        with pytest.raises(InvalidInput, match=match) as caught:
            await (
                await store.training_set(labels, **{"features": MIXED, "entity_columns": COLUMNS} | asked)
            ).to_arrow()
        assert caught.value.metadata["field"] == field

    await refused("no requested feature has the entity type customer", "entity_columns", features=DRIVER)
    await refused(
        "entity type pilot .they have customer, driver.",
        "entity_columns",
        entity_columns=COLUMNS | {"pilot": "driver_id"},
    )
    await refused("lack the column rider", "rider", entity_columns=COLUMNS | {"customer": "rider"})
    await refused("lack the column entity_id", "entity_id", entity_columns={"driver": "driver_id"})
    await refused("timestamp says the time", "entity_columns", entity_columns=COLUMNS | {"customer": "timestamp"})
    await refused("must map entity types", "entity_columns", entity_columns=["driver_id"])
    await refused("must map entity types", "entity_columns", entity_columns={"driver": ""})
    await refused("fare holds double", "fare", entity_columns=COLUMNS | {"customer": "fare"})
    await refused("the label column 'trips' and the", "trips", labels=table.append_column("trips", table.column(0)))
    await refused("name columns of labels=", "entity_columns", labels=None, entity_type="driver")
    ids = pa.array([*["customer_1"] * 7, "a\nb", *["customer_1"] * 5])
    await refused(
        "label row 7: column customer_id: entity_id holds a control",
        "labels",
        labels=table.set_column(1, "customer_id", ids),
    )


def test_a_notebook_builds_a_set_of_several_columns(tmp_path: Path) -> None:
    with sync.connect(f"sqlite:///{tmp_path / 'store'}") as store:
        for kind, feature in (("driver", "rating"), ("customer", "trips")):
            store.register_entity_type(kind)
            store.register_feature_group(f"of_{kind}", kind)
            store.register_feature(feature, "int", group=f"of_{kind}")
        at = [START]
        store.write_features({"entity_id": ["a"], "timestamp": at, "rating": [5]}, time_unit="us")
        store.write_features({"entity_id": ["b"], "timestamp": at, "trips": [6]}, time_unit="us")
        rows = pd.DataFrame({"driver_id": ["a"], "customer_id": ["b"]})
        made = store.training_set(rows, ["trips", "rating"], entity_columns=COLUMNS, timestamp=START)
        assert made.to_arrow().select(["trips", "rating"]).to_pylist() == [{"trips": 6, "rating": 5}]
        assert pl.DataFrame(made)["trips"].to_list() == [6]
        made.write(tmp_path / "set")
    manifest = json.loads((tmp_path / "set.manifest.json").read_text())
    assert manifest["request"]["entity_columns"] == COLUMNS
