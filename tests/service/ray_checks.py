"""What Ray Data answers beside the single-process engine, on storages that are given: one JSON object of verdicts.

A process of its own, so that Ray's processes end with it:
python -m tests.service.ray_checks '{"sqlite": ["URL", "NAMESPACE"], "cql": [..]}'
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import ray
from tests.opened import OpenedStore
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_cli.world_writing import write_world
from featurama_core import store_datasets
from featurama_core.datasets.progress import Progress
from featurama_core.retrieval.sizes import Sizes
from featurama_core.retrieval.spilled import SpilledRetrieval
from featurama_core.storage.port import NamespaceOptions
from featurama_core.stores import Stores
from featurama_core.types.writes import WriteMode
from featurama_model.checked_model import ModelReference, checked_model
from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Cycle, Feature, Product
from featurama_model.manifest import ModelFeature
from featurama_model.model_checker import ModelChecker
from featurama_model.registry import ModelRegistry
from featurama_model.scoring import scores
from featurama_trainer import ray as on_ray
from featurama_world import DELIVERY_METRICS, PLANET_CONDITIONS, World, WorldConfig

WORLD = World(WorldConfig(deliveries=150, planets=8, days=70, readings_per_day=4, seed=5))
PLANETS = next(WORLD.entities()).column("entity_id").to_pylist()
HOUR = 3_600_000_000
BEGAN = time.monotonic()
MODEL = MANIFEST.name
PLANET_FEATURES = ["traffic_level", "mood"]
GRID = {
    "entity_type": "planet",
    "start": WORLD.config.start_us + 24 * HOUR,
    "end": WORLD.config.end_us,
    "every": "50h",
}
FEATURES = [
    "distance",
    "destination",
    "origin.traffic_level",
    "destination.traffic_level",
    "destination.mood",
    "assigned_to.energy_level",
    "delay_minutes",
]


def labels(seed: int) -> pa.Table:
    """Rows in no order, some twice, some of entities and moments of which nothing is known, with a column of theirs."""
    known = pa.concat_tables(WORLD.labels()).drop_columns(["actual_duration"])
    draw = np.random.default_rng(seed)
    rows = known.take(pa.array(draw.integers(0, known.num_rows, 400)))
    shift = draw.integers(-40, 40, 400) * 86_400_000_000
    times = np.minimum(rows.column("timestamp").cast(pa.int64()).to_numpy() + shift, WORLD.config.end_us)
    ids = [f"stranger_{at}" if at % 50 == 0 else each for at, each in enumerate(rows.column("entity_id").to_pylist())]
    moments = pa.array(times).cast(pa.timestamp("us", "UTC"))
    return pa.table({"weight": draw.random(400), "timestamp": moments, "entity_id": ids})


CLOCKS = {"time_column": "day", "clock_column": "clock", "timezone": "UTC"}


def with_clocks(rows: pa.Table) -> pa.Table:
    """The same rows with dates and, beside them, times of day."""
    times = rows.column("timestamp").to_pylist()
    days, clocks = ([each.strftime(form) for each in times] for form in ("%Y-%m-%d", "%H:%M:%S.%f"))
    return (
        rows.drop_columns(["timestamp"]).append_column("day", pa.array(days)).append_column("clock", pa.array(clocks))
    )


COLUMNS = {"delivery": "entity_id", "planet": "planet_id"}
OF_COLUMNS = ["distance", "destination.traffic_level", "traffic_level", "mood"]
ROLES = {
    "home": {"type": "planet", "columns": "planet_id"},
    "parcel": {"type": "delivery", "columns": ["entity_id"]},
    "away": {"type": "planet", "columns": "planet_id"},
}
OF_ROLES = ["home.mood", "destination.traffic_level", "away.mood", "parcel.distance", "away.traffic_level"]


def two_entities(seed: int) -> pa.Table:
    """The same rows with a planet beside the delivery; some name none."""
    planets = [None if at % 11 == 0 else PLANETS[at % len(PLANETS)] for at in range(400)]
    return labels(seed).append_column("planet_id", pa.array(planets, pa.string()))


async def fill(store: OpenedStore) -> None:
    """A world, and a group with ttl, nulls and several buckets."""
    await write_world(store, WORLD)
    await store.register_feature_group("moods", "planet", ttl="10d", buckets=4)
    await store.register_feature("mood", "text", group="moods")
    await write(store, moods())


async def correct(store: OpenedStore) -> None:
    """Corrections and deletions, an hour later."""
    await write(store, moods().slice(50, 60).set_column(2, "mood", pa.array(["corrected"] * 60)))
    await store.delete_entity("delivery_00000007")
    await store.delete_feature_values(PLANETS[1], ["traffic_level"])


def moods() -> pa.Table:
    times = WORLD.config.start_us + np.arange(200) * 30_000_000_000
    return pa.table(
        {
            "entity_id": [PLANETS[at % len(PLANETS)] for at in range(200)],
            "timestamp": pa.array(times).cast(pa.timestamp("us", "UTC")),
            "mood": [None if at % 9 == 0 else f"mood {at}" for at in range(200)],
        }
    )


async def write(store: OpenedStore, frame: pa.Table) -> None:
    report = await store.write_features(frame, mode=WriteMode.BULK)
    assert report.accepted == frame.num_rows, report.verdicts[:1]


async def expected(store: OpenedStore, rows: Any, *, only: list[str] = FEATURES, **asked: Any) -> pa.Table:
    found = await store.training_set(rows, only, **asked)
    return await found.to_arrow()


async def expected_history(store: OpenedStore) -> dict[tuple[str, int], float | None]:
    """What each planet's own history says."""
    found = {}
    for table in WORLD.entities():
        for row in table.to_pylist():
            if row["entity_type"] == "planet":
                values = (await store.get_feature_history(row["entity_id"], "traffic_level")).to_dict()
                pairs = zip(values["timestamp"], values["value"], strict=True)
                found.update({(row["entity_id"], at): value for at, value in pairs})
    return found


def table_of(dataset: Any) -> pa.Table:
    return pa.concat_tables(ray.get(dataset.to_arrow_refs()))


async def publish(store: OpenedStore) -> None:
    """A model of the world's features, one of them required."""
    manifest = replace(
        MANIFEST,
        features=(
            ModelFeature("destination.traffic_level", "destination@1.traffic_level@1", "double"),
            ModelFeature("destination.weather_index", "destination@1.weather_index@1", "double"),
            ModelFeature("distance", "distance@1", "double", "fail"),
        ),
        engineered=EngineeredSpec(
            (
                Cycle("hour", "day", "sin"),
                Feature("destination.traffic_level", "destination.traffic_level"),
                Product("weather_x_distance", ("destination.weather_index", "distance")),
            )
        ),
    )
    models = ModelRegistry(store.space.storage)
    published = await models.publish(manifest, ARTEFACT)
    await models.set_alias(MODEL, "champion", published.version)


async def prepare(url: str, namespace: str) -> dict[str, Any]:
    """Fill the storage. -> what the single process answers."""
    known_at = time.time_ns() // 1_000 - HOUR // 2
    async with Stores.open(url, clock=lambda: time.time_ns() - HOUR * 1_000) as earlier:
        if namespace not in await earlier.storage.list_namespaces():
            await earlier.storage.create_namespace(namespace, NamespaceOptions())
        await fill(await earlier.get(namespace))
    async with Stores.open(url) as stores:
        store = OpenedStore(await stores.namespace(namespace))
        await correct(store)
        await publish(store)
        rows = labels(1)
        newest = await expected(store, None, entity_type="planet", only=PLANET_FEATURES)
        with ModelChecker() as checker:
            scored = await scores(store.space, rows.to_pandas(), MODEL, checker=checker)
            by_clocks = await scores(store.space, with_clocks(rows), MODEL, checker=checker, **CLOCKS)
        return {
            "rows": rows,
            "known_at": known_at,
            "near": await expected(store, rows, statuses=True, event_times=True),
            "far": await expected(store, rows),
            "columns": await expected(store, two_entities(3), only=OF_COLUMNS, entity_columns=COLUMNS, statuses=True),
            "roles": await expected(store, two_entities(3), only=OF_ROLES, roles=ROLES, statuses=True),
            "known": await expected(store, pl.from_arrow(rows), known_at=known_at),
            "grid": await expected(store, None, only=PLANET_FEATURES, statuses=True, **GRID),
            "newest": newest.drop_columns(["timestamp"]),
            "scores": await scored.to_arrow(),
            "clocks": await expected(store, with_clocks(rows), statuses=True, **CLOCKS),
            "scores by clocks": await by_clocks.to_arrow(),
            "history": await expected_history(store),
        }


def answers(url: str, namespace: str, wanted: dict[str, Any]) -> dict[str, bool]:
    """Whether Ray answers what was wanted."""
    rows = wanted["rows"]
    same = wanted["known"].column("destination.mood").equals(wanted["far"].column("destination.mood"))
    verdicts = {"corrections matter": not same}
    failed = wanted["scores"].column("error_reason").null_count < len(rows)
    verdicts["scores differ"] = failed and len(set(wanted["scores"].column("prediction").to_pylist())) > 10
    make = partial(on_ray.training_set, url, namespace=namespace)
    cut = {"tasks": 2, "concurrency": 2}
    near = make(rows, FEATURES, statuses=True, event_times=True, **cut)
    verdicts["near"] = table_of(near).equals(wanted["near"])
    none = make(rows.slice(0, 0), FEATURES, statuses=True, event_times=True, known_at="label", **cut)
    verdicts["no rows"] = table_of(none).equals(wanted["near"].slice(0, 0))
    renamed = table_of(make(rows, FEATURES, statuses=True, event_times=True, column_separator="__", **cut))
    names = [name.replace(".", "__") for name in wanted["near"].column_names]
    verdicts["separator"] = renamed.equals(wanted["near"].rename_columns(names))
    verdicts["far"] = table_of(make(rows, FEATURES, broadcast=2, **cut)).equals(wanted["far"])
    of_columns = partial(make, two_entities(3), OF_COLUMNS, entity_columns=COLUMNS, statuses=True, **cut)
    verdicts["columns"] = table_of(of_columns()).equals(wanted["columns"])
    verdicts["far columns"] = table_of(of_columns(broadcast=2)).equals(wanted["columns"])
    of_roles = partial(make, two_entities(3), OF_ROLES, roles=ROLES, statuses=True, **cut)
    verdicts["roles"] = table_of(of_roles(broadcast=2)).equals(wanted["roles"])
    known = make(pl.from_arrow(rows), FEATURES, known_at=wanted["known_at"])
    verdicts["known"] = table_of(known).equals(wanted["known"])
    grid = make(None, PLANET_FEATURES, statuses=True, **GRID, **cut)
    verdicts["grid"] = table_of(grid).equals(wanted["grid"])
    newest = make(None, PLANET_FEATURES, entity_type="planet")
    verdicts["newest"] = table_of(newest).drop_columns(["timestamp"]).equals(wanted["newest"])
    scored = on_ray.score(url, rows.to_pandas(), MODEL, namespace=namespace, **cut)
    verdicts["scores"] = table_of(scored).equals(wanted["scores"])
    clocked = make(with_clocks(rows), FEATURES, statuses=True, **CLOCKS, **cut)
    verdicts["clocks"] = table_of(clocked).equals(wanted["clocks"])
    values = [each for each in wanted["clocks"].column_names if each in FEATURES]
    verdicts["clocks are times"] = wanted["clocks"].select(values).equals(wanted["far"].select(values))
    scored = on_ray.score(url, with_clocks(rows), MODEL, namespace=namespace, **CLOCKS, **cut)
    verdicts["scores by clocks"] = table_of(scored).equals(wanted["scores by clocks"])
    unscored = on_ray.score(url, rows.slice(0, 0).to_pandas(), MODEL, namespace=namespace, **cut)
    verdicts["no scores"] = table_of(unscored).equals(wanted["scores"].slice(0, 0))
    history = on_ray.history(url, ["traffic_level", "weather_index"], namespace=namespace, tasks=2, concurrency=2)
    found = [row for row in history.take_all() if row["traffic_level"] is not None]
    stored = {(row["entity_id"], row["timestamp"]): row["traffic_level"] for row in found}
    return verdicts | {"history": stored == wanted["history"]}


def generated() -> dict[str, bool]:
    """Whether tasks make the sample world that one process makes."""
    verdicts = {}
    for group in (DELIVERY_METRICS, PLANET_CONDITIONS):
        made = on_ray.generate(WORLD.config, group, rows_a_task=WORLD.rows(group) // 2 + 1)
        alone = pa.concat_tables(each.table for each in WORLD.batches(groups=[group]))
        order = [("entity_id", "ascending"), ("timestamp", "ascending")]
        verdicts[group] = table_of(made).sort_by(order).equals(alone.sort_by(order))
    return verdicts


async def written(url: str, namespace: str, folder: Path) -> dict[str, bool]:
    """Whether scores are written as one process writes them, and an interrupted run goes on."""
    async with Stores.open(url) as stores:
        store = OpenedStore(await stores.namespace(namespace))
        with ModelChecker() as checker:
            checked = await checked_model(store.space, ModelReference.parse(MODEL), checker=checker)
        known_at = time.time_ns() // 1_000 - HOUR // 2
        make = partial(scores, store.space, labels(2), checked, known_at=known_at)
        store_datasets.SpilledRetrieval = partial(SpilledRetrieval, sizes=Sizes(part_rows=150, shards=2))  # type: ignore[misc,assignment]
        whole = await (await make()).write(folder / "whole")
        by_tasks = partial(
            on_ray.write_scores, namespace=store.space, place=on_ray.StoreLocation.of(url, namespace), model=checked
        )

        def interrupt(progress: Progress) -> None:
            if progress.done >= 300:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            await by_tasks(await make(), out=folder / "set", progress=interrupt)
        finished = {path.name: path.stat().st_ino for path in (folder / ".set.building" / "parts").iterdir()}
        made = await by_tasks(await make(), out=folder / "set", resume=True)
        unscored = await scores(store.space, labels(2).slice(0, 0), checked, known_at=known_at)
        none = await by_tasks(unscored, out=folder / "none")
    return {
        "no scores written": (none.rows, len(none.files)) == (0, 1),
        "nothing half written": len(finished) == 2,
        "resumed": all((folder / "set" / name).stat().st_ino == inode for name, inode in finished.items()),
        "same files": made.files == whole.files and len(made.files) == 3,
        "same manifest": {**made.content, "as_of_time": ""} == {**whole.content, "as_of_time": ""},
    }


async def drop(url: str, namespace: str) -> None:
    async with Stores.open(url) as stores:
        await stores.storage.drop_namespace(namespace)


def check(places: dict[str, tuple[str, str]]) -> dict[str, dict[str, bool]]:
    """Storage -> check -> verdict. One Ray for all: to start it takes longer than the checks."""
    wanted = {name: asyncio.run(prepare(*place)) for name, place in places.items()}
    verdicts = {}
    with on_ray.connected(num_cpus=2):
        for name, place in places.items():
            verdicts[name] = answers(*place, wanted[name])
            print(f"{name}: after {time.monotonic() - BEGAN:.1f} s", file=sys.stderr)
        verdicts["sqlite"] |= generated()
        with TemporaryDirectory() as folder:
            verdicts["sqlite"] |= asyncio.run(written(*places["sqlite"], Path(folder)))
    verdicts["sqlite"]["shut down"] = not ray.is_initialized()
    for place in places.values():
        asyncio.run(drop(*place))
    return verdicts


if __name__ == "__main__":
    print(json.dumps(check(json.loads(sys.argv[1]))))
