"""A data set that nobody here has seen, through the public API and back as training sets, row for row as a naive
reckoning of the written facts says (`moon_shuttles`)."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # noqa: F401 - pyarrow loads it when it first converts, which must not be on a loop
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.opened import open_store
from tests.unit.cli.running import run_in

import featurama
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.column import Column
from featurama_core.types.imports import ImportScope
from featurama_core.types.times import duration_text
from featurama_core.types.values import Status, ValueType, parse_value_type
from featurama_core.types.writes import WriteMode, WriteRequest

from . import moon_shuttles as shuttles
from .moon_shuttles import FEATURES, OWN, PATHS, SECOND_VERSION, Frame, World, same
from .servers import RunningServer

REFERENCES = [*OWN, *SECOND_VERSION, *PATHS]
Known = int | str | None
Cell = tuple[Any, str | None, int | None]


@pytest.fixture
async def client(
    online_at: RunningServer, ingest_at: RunningServer, namespace: str
) -> AsyncIterator[featurama.FeatureStore]:
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace, timeout=60
    ) as client:
        yield client


@pytest.mark.parametrize("seed", range(2))
async def test_training_sets_say_what_was_written(
    seed: int,
    client: featurama.FeatureStore,
    online_at: RunningServer,
    storage_url: str,
    namespace: str,
    unique: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """Corrections, late facts, nulls, NaN, expired and deleted values, two versions and a path; written in random order
    by every way there is; read by the store (both strategies), by the client and by the command, as Parquet and
    CSV: with everything known, at a past moment, and with what was known at each row's own time."""
    world = shuttles.draw(seed, time.time_ns() // 1_000, unique)
    names = {name: unique(name) for group in FEATURES.values() for name in group}
    await define(client, world, names, unique)
    await write_all(client, world, names)
    labels = label_table(world)
    references = [renamed(each, names) for each in REFERENCES]
    middle = world.now - 75 * shuttles.DAY
    expectations = {known: oracle(world, known) for known in (None, "label", middle)}
    async with open_store(StorageSettings(storage_url, request_timeout_ms=20_000), namespace=namespace) as store:
        for known, expected in expectations.items():
            for strategy in ("scan", "lookup"):
                made = await store.training_set(
                    labels, references, known_at=known, statuses=True, event_times=True, strategy=strategy
                )
                check(world, expected, await made.to_arrow(), names, known)
                plain = await store.training_set(labels, references, known_at=known, strategy=strategy)
                check(world, expected, await plain.to_arrow(), names, known)
            made = await client.training_set(labels, references, known_at=known, statuses=True, event_times=True)
            check(world, expected, await made.to_arrow(), names, known)
    await asyncio.to_thread(pyarrow.parquet.write_table, labels, tmp_path / "labels.parquet")
    places = [["--store", storage_url], ["--store", f"grpc://{online_at.address}"]]
    for place, known in zip(places, ("label", None), strict=True):
        expected = expectations[known]
        for out in ("set", "set.csv"):
            given = ["--labels", "labels.parquet", "--features", ",".join(references), "--out", out, "--overwrite"]
            options = ["--statuses", "--event-times", "--namespace", namespace, *place]
            options += ["--known-at", known] if known else []
            ran = await asyncio.to_thread(run_in, tmp_path, "dataset", "build", *given, *options)
            assert ran.code == 0, ran.err
        read = await asyncio.to_thread(pyarrow.parquet.read_table, tmp_path / "set")
        check(world, expected, read, names, known)
        check_csv(world, expected, await asyncio.to_thread(rows_of_csv, tmp_path / "set.csv"), names)
        verified = ["--rebuild", "--namespace", namespace, "--store", storage_url]
        for out in ("set", "set.csv"):
            ran = await asyncio.to_thread(run_in, tmp_path, "dataset", "verify", out, *verified)
            assert (ran.code, "values compared" in ran.err) == (0, True), ran.out + ran.err


async def define(
    client: featurama.FeatureStore, world: World, names: dict[str, str], unique: Callable[[str], str]
) -> None:
    """Entity types, groups and features of the test's own; half of the entities are registered."""
    kinds = {kind: unique(kind) for kind in ("driver", "moon")}
    for kind in kinds.values():
        await client.register_entity_type(kind)
    for group, features in FEATURES.items():
        kind, ttl = kinds[shuttles.KIND[group]], duration_text(shuttles.TTL[group])
        await client.register_feature_group(unique(group), kind, ttl=ttl, buckets=4 if group == "sky" else 1)
        for name, kind in features.items():
            references = kinds["moon"] if name == "berth" else None
            for version in (1, 2) if name in ("mood", "dust") else (1,):
                await client.register_feature(
                    names[name], kind, version=version, group=unique(group), references=references
                )
    for entity_id in world.moons[:2]:
        await client.register_entity(entity_id, kinds["moon"])


async def write_all(client: featurama.FeatureStore, world: World, names: dict[str, str]) -> None:
    """Every frame, with deletions in between: what comes later and is older stays gone."""
    for number, frame in enumerate(world.frames):
        if number == len(world.frames) // 2:
            await delete_some(client, world, names)
        report = await send(client, frame, names)
        lines = sum(len(row.values) for row in frame.rows) if frame.way == "long" else len(frame.rows)
        assert (report.accepted, report.rejected, report.unknown) == (lines, 0, 0), (frame, report)
        world.wrote(frame)


async def delete_some(client: featurama.FeatureStore, world: World, names: dict[str, str]) -> None:
    through = world.edge_of_deletion(world.drivers[0])
    await client.delete_entity(world.drivers[0], through)
    world.deleted(world.drivers[0], [], through)
    await client.delete_entity(world.drivers[1])
    world.deleted(world.drivers[1], [], world.now)
    for entity, features in ((world.drivers[2], ["berth", "points"]), (world.moons[3], ["dust", "beam"])):
        through = world.edge_of_deletion(entity)
        await client.delete_feature_values(entity, [names[each] for each in features], through)
        world.deleted(entity, features, through)


async def send(client: featurama.FeatureStore, frame: Frame, names: dict[str, str]) -> Any:
    if frame.way == "raw":
        request = raw(frame, names)
        if request.ingested_at is not None:
            event, ingested = request.event_time, request.ingested_at // 1_000
            bounds = (int(each) for each in (event.min(), event.max(), ingested.min(), ingested.max()))
            scope = ImportScope(tuple(column.name for column in request.columns), *bounds)
            request = replace(request, import_number=await client.begin_import(scope))
        return await client.write(request)
    mode = WriteMode[frame.mode]
    nulls: Any = "skip" if frame.way == "sparse" else "write"
    return await client.write_features(
        table(frame, names), frame.version, mode=mode, nulls=nulls, ingested_at_unit="ns", time_unit="us"
    )


def table(frame: Frame, names: dict[str, str]) -> dict[str, Any]:
    """A wide or a long frame."""
    rows = frame.rows
    if frame.way == "long":
        lines = [(row, name, value) for row in rows for name, value in row.values.items()]
        made: dict[str, Any] = {
            "feature_name": [names[name] for _, name, _ in lines],
            "value": [value for _, _, value in lines],
        }
        rows = [row for row, _, _ in lines]
    else:
        wide = list(dict.fromkeys(name for row in rows for name in row.values))
        made = {names[name]: [row.values.get(name) for row in rows] for name in wide}
    keys = {"entity_id": [row.entity for row in rows], "timestamp": np.array([row.time for row in rows])}
    if rows[0].ingested is not None:
        keys["ingested_at"] = np.array([row.ingested for row in rows])
    return keys | made


def raw(frame: Frame, names: dict[str, str]) -> WriteRequest:
    """Columns as they go over the wire: they can hold NaN, and leave cells out."""
    rows = frame.rows
    wide = list(dict.fromkeys(name for row in rows for name in row.values))
    imported = rows[0].ingested is not None
    return WriteRequest(
        entity_ids=[row.entity for row in rows],
        event_time=np.array([row.time for row in rows]),
        columns=[raw_column(frame, name, names[name]) for name in wide],
        mode=WriteMode[frame.mode],
        ingested_at=np.array([row.ingested for row in rows]) if imported else None,
    )


def raw_column(frame: Frame, name: str, shown: str) -> Column:
    value_type, length = parse_value_type(FEATURES[frame.group][name])
    zero: Any = {ValueType.TEXT: "", ValueType.BOOL: False, ValueType.VECTOR: [0.0] * length}.get(value_type, 0)
    values, status = [], []
    for row in frame.rows:
        value = row.values.get(name)
        values.append(zero if value is None else value)
        absent = Status.NULL_VALUE if name in row.values else Status.NOT_FOUND
        status.append(absent if value is None else Status.PRESENT)
    kinds = {ValueType.DOUBLE: np.float64, ValueType.INT: np.int64, ValueType.BOOL: np.bool_, ValueType.TEXT: object}
    array = np.array(values, dtype=kinds.get(value_type, np.float32))
    return Column(shown, value_type, array, np.array(status, np.uint8), np.zeros(len(status), np.int64), frame.version)


def label_table(world: World) -> Any:
    """The label rows with columns of their own."""
    rows = len(world.labels)
    return pa.table(
        {
            "fare": pa.array([None if row % 5 == 0 else row / 3 for row in range(rows)]),
            "entity_id": [who for who, _ in world.labels],
            "timestamp": pa.array([at for _, at in world.labels]).cast(pa.timestamp("us", "UTC")),
            "complaint": [None if row % 7 == 0 else shuttles.TEXTS[row % len(shuttles.TEXTS)] for row in range(rows)],
        }
    )


def renamed(reference: str, names: dict[str, str]) -> str:
    parts = [each.partition("@") for each in reference.split(".")]
    return ".".join(f"{names[name]}@{version}" for name, _, version in parts)


def oracle(world: World, known: Known) -> dict[str, list[Cell]]:
    """A column a reference."""
    found: dict[str, list[Cell]] = {}
    for reference in REFERENCES:
        cells = []
        for who, at in world.labels:
            said = world.read(who, reference, at, at if known == "label" else known)  # type: ignore[arg-type]
            cells.append((said.value if said.status == "PRESENT" else None, said.status, said.time))
        found[reference] = cells
    return found


def shown_as(reference: str, names: dict[str, str]) -> str:
    """The column's name: `mood@1` where two versions of it are asked for."""
    pinned = renamed(reference, names)
    twice = reference.split("@", maxsplit=1)[0] == "mood" or ".dust@" in reference
    return pinned if twice else ".".join(each.partition("@")[0] for each in pinned.split("."))


def check(world: World, expected: dict[str, list[Cell]], built: Any, names: dict[str, str], known: Known) -> None:
    """Cell for cell; the label columns are as they were, in their order."""
    labels = label_table(world)
    assert labels.column_names == built.column_names[: len(labels.column_names)]
    for name in labels.column_names:
        assert labels.column(name).to_pylist() == built.column(name).to_pylist()
    for reference, cells in expected.items():
        name = shown_as(reference, names)
        values = built.column(name).to_pylist()
        assert len(cells) == len(values)
        statuses: list[Any] = [None] * len(cells)
        times: list[Any] = [None] * len(cells)
        if f"{name}__status" in built.column_names:
            statuses = built.column(f"{name}__status").to_pylist()
            times = built.column(f"{name}__event_time").cast(pa.int64()).to_pylist()
        for row, (value, status, at) in enumerate(cells):
            good = same(value, values[row])
            if statuses[row] is not None:
                good &= (status, at) == (statuses[row], times[row])
            assert good, (world.seed, known, reference, world.labels[row], cells[row], values[row], statuses[row])


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_csv(world: World, expected: dict[str, list[Cell]], rows: list[dict[str, str]], names: dict[str, str]) -> None:
    """As another reader sees it: a null is empty, times are ISO 8601, vectors are JSON."""
    assert len(rows) == len(world.labels)
    for reference, cells in expected.items():
        name = shown_as(reference, names)
        group = next(each for each in FEATURES.values() if reference.split(".")[-1].split("@")[0] in each)
        kind = group[reference.split(".")[-1].split("@")[0]]
        for row, (value, status, _) in zip(rows, cells, strict=True):
            text = row[name]
            assert status == row[f"{name}__status"]
            if value is None:
                assert text == ""
            elif kind == "double":
                assert same(value, float(text)), (value, text)
            elif kind == "int":
                assert value == int(text)
            elif kind == "bool":
                assert str(value).lower() == text
            elif kind == "text":
                assert value == text
            else:
                assert all(math.isclose(a, b, rel_tol=1e-7) for a, b in zip(value, json.loads(text), strict=True))
