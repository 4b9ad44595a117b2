"""How fast are training sets of many label rows over a long history, beside polars' join_asof on the same arrays?

    python -m benchmarks.training_sets fill  --storage sqlite:///big --values 10000000
    python -m benchmarks.training_sets build --storage sqlite:///big --labels 1000000
    python -m benchmarks.training_sets polars --storage sqlite:///big --labels 1000000

Ten doubles per event, in one group; 20,000 entities; event times over 120 days. `build` and `polars` print seconds, of
CPU too, and the peak RSS of their process as JSON, from label rows to a Parquet file; polars reads the history from a
Parquet file that `fill` wrote beside the store. `measure` runs them in turns, each as a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks.pace import Figures, Pace, Target, in_turns
from featurama import connect
from featurama_core.datasets.progress import Progress
from featurama_core.storage.layouts import Layout
from featurama_core.storage.packed_cell import pack
from featurama_core.storage.records import CellRun, WriteBatch
from featurama_core.store import EmbeddedStore
from featurama_core.stores import open_stores
from featurama_core.types.column import column_of
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import Outcome, StoredColumn, WriteMode

FEATURES, ENTITIES, BATCH = 10, 20_000, 10_000
NAMES = [f"f{number}" for number in range(FEATURES)]
START, SPAN = 1_760_000_000_000_000, 120 * 86_400_000_000
GROUP = FeatureGroup("bench")
LABEL_ROWS = 100_000

TARGETS = [Target("100 k label rows x 10 features over 100 M values", "values_100m.ours.seconds", 8.0, unit="s")]


def measure(pace: Pace) -> Figures:
    """100 k label rows over 1 M events of 10 values; with `large`, also over 10 M events."""
    return {
        f"values_{millions}m": over(millions * 1_000_000, pace.rounds)
        for millions in (10, *((100,) if pace.large else ()))
    }


def over(values: int, rounds: int) -> Figures:
    """Seconds and peak memory over a history of some values."""
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/store"
        ran("fill", storage, "--values", str(values))
        turns = {
            "ours": partial(built, storage, LABEL_ROWS),
            "polars": partial(ran, "polars", storage, "--labels", str(LABEL_ROWS)),
        }
        found: Figures = dict(in_turns(rounds, turns))
    found["of_polars"] = found["ours"]["seconds"] / found["polars"]["seconds"]
    found["rows_per_second"] = LABEL_ROWS / found["ours"]["seconds"]
    return found


def built(storage: str, labels: int) -> Figures:
    """One build, by a process of its own."""
    return ran("build", storage, "--labels", str(labels))


def ran(what: str, storage: str, *more: str) -> Figures:
    """What a command of this module prints."""
    command = [sys.executable, "-m", "benchmarks.training_sets", what, "--storage", storage, *more]
    found: Figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return found


async def fill(storage: str, values: int) -> None:
    rng = np.random.default_rng(1)
    rows = values // FEATURES
    began = time.perf_counter()
    async with open_stores(storage) as stores:
        namespace = await stores.namespace()
        store = EmbeddedStore(namespace)
        await store.register_feature_group("bench")
        definitions = [await store.register_feature(name, "double", group="bench") for name in NAMES]
        layout = Layout.of(definitions)
        await namespace.storage.put_layouts([layout])
        path = history_file(storage)
        schema = pa.schema(
            [("entity_id", pa.string()), ("event_time", pa.int64())] + [(n, pa.float64()) for n in NAMES]
        )
        with pyarrow.parquet.ParquetWriter(path, schema) as history:
            for first in range(0, rows, BATCH):
                batch, table = make_batch(rng, first, min(BATCH, rows - first), rows, definitions, layout)
                outcomes = await namespace.storage.write(batch, WriteMode.BULK)
                assert (outcomes == Outcome.ACCEPTED).all()
                history.write_table(table.cast(schema))
    print(json.dumps({"seconds": time.perf_counter() - began}))


def make_batch(
    rng: np.random.Generator, first: int, count: int, rows: int, definitions: list[FeatureDefinition], layout: Layout
) -> tuple[WriteBatch, Any]:
    """Events in the order of time."""
    at = np.arange(first, first + count, dtype=np.int64)
    event_time = START + at * (SPAN // rows)
    entity = rng.integers(0, ENTITIES, count)
    columns = [column_of(each.name, ValueType.DOUBLE, rng.random(count), version=1) for each in definitions]
    cells = pack(layout, columns, event_time, event_time * 1_000)
    run = CellRun(GROUP, layout, np.arange(count, dtype=np.int64), cells)
    ids = [f"delivery_{each:08}" for each in entity.tolist()]
    stored = [StoredColumn(each, GROUP, column) for each, column in zip(definitions, columns, strict=True)]
    batch = WriteBatch(ids, event_time, event_time * 1_000, stored, [run])
    table = {"entity_id": ids, "event_time": event_time} | {column.name: column.values for column in columns}
    return batch, pa.table(table)


def history_file(storage: str) -> Path:
    if storage.startswith("sqlite:///"):
        return Path(storage.removeprefix("sqlite:///") + "-history.parquet")
    return Path(storage.replace("://", "-").replace("/", "-").replace(":", "-") + "-history.parquet")


def label_file(folder: Path, labels: int) -> Path:
    rng = np.random.default_rng(2)
    path = folder / "labels.parquet"
    with pyarrow.parquet.ParquetWriter(path, LABELS) as writer:
        for first in range(0, labels, 1_000_000):
            count = min(1_000_000, labels - first)
            ids = pa.array([f"delivery_{each:08}" for each in rng.integers(0, ENTITIES, count).tolist()])
            times = pa.array(START + rng.integers(0, SPAN, count)).cast(pa.timestamp("us", "UTC"))
            writer.write_table(pa.table([ids, times, pa.array(rng.random(count))], schema=LABELS))
    return path


LABELS = pa.schema([("entity_id", pa.string()), ("timestamp", pa.timestamp("us", "UTC")), ("label", pa.float64())])


async def build(storage: str, labels: int, memory: str, strategy: Any) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        path = label_file(folder, labels)
        stages: dict[str, Progress] = {}
        began = time.perf_counter()
        async with connect(storage) as store:
            made = await store.training_set(path, NAMES, memory=memory, strategy=strategy)
            manifest = await made.write(folder / "set", progress=lambda each: stages.update({each.stage: each}))
        seconds = time.perf_counter() - began
        assert manifest.rows == labels
        shown = {f"{each.stage}_seconds": each.seconds for each in stages.values()}
        print(
            json.dumps(
                {
                    "seconds": seconds,
                    "cpu_s": cpu(),
                    "peak_mib": peak(),
                    "nulls": manifest.features[0]["nulls"],
                    **shown,
                }
            )
        )
    finally:
        shutil.rmtree(folder)


def with_polars(storage: str, labels: int) -> None:
    import polars as pl

    folder = Path(tempfile.mkdtemp())
    try:
        path = label_file(folder, labels)
        began = time.perf_counter()
        history = pl.read_parquet(history_file(storage)).sort("event_time")
        rows = pl.read_parquet(path).with_row_index().with_columns(event_time=pl.col("timestamp").cast(pl.Int64))
        joined = rows.sort("event_time").join_asof(history, on="event_time", by="entity_id").sort("index")
        joined.write_parquet(folder / "set.parquet")
        seconds = time.perf_counter() - began
        print(
            json.dumps({"seconds": seconds, "cpu_s": cpu(), "peak_mib": peak(), "nulls": joined[NAMES[0]].null_count()})
        )
    finally:
        shutil.rmtree(folder)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["fill", "build", "polars"])
    parser.add_argument("--storage", default="sqlite:///big")
    parser.add_argument("--values", type=int, default=10_000_000)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--strategy", default="auto")
    given = parser.parse_args()
    if given.what == "fill":
        asyncio.run(fill(given.storage, given.values))
    elif given.what == "build":
        asyncio.run(build(given.storage, given.labels, given.memory, given.strategy))
    else:
        with_polars(given.storage, given.labels)


if __name__ == "__main__":
    main()
