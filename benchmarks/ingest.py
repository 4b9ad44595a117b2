"""How near is ingest over gRPC to the storage? SQLite, durable, 20 doubles per row, 1,000 rows per request.

The yardstick is sqlite3 alone: executemany of the very rows that the requests had stored, in the same tables, with a
transaction per 8,000 rows, as many as are in flight, and the same synchronisation. Client and server of ours are
processes of their own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.pace import Figures, Pace, Target, medians
from benchmarks.processes import load, service
from benchmarks.stores import HOUR, START, fill
from featurama.v1 import columns_pb2
from featurama.v1 import ingest_service_pb2 as pb

METHOD = "/featurama.v1.IngestService/WriteFeatures"
ENTITIES, FEATURES, ROWS, REQUESTS = 1_000, 20, 1_000, 100
CLIENTS = 8
TABLES = {
    "feature_history": "INSERT INTO feature_history VALUES (?, ?, ?, ?, ?, ?, ?)",
    "feature_latest": "INSERT INTO feature_latest VALUES (?, ?, ?, ?) ON CONFLICT (entity, layout) DO UPDATE SET "
    "timestamp = excluded.timestamp, cell = excluded.cell WHERE excluded.timestamp > timestamp",
}

TARGETS = [Target("ingest over gRPC, 20 features per row: values/s over those of sqlite3", "share", 0.6, True)]


def measure(pace: Pace) -> Figures:
    """Values per second of ours and of sqlite3, and their ratio, of every round; medians."""
    return medians([one_round(number) for number in range(pace.rounds)])


def one_round(number: int) -> Figures:
    """A new store per round."""
    values = REQUESTS * ROWS * FEATURES
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store"
        asyncio.run(fill(url, entities=ENTITIES, features=FEATURES, events=1))
        with service("ingest", url, purge_interval_ms=0) as server:
            done = load(server, requests(number), method=METHOD, clients=CLIENTS)
        raw = sqlite_alone(Path(folder, "store", "default.db"), Path(folder, "raw.db"))
    ours = values / done["seconds"]
    return {
        "values_per_second": ours,
        "sqlite_values_per_second": raw,
        "share": ours / raw,
        "cpu_ms_per_1000_rows": done["cpu_ms"],
        "generator_cpu_ms_per_1000_rows": done["generator_cpu_ms"],
        "p50_ms": done["p50_ms"],
        "p99_ms": done["p99_ms"],
    }


def requests(seed: int) -> list[bytes]:
    """Request n has the next event of every entity."""
    rng = np.random.default_rng(seed)
    ids = [f"thing_{at}" for at in range(ENTITIES)]
    return [
        pb.WriteFeaturesRequest(
            mode=pb.WRITE_MODE_ATOMIC,
            entity_ids=ids,
            event_time_us=[START + (1 + at) * HOUR] * ROWS,
            columns=[
                columns_pb2.Column(
                    name=f"f{each}",
                    value_type=columns_pb2.VALUE_TYPE_DOUBLE,
                    double_values=rng.random(ROWS).tolist(),
                )
                for each in range(FEATURES)
            ],
        ).SerializeToString()
        for at in range(REQUESTS)
    ]


def sqlite_alone(written: Path, path: Path) -> float:
    """Values per second of executemany of the rows of a store, in the order of their event times."""
    with closing(sqlite3.connect(written)) as source, closing(sqlite3.connect(path, isolation_level=None)) as raw:
        schema = [
            source.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0] for name in TABLES
        ]
        page_size = source.execute("PRAGMA page_size").fetchone()[0]
        rows = source.execute("SELECT * FROM feature_history ORDER BY timestamp, entity").fetchall()[ENTITIES:]
        assert len(rows) == REQUESTS * ROWS
        for statement in (f"PRAGMA page_size = {page_size}", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"):
            raw.execute(statement)
        for statement in schema:
            raw.execute(statement)
        began = time.perf_counter()
        for first in range(0, len(rows), CLIENTS * ROWS):
            some = rows[first : first + CLIENTS * ROWS]
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(TABLES["feature_history"], some)
            raw.executemany(TABLES["feature_latest"], [(each[2], each[5], each[3], each[6]) for each in some])
            raw.execute("COMMIT")
        return REQUESTS * ROWS * FEATURES / (time.perf_counter() - began)
