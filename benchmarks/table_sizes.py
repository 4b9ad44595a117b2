"""How many bytes does a value take in each table? Doubles that do not compress, 10 and 50 features per row.

    python -m benchmarks.table_sizes                       SQLite
    python -m benchmarks.table_sizes --url cassandra://127.0.0.1:9042 --data DIR

A node with its files in DIR is `python -m tests.cql_server --data DIR`. The figures are the source of the cost model of
`featurama capacity` (`featurama_cli.capacity.costs`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
import uuid
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

import featurama
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode

START, HOUR = 1_760_000_000_000_000, 3_600_000_000
SHAPES = {10: 60_000, 50: 12_000}
"""Features -> rows."""

ENTITIES = 300
PREFIX = "sizes_"


async def fill(url: str, namespace: str, features: int, rows: int, form: str) -> None:
    """Hourly events of every entity."""
    rng = np.random.default_rng(1)
    async with featurama.connect(url, namespace=namespace) as store:
        await store.register_entity_type("thing")
        packed = {"history": form} if form == "packed" else {}
        names = [f"f{at}" for at in range(features)]
        await store.register([FeatureGroup("all", "thing", **packed)])
        await store.register(
            [FeatureDefinition(name, ValueType.DOUBLE, group="all", entity_type="thing") for name in names]
        )
        at = np.arange(rows)
        frame = {
            "entity_id": [f"thing_{each % ENTITIES:08}" for each in at.tolist()],
            "timestamp": pa.array(START + at // ENTITIES * HOUR).cast(pa.timestamp("us", "UTC")),
        }
        frame |= {name: rng.random(rows) for name in names}
        report = await store.write_features(pa.table(frame), mode=WriteMode.BULK, batch_size=2_000)
        assert report.accepted == rows, report.verdicts[:1]


def on_sqlite(features: int, rows: int) -> dict[str, float]:
    """Bytes per value of the pages of each table; `feature_latest` per newest value."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(f"sqlite:///{folder}/store", "default", features, rows, "rows"))
        with closing(sqlite3.connect(Path(folder, "store", "default.db"))) as file:
            size = dict(file.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall())
    return {
        "feature_history": size["feature_history"] / (rows * features),
        "feature_latest": size["feature_latest"] / (ENTITIES * features),
    }


async def on_cql(url: str, data: Path, features: int, rows: int, form: str) -> dict[str, float]:
    """Bytes per value of the data files of each table, with their indices."""
    namespace = f"n{uuid.uuid4().hex[:12]}"
    url = f"{url}/?keyspace_prefix={PREFIX}"
    async with open_storage(StorageSettings(url, request_timeout_ms=60_000)) as storage:
        await storage.create_namespace(namespace, NamespaceOptions())
        try:
            await fill(url, namespace, features, rows, form)
            return await asyncio.to_thread(sizes, url, data, namespace, features, rows)
        finally:
            await storage.drop_namespace(namespace)


def sizes(url: str, data: Path, namespace: str, features: int, rows: int) -> dict[str, float]:
    """Flush the tables by their own setting, and weigh their files when they no longer change."""
    keyspace = data / "data" / f"{PREFIX}{namespace}"
    found: dict[str, float] = {}
    tables = {each.name.rpartition("-")[0]: each for each in keyspace.iterdir()}
    asyncio.run(flushed(url, f"{PREFIX}{namespace}", list(tables)))
    before: dict[str, int] = {}
    while (now := {name: weight(folder) for name, folder in tables.items()}) != before or not any(now.values()):
        before = now
        time.sleep(10)
    for name, size in now.items():
        if name.startswith("feature_values") and size > rows:
            found[name] = size / (rows * features)
    return found | {"feature_latest": now["feature_latest"] / (ENTITIES * features)}


def weight(folder: Path) -> int:
    """Bytes of the files of a table."""
    return sum(each.stat().st_size for each in folder.glob("*-big-*.*")) + sum(
        each.stat().st_size for each in folder.glob("*-bti-*.*")
    )


async def flushed(url: str, keyspace: str, tables: list[str]) -> None:
    """Let the server write its memory tables every second."""
    import acsylla

    host, _, port = url.split("://")[1].partition("/")[0].partition(":")
    cluster = acsylla.create_cluster([host], port=int(port))
    session = await cluster.create_session()
    for table in tables:
        if table.startswith("feature_"):
            await session.execute(
                acsylla.create_statement(f"ALTER TABLE {keyspace}.{table} WITH memtable_flush_period_in_ms = 1000")
            )
    await session.close()


def main() -> None:
    """Print JSON: storage, form of the history and features -> table -> bytes per value."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table_sizes", description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    for features, rows in SHAPES.items():
        if given.url is None:
            print(json.dumps({f"sqlite, {features} features": on_sqlite(features, rows)}), flush=True)
            continue
        for form in ("rows", "packed"):
            found = asyncio.run(on_cql(given.url, given.data, features, rows, form))
            print(json.dumps({f"cql, {form}, {features} features": found}), flush=True)


if __name__ == "__main__":
    main()
