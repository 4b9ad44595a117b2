"""The as-of kernel against DuckDB `ASOF JOIN` and polars `join_asof`, on 50,000 rows of random history.

No two history rows share (entity, event time): the engines do not say which of them would win.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl
import pytest

from featurama_core.retrieval.as_of import as_of

ENTITIES = 300


@dataclass(frozen=True)
class World:
    entity: np.ndarray
    time: np.ndarray
    ingested: np.ndarray
    label_entity: np.ndarray
    label_time: np.ndarray


@pytest.fixture(scope="module")
def world() -> World:
    """Skewed entities, times on both sides of 1970, some label entities without history."""
    rng = np.random.default_rng(1)
    pairs = np.stack((rng.zipf(1.3, 50_000) % ENTITIES, rng.integers(-(10**6), 10**6, 50_000)), axis=1)
    entity, time = np.unique(pairs, axis=0).T.copy()
    ingested = time + rng.exponential(200_000, len(time)).astype(np.int64)
    return World(entity, time, ingested, rng.integers(-1, ENTITIES + 20, 50_000), rng.integers(-(10**6), 10**6, 50_000))


@pytest.mark.parametrize("known_at", [None, -200_000, 600_000])
def test_duckdb_asof_join_finds_the_same_rows(world: World, known_at: int | None) -> None:
    """Same winner for each label row, with and without a bound on the ingest time."""
    tables = {
        "history": pl.DataFrame(
            {
                "entity": world.entity,
                "time": world.time,
                "ingested": world.ingested,
                "position": np.arange(len(world.entity)),
            }
        ).to_arrow(),
        "labels": pl.DataFrame(
            {
                "entity": world.label_entity,
                "time": world.label_time,
                "label": np.arange(len(world.label_entity)),
            }
        ).to_arrow(),
    }
    with duckdb.connect(":memory:", config={"threads": 1}) as engine:
        for name, table in tables.items():
            engine.register(name, table)
        found = engine.execute(
            """
            SELECT coalesce(known.position, -1) AS position
            FROM labels ASOF LEFT JOIN (
                SELECT * FROM history WHERE $known_at IS NULL OR ingested <= $known_at
            ) AS known
            ON labels.entity = known.entity AND labels.time >= known.time
            ORDER BY labels.label
            """,
            {"known_at": known_at},
        ).fetchnumpy()
    winner = as_of(world.entity, world.time, world.ingested, world.label_entity, world.label_time, known_at=known_at)
    assert 1_000 < np.count_nonzero(winner >= 0) < len(winner)
    assert np.array_equal(np.asarray(found["position"]), winner)


@pytest.mark.parametrize("known_at", [None, -200_000, 600_000])
def test_polars_join_asof_finds_the_same_rows(world: World, known_at: int | None) -> None:
    """Same winner for each label row, with and without a bound on the ingest time."""
    history = pl.DataFrame({"entity": world.entity, "time": world.time, "position": np.arange(len(world.entity))}).sort(
        "time"
    )
    if known_at is not None:
        history = history.filter(pl.Series(world.ingested).gather(history["position"]) <= known_at)
    labels = pl.DataFrame(
        {"entity": world.label_entity, "time": world.label_time, "label": np.arange(len(world.label_entity))}
    ).sort("time")
    found = labels.join_asof(history, on="time", by="entity", check_sortedness=False).sort("label")
    winner = as_of(world.entity, world.time, world.ingested, world.label_entity, world.label_time, known_at=known_at)
    assert 1_000 < np.count_nonzero(winner >= 0) < len(winner)
    assert np.array_equal(found["position"].fill_null(-1).to_numpy(), winner)


def test_a_known_at_a_row_finds_the_rows_of_a_duckdb_join_on_both_times(world: World) -> None:
    """Per-row bounds are beyond `ASOF JOIN`; DuckDB answers them with a join, an order and a first."""
    labels = pl.DataFrame(
        {"entity": world.label_entity, "time": world.label_time, "label": np.arange(len(world.label_entity))}
    )[:300].to_arrow()
    history = pl.DataFrame(
        {
            "entity": world.entity,
            "time": world.time,
            "ingested": world.ingested,
            "position": np.arange(len(world.entity)),
        }
    ).to_arrow()
    with duckdb.connect(":memory:", config={"threads": 1}) as engine:
        engine.register("history", history)
        engine.register("labels", labels)
        found = engine.execute(
            """
            SELECT coalesce(max_by(history.position, (history.time, history.ingested)), -1) AS position
            FROM labels LEFT JOIN history ON labels.entity = history.entity
                AND history.time <= labels.time AND history.ingested <= labels.time + 50000
            GROUP BY labels.label ORDER BY labels.label
            """
        ).fetchnumpy()
    entity, moment = world.label_entity[:300].copy(), world.label_time[:300].copy()
    winner = as_of(world.entity, world.time, world.ingested, entity, moment, known_at=moment + 50_000)
    assert np.count_nonzero(winner >= 0) > 100
    assert np.array_equal(np.asarray(found["position"]), winner)
