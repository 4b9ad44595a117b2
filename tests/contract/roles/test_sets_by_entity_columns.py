"""Sets of label rows that name several entities, by `entity_columns=`: what labels may be, what is told and refused."""

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

from .league import FEATURES, HOUR, IN_TYPES, MIXED, OF_TEAM, OF_TYPES, ROLES, START, matches, of_one, told


async def test_entity_columns_are_short_for_roles_named_like_their_types(store: OpenedStore) -> None:
    """Values, statuses and event times; a feature of one type may leave its role out."""
    roles = {kind: {"type": kind, "columns": column} for kind, column in OF_TYPES.items()}
    shown = {"statuses": True, "event_times": True}
    short = await store.training_set(matches(60), MIXED, entity_columns=OF_TYPES, **shown)
    long = await store.training_set(matches(60), IN_TYPES, roles=roles, **shown)
    assert (await long.to_arrow()).equals(await short.to_arrow())


async def test_each_feature_is_that_of_its_own_entity(store: OpenedStore) -> None:
    """Reckoned by hand; an id that is null or empty finds nothing, and is kept as it is."""
    at = START + 2_000
    reds, hermes, north = (f"{each}_{uuid.uuid4().hex[:8]}" for each in ("reds", "hermes", "north"))
    frames: list[dict[str, Any]] = [
        {"entity_id": [reds] * 2, "timestamp": [at - HOUR, at], "rating": [4.5, 2.0], "city": [north] * 2},
        # The id of a team may be the id of a person too: the column tells which is meant.
        {"entity_id": [reds, hermes], "timestamp": [at] * 2, "cards": [7, 9]},
        {"entity_id": [north], "timestamp": [at - HOUR], "population": [30]},
    ]
    for frame in frames:
        await store.write_features(frame, time_unit="us")
    rows = {
        "home": [reds, reds, None, "", hermes],
        "referee": [hermes, reds, hermes, None, None],
        "when": pa.array([at, at - 1, at, at, at]).cast(pa.timestamp("us", "UTC")),
    }
    made = await store.training_set(
        pa.table(rows),
        ["rating", "cards", "city.population"],
        entity_columns=OF_TYPES,
        time_column="when",
        statuses=True,
        event_times=True,
    )
    built = (await made.to_arrow()).to_pydict()
    assert built["home"] == rows["home"]
    assert built["team.rating"] == [2.0, 4.5, None, None, None]
    assert built["team.rating__status"] == ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]
    assert built["person.cards"] == [9, None, 9, None, None]
    assert built["person.cards__status"] == ["PRESENT", "NOT_FOUND", "PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert built["team.city.population"] == [30, 30, None, None, None]
    assert [each is None for each in built["person.cards__event_time"]] == [False, True, False, True, True]


async def test_every_kind_of_labels_may_have_several_columns(store: OpenedStore, tmp_path: Path) -> None:
    """An id that looks like a number, or a missing one, is read from a CSV as what it is."""
    table = matches(60)

    def write_files() -> None:
        pyarrow.parquet.write_table(table, tmp_path / "l.parquet")
        times = pa.array([each.isoformat() for each in table.column("timestamp").to_pylist()])
        pyarrow.csv.write_csv(table.set_column(2, "timestamp", times), tmp_path / "l.csv")

    await asyncio.to_thread(write_files)
    made = await store.training_set(table, MIXED, entity_columns=OF_TYPES)
    expected = told(await made.to_arrow(), IN_TYPES)
    for labels in (table.to_pandas(), tmp_path / "l.parquet", tmp_path / "l.csv"):
        made = await store.training_set(labels, MIXED, entity_columns=OF_TYPES)
        assert told(await made.to_arrow(), IN_TYPES) == expected
    numbers = pd.DataFrame({"home": ["007"], "referee": ["12"], "timestamp": ["2026-09-01T00:00:00Z"]})
    await asyncio.to_thread(numbers.to_csv, tmp_path / "n.csv", index=False)
    built = await (await store.training_set(tmp_path / "n.csv", MIXED, entity_columns=OF_TYPES)).to_arrow()
    assert (built.column("home").to_pylist(), built.column("referee").to_pylist()) == (["007"], ["12"])


async def test_one_moment_for_all_needs_no_time_column(store: OpenedStore, tmp_path: Path) -> None:
    table = matches(30)
    moment = START + 500 * HOUR
    rows = table.drop_columns(["timestamp"])
    made = await store.training_set(rows, MIXED, entity_columns=OF_TYPES, timestamp=moment)
    times = pa.array([moment] * len(table)).cast(pa.timestamp("us", "UTC"))
    same = await store.training_set(table.set_column(2, "timestamp", times), MIXED, entity_columns=OF_TYPES)
    assert told(await made.to_arrow(), IN_TYPES) == told(await same.to_arrow(), IN_TYPES)
    await made.write(tmp_path / "set")
    assert (await verify(tmp_path / "set", partial(rebuilt, store.space))).differences == ()


async def test_explain_says_of_which_roles_a_read_is(store: OpenedStore) -> None:
    """Roles of one type share their reads, and a role that names nobody has none."""
    plan = await (await store.training_set(matches(), FEATURES, roles=ROLES)).explain()
    sides, referee = ("away", "home"), ("referee",)
    assert {(read.roles, read.group, read.via) for read in plan.reads} == {
        (sides, "form", ""),
        (sides, "team", ""),
        (sides, "default", ""),
        (sides, "city", "city@1"),
        (referee, "person", ""),
        (referee, "default", ""),
    }
    assert (plan.label_rows, plan.label_entities, plan.roles) == (303, 12 + 5, (*sides, *referee))
    assert plan.paths == ("home.city@1.population@1", "away.city@1.population@1")
    nobody = matches(20).set_column(0, "home", pa.nulls(23))
    plan = await (await store.training_set(nobody, MIXED, entity_columns=OF_TYPES)).explain()
    assert {read.roles for read in plan.reads} == {("person",)}
    single = await (await store.training_set(of_one(matches(), "home"), OF_TEAM)).explain()
    assert ({read.roles for read in single.reads}, single.roles) == ({()}, ())


async def test_what_cannot_work_is_refused_and_named(store: OpenedStore) -> None:
    table = matches(10)

    async def refused(match: str, field: str | None, *, labels: Any = table, **asked: Any) -> None:
        with pytest.raises(InvalidInput, match=match) as caught:
            await (
                await store.training_set(labels, **{"features": MIXED, "entity_columns": OF_TYPES} | asked)
            ).to_arrow()
        assert caught.value.metadata["field"] == field

    await refused("no requested feature is of the role 'person'", "roles", features=["rating", "city"])
    await refused("lack the column whistle", "whistle", entity_columns=OF_TYPES | {"person": "whistle"})
    await refused("'cards' describes a person, which no role names", "cards", entity_columns={"team": "home"})
    await refused("timestamp says the time", "roles", entity_columns=OF_TYPES | {"person": "timestamp"})
    await refused("must map entity types", "entity_columns", entity_columns=["home"])
    await refused("must map entity types", "entity_columns", entity_columns={"team": ""})
    await refused("odds holds double", "odds", entity_columns=OF_TYPES | {"person": "odds"})
    clashing = table.append_column("person.cards", table.column("odds"))
    await refused("the label column 'person.cards' and the", "person.cards", labels=clashing)
    await refused("roles= are of labels=", "roles", labels=None, entity_type="team")
    with_ids = table.append_column("entity_id", table.column("referee"))
    await refused("column entity_id, which no role names", "entity_id", labels=with_ids)
    await refused("entity_column names the column who", "entity_column", entity_column="who")
    await refused("exclude each other", "entity_columns", roles={"team": "team"})
    ids = pa.array([*["person_1"] * 7, "a\nb", *["person_1"] * 5])
    await refused(
        "label row 7: column referee: entity_id holds a control",
        "labels",
        labels=table.set_column(4, "referee", ids),
    )


def test_a_notebook_builds_a_set_of_several_columns(tmp_path: Path) -> None:
    with sync.connect(f"sqlite:///{tmp_path / 'store'}") as store:
        for kind, feature in (("team", "rating"), ("person", "cards")):
            store.register_entity_type(kind)
            store.register_feature(feature, "int", entity_type=kind)
        store.write_features({"entity_id": ["a"], "timestamp": [START], "rating": [5]}, time_unit="us")
        store.write_features({"entity_id": ["b"], "timestamp": [START], "cards": [6]}, time_unit="us")
        rows = pd.DataFrame({"home": ["a"], "referee": ["b"]})
        made = store.training_set(rows, ["cards", "rating"], entity_columns=OF_TYPES, timestamp=START)
        assert made.to_arrow().select(["person.cards", "team.rating"]).to_pylist() == [
            {"person.cards": 6, "team.rating": 5}
        ]
        assert pl.DataFrame(made)["person.cards"].to_list() == [6]
        made.write(tmp_path / "set")
    manifest = json.loads((tmp_path / "set.manifest.json").read_text())
    assert manifest["request"]["roles"] == {
        kind: {"type": kind, "columns": [column]} for kind, column in OF_TYPES.items()
    }
