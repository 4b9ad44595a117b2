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
    IN_ROLES,
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
        role = column.removesuffix("_id")
        expected |= {f"{role}.{name}": values for name, values in told(one, one.column_names[2:]).items()}
    if small:
        in_small_parts(monkeypatch)
    made = await store.training_set(
        table, MIXED, entity_columns=COLUMNS, strategy=strategy, memory="10KB" if small else "1GB", **shown
    )
    built = await made.to_arrow()
    assert built.select(table.column_names).equals(table)
    suffixes = ("", "__status", "__event_time")
    assert built.column_names == [*table.column_names, *(name + each for name in IN_ROLES for each in suffixes)]
    assert told(built, list(expected)) == expected
    found = set(built.column("driver.rating__status").to_pylist())
    assert found >= {"PRESENT", "NOT_FOUND"} | ({"NULL_VALUE", "OUTSIDE_MAX_AGE"} if known != "label" else set())
    assert {"PRESENT", "NOT_FOUND"} == set(built.column("customer.trips__status").to_pylist())
    assert {"PRESENT", "NOT_FOUND"} <= set(built.column("driver.home.heat__status").to_pylist())
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
    assert built["driver.rating"] == [2.0, 4.5, None, None, None]
    assert built["driver.rating__status"] == ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]
    assert built["customer.trips"] == [9, None, 9, None, None]
    assert built["customer.trips__status"] == ["PRESENT", "NOT_FOUND", "PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert built["driver.home.heat"] == [30, 30, None, None, None]
    assert [each is None for each in built["customer.trips__event_time"]] == [False, True, False, True, True]


async def test_a_role_that_names_nobody_at_all_is_no_error(store: OpenedStore) -> None:
    """Its own features are not found, the others are."""
    table = rides(50)
    expected = await store.training_set(table, ["trips", "rating"], entity_columns=COLUMNS)
    nobody = table.set_column(1, "customer_id", pa.nulls(len(table)))
    made = await store.training_set(nobody, ["trips", "rating"], entity_columns=COLUMNS, statuses=True)
    built = await made.to_arrow()
    assert set(built.column("customer.trips__status").to_pylist()) == {"NOT_FOUND"}
    assert told(built, ["driver.rating"]) == told(await expected.to_arrow(), ["driver.rating"])


async def test_every_kind_of_labels_may_have_several_columns(store: OpenedStore, tmp_path: Path) -> None:
    """An id that looks like a number, or a missing one, is read from a CSV as what it is."""
    table = rides(60)

    def write_files() -> None:
        pyarrow.parquet.write_table(table, tmp_path / "l.parquet")
        times = pa.array([each.isoformat() for each in table.column("timestamp").to_pylist()])
        pyarrow.csv.write_csv(table.set_column(2, "timestamp", times), tmp_path / "l.csv")

    await asyncio.to_thread(write_files)
    expected = told(await (await store.training_set(table, MIXED, entity_columns=COLUMNS)).to_arrow(), IN_ROLES)
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
    names = IN_ROLES
    assert told(await made.to_arrow(), names) == told(await same.to_arrow(), names)
    await made.write(tmp_path / "set")
    assert (await verify(tmp_path / "set", partial(rebuilt, store.space))).differences == ()


async def test_explain_says_of_which_roles_a_read_is(store: OpenedStore) -> None:
    plan = await (await store.training_set(rides(), MIXED, entity_columns=COLUMNS)).explain()
    groups = {(read.roles, read.group, read.via) for read in plan.reads}
    assert groups == {
        (("customer",), "riding", ""),
        (("driver",), "driving", ""),
        (("driver",), "places", "home@1"),
    }
    assert (plan.label_rows, plan.label_entities, plan.roles) == (403, 14 + 22, ("customer", "driver"))
    assert plan.paths == ("driver.home@1.heat@1",)
    nobody = rides(20).set_column(3, "driver_id", pa.nulls(23))
    plan = await (await store.training_set(nobody, MIXED, entity_columns=COLUMNS)).explain()
    assert {read.roles for read in plan.reads} == {("customer",)}
    single = await (await store.training_set(of_one(rides(), "driver_id"), DRIVER)).explain()
    assert ({read.roles for read in single.reads}, single.roles) == ({()}, ())


async def test_what_cannot_work_is_refused_and_named(store: OpenedStore) -> None:
    table = rides(10)

    async def refused(match: str, field: str | None, *, labels: Any = table, **asked: Any) -> None:
        with pytest.raises(InvalidInput, match=match) as caught:
            await (
                await store.training_set(labels, **{"features": MIXED, "entity_columns": COLUMNS} | asked)
            ).to_arrow()
        assert caught.value.metadata["field"] == field

    await refused("no requested feature is of the role 'customer'", "roles", features=DRIVER)
    await refused("lack the column rider", "rider", entity_columns=COLUMNS | {"customer": "rider"})
    await refused("'trips' describes a customer, which no role names", "trips", entity_columns={"driver": "driver_id"})
    await refused("timestamp says the time", "roles", entity_columns=COLUMNS | {"customer": "timestamp"})
    await refused("must map entity types", "entity_columns", entity_columns=["driver_id"])
    await refused("must map entity types", "entity_columns", entity_columns={"driver": ""})
    await refused("fare holds double", "fare", entity_columns=COLUMNS | {"customer": "fare"})
    clashing = table.append_column("customer.trips", table.column(0))
    await refused("the label column 'customer.trips' and the", "customer.trips", labels=clashing)
    await refused("entities of labels=", "roles", labels=None, entity_type="driver")
    with_ids = table.append_column("entity_id", table.column(1))
    await refused("column entity_id, which no role names", "entity_id", labels=with_ids)
    await refused("entity_column names the column who", "entity_column", entity_column="who")
    await refused("exclude each other", "entity_columns", roles={"driver": "driver"})
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
        assert made.to_arrow().select(["customer.trips", "driver.rating"]).to_pylist() == [
            {"customer.trips": 6, "driver.rating": 5}
        ]
        assert pl.DataFrame(made)["customer.trips"].to_list() == [6]
        made.write(tmp_path / "set")
    manifest = json.loads((tmp_path / "set.manifest.json").read_text())
    assert manifest["request"]["roles"] == {
        "driver": {"type": "driver", "columns": ["driver_id"]},
        "customer": {"type": "customer", "columns": ["customer_id"]},
    }
