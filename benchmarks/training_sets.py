"""A training set of many label rows over a long history, beside polars' join_asof on the same arrays.

    python benchmarks/training_sets.py fill  --storage sqlite:///big --values 10000000
    python benchmarks/training_sets.py build --storage sqlite:///big --labels 1000000
    python benchmarks/training_sets.py polars --storage sqlite:///big --labels 1000000

Ten doubles an event, in one group; 20,000 entities; event times over 120 days. `build` and `polars` print seconds,
seconds of CPU and the peak RSS of their process; polars reads the history from a Parquet file that `fill` wrote beside
the store.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

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
    print(f"fill {values:,} values: {time.perf_counter() - began:.1f} s")


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
    return Path(
        storage.removeprefix("sqlite:///").replace("://", "-").replace("/", "-").replace(":", "-") + "-history.parquet"
    )


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
    folder = Path(tempfile.mkdtemp(dir="."))
    try:
        path = label_file(folder, labels)
        stages: dict[str, Progress] = {}
        began = time.perf_counter()
        async with connect(storage) as store:
            made = await store.training_set(path, NAMES, memory=memory, strategy=strategy)
            manifest = await made.write(folder / "set", progress=lambda each: stages.update({each.stage: each}))
        seconds = time.perf_counter() - began
        stages_of = ", ".join(f"{each.stage} {each.seconds:.1f} s ({each.values:,} values)" for each in stages.values())
        used = f"{seconds:.1f} s, {cpu():.1f} s CPU, peak {peak()} MiB"
        print(f"build {manifest.rows:,} rows, {strategy}: {used}; {stages_of}")
        print({each["name"]: each["nulls"] for each in manifest.features[:2]}, len(manifest.files), "files")
    finally:
        shutil.rmtree(folder)


def with_polars(storage: str, labels: int) -> None:
    import polars as pl

    folder = Path(tempfile.mkdtemp(dir="."))
    try:
        path = label_file(folder, labels)
        began = time.perf_counter()
        history = pl.read_parquet(history_file(storage)).sort("event_time")
        rows = pl.read_parquet(path).with_row_index().with_columns(event_time=pl.col("timestamp").cast(pl.Int64))
        joined = rows.sort("event_time").join_asof(history, on="event_time", by="entity_id").sort("index")
        joined.write_parquet(folder / "set.parquet")
        print(f"polars {len(joined):,} rows: {time.perf_counter() - began:.1f} s, {cpu():.1f} s CPU, peak {peak()} MiB")
        print({name: joined[name].null_count() for name in NAMES[:2]})
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
