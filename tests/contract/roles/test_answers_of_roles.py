"""Rows that name several entities are answered as each of them alone, in sets, past reads and online reads."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.opened import OpenedStore

from featurama_core.datasets.verify import verify
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.store_datasets import rebuilt
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import RowEntities, roles_of

from .league import FEATURES, NAMES, ROLES, SUFFIXES, League, alone, in_small_parts, matches, told


@pytest.mark.parametrize("known", [None, "label", "settled"])
@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
async def test_a_set_of_roles_is_the_sets_of_each_role_side_by_side(
    store: OpenedStore, league: League, monkeypatch: pytest.MonkeyPatch, known: Any, strategy: Any
) -> None:
    """Values, statuses and event times, at once and in small parts; before and after corrections; two roles of one
    type, also of one entity, and rows that name nobody.
    """
    table = matches()
    known_at = league.settled if known == "settled" else known
    asked: Any = {"roles": ROLES, "strategy": strategy, "known_at": known_at}
    shown: Any = {"statuses": True, "event_times": True}
    expected = await alone(store, table, known_at=known_at, **shown)
    wanted = [name + each for name in NAMES for each in SUFFIXES]
    plain = await store.training_set(table, FEATURES, **asked)
    assert told(await plain.to_arrow(), NAMES) == {name: expected[name] for name in NAMES}
    at_once = await (await store.training_set(table, FEATURES, **asked, **shown)).to_arrow()
    in_small_parts(monkeypatch)
    in_parts = await (await store.training_set(table, FEATURES, memory="10KB", **asked, **shown)).to_arrow()
    for built in (at_once, in_parts):
        assert built.column_names == [*table.column_names, *wanted]
        assert built.select(table.column_names).equals(table)
        assert told(built, wanted) == {name: expected[name] for name in wanted}
    found = {name: set(at_once.column(f"{name}__status").to_pylist()) for name in NAMES}
    assert found["home.rating"] >= {"PRESENT", "NOT_FOUND"} | (
        {"NULL_VALUE", "OUTSIDE_MAX_AGE"} if known != "label" else set()
    )
    assert found["referee.cards"] == {"PRESENT", "NOT_FOUND"}
    assert found["home.city.population"] >= {"PRESENT", "NOT_FOUND"}


@pytest.mark.parametrize("make", [pa.Table.to_pandas, pl.from_arrow, lambda table: table, lambda t: t.to_pydict()])
async def test_past_and_online_reads_are_those_of_each_role(store: OpenedStore, make: Any) -> None:
    """Of every kind of frame; the frame's columns come back as they were."""
    table = matches(60)
    expected = await alone(store, table, statuses=True)
    past = await store.get_historical_features(make(table), FEATURES, roles=ROLES)
    found = past.to_arrow(statuses=True)
    wanted = [name + each for name in NAMES for each in SUFFIXES[:2]]
    assert told(found, wanted) == {name: expected[name] for name in wanted}
    rows = table.drop_columns(["timestamp", "odds"])
    online = await store.get_online_features(make(rows), FEATURES, roles=ROLES)
    assert len(table) == len(online)
    read = online.to_arrow(statuses=True)
    assert read.column_names == [*rows.column_names, *(name + each for name in NAMES for each in SUFFIXES[:2])]
    for role, features in (("home", ["rating", "note"]), ("away", ["city.population", "city"]), ("referee", ["note"])):
        ids = [each or "nobody" for each in table.column(role).to_pylist()]
        one = (await store.get_online_features(ids, features)).to_arrow(statuses=True)
        for name in one.column_names[1:]:
            if f"{role}.{name}" in read.column_names:
                assert read.column(f"{role}.{name}").to_pylist() == one.column(name).to_pylist()


async def test_a_row_without_one_entity_has_the_features_of_the_others(store: OpenedStore) -> None:
    """Reckoned by hand: null and empty name nobody, and two roles may name one team."""
    ids = [f"{each}_{uuid.uuid4().hex[:8]}" for each in ("reds", "blues")]
    now = store.now()
    await store.write_features({"entity_id": ids, "timestamp": [now] * 2, "rating": [4.5, 2.0]}, time_unit="us")
    rows = {"home": [ids[0], None, ids[1], ""], "away": [ids[1], ids[0], ids[1], None]}
    roles = {"home": "team", "away": "team"}
    read = (await store.get_online_features(rows, ["home.rating", "away.rating"], roles=roles)).to_dict(statuses=True)
    assert rows == {name: read[name] for name in rows}
    assert [4.5, None, 2.0, None] == read["home.rating"]
    assert ["PRESENT", "NOT_FOUND", "PRESENT", "NOT_FOUND"] == read["home.rating__status"]
    assert [2.0, 4.5, 2.0, None] == read["away.rating"]


@pytest.mark.parametrize("empty", ["team", "person"])
async def test_a_role_without_any_entity_has_nothing(store: OpenedStore, empty: str) -> None:
    """Online and in a set, whichever type is read first, and although the rows of the other name different entities."""
    ids: dict[str, list[str | None]] = {"team": ["team_0", "team_1"], "person": ["person_0", "person_1"]}
    other = "person" if empty == "team" else "team"
    rows, roles = ids | {empty: [None, None]}, {each: each for each in ids}
    read = (await store.get_online_features(rows, ["team.note", "person.note"], roles=roles)).to_dict(statuses=True)
    one = (await store.get_online_features(ids[other], ["note"])).to_dict(statuses=True)
    assert ["NOT_FOUND", "NOT_FOUND"] == read[f"{empty}.note__status"]
    assert [one["note"], one["note__status"]] == [read[f"{other}.note"], read[f"{other}.note__status"]]
    table = pa.table({other: ids[other], empty: pa.nulls(2)})
    made = await store.training_set(
        table, ["team.note", "person.note"], roles=roles, timestamp=store.now(), statuses=True
    )
    built = (await made.to_arrow()).to_pydict()
    assert read == {name: built[name] for name in read}


async def test_an_entity_in_two_roles_is_read_once(store: OpenedStore) -> None:
    """One read of the newest cells for all roles, and one for all that references name."""
    calls: list[list[str]] = []

    class Noted(ValueSource):
        async def latest(self, entity_ids: Any) -> Any:
            calls.append(list(entity_ids))
            return await super().latest(entity_ids)

    wanted = FeatureSelection(("home.rating", "away.rating", "away.city.population", "cards"), roles=roles_of(ROLES))
    plan = await store.space.compiled(wanted, ReadPlan.of)
    retrieval = Retrieval(Noted(store.space), plan, ReadBounds(None, store.now(), at_now=True))
    rows = RowEntities(
        {"home": ["team_1", "team_2"], "away": ["team_2", "team_1"], "referee": ["person_1", "person_1"]}
    )
    await retrieval.columns(rows, None)
    assert ["team_1", "team_2", "person_1"] == calls[0]
    assert 2 == len(calls)


async def test_roles_of_types_with_keys_hold_keys(store: OpenedStore, tmp_path: Path) -> None:
    """One column per role and key; rows come back with the keys they were given; a null key names nobody."""
    club, stint, score, goals = (f"{each}_{uuid.uuid4().hex[:8]}" for each in ("club", "stint", "score", "goals"))
    await store.register_entity_type(club, keys={"number": "int"})
    await store.register_entity_type(stint, keys={"player": "text", "year": "int"})
    await store.register_feature(score, "int", entity_type=club)
    await store.register_feature(goals, "int", entity_type=stint)
    at = store.now()
    clubs = [f"{club}:7", f"{club}:8"]
    await store.write_features({"entity_id": clubs, "timestamp": [at] * 2, score: [70, 80]}, time_unit="us")
    await store.write_features({"entity_id": [f"{stint}:a%7Cb|-3"], "timestamp": [at], goals: [5]}, time_unit="us")
    rows = pd.DataFrame(
        {
            "home": pd.array([7, 8, None], dtype="Int64"),
            "away": [8.0, 7.0, 9.0],
            "star_player": ["a|b", None, "a"],
            "star_year": [-3, -3, -3],
        }
    )
    roles = {"home": club, "away": club, "star": stint}
    features = [f"home.{score}", f"away.{score}", goals]
    online = await store.get_online_features(rows, features, roles=roles)
    expected = {f"home.{score}": [70, 80, None], f"away.{score}": [80, 70, None], f"star.{goals}": [5, None, None]}
    assert expected == {name: online.to_dict()[name] for name in expected}
    assert rows["away"].tolist() == online.to_dict()["away"]
    dated = rows.assign(timestamp=pd.to_datetime(np.full(3, at), unit="us", utc=True))
    for labels in (dated, pa.Table.from_pandas(dated, preserve_index=False)):
        made = await store.training_set(labels, features, roles=roles)
        built = (await made.to_arrow()).to_pydict()
        assert expected == {name: built[name] for name in expected}
    await made.write(tmp_path / "set")
    assert () == (await verify(tmp_path / "set", partial(rebuilt, store.space))).differences
    past = (await store.get_historical_features(dated, features, roles=roles)).to_dict()
    assert expected == {name: past[name] for name in expected}
    ids = RowEntities({"home": clubs, "away": [clubs[1], None], "star": [None, f"{stint}:a%7Cb|-3"]})
    read = (await store.get_online_features(ids, features, roles=roles)).to_dict()
    assert [[70, 80], [80, None], [None, 5]] == [read[name] for name in expected]
