"""Ray Data: make data in parallel, build a training set of any size by many tasks, write Parquet, CSV and Arrow.

`connected()` starts a small Ray on this machine; `connected("address")` uses a cluster. Needs the extra `ray`.
"""

import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.feather
import ray

from featurama import connect
from featurama_cli.world_writing import write_world
from featurama_trainer import ray as on_ray
from featurama_world import DELIVERY_METRICS, WorldConfig, generate

CONFIG = WorldConfig(deliveries=int(sys.argv[1]) if len(sys.argv) > 1 else 5_000, days=30)


async def fill(url: str) -> None:
    async with connect(url) as store:
        written = await write_world(store, generate(CONFIG))
    print(f"The store holds {written.values:,} values")


async def in_one_process(url: str, labels: pa.Table) -> pa.Table:
    async with connect(url) as store:
        rows = await store.training_set(labels, service="delivery_time")
        return await rows.to_arrow()


def main(folder: Path) -> None:
    url = f"sqlite:///{folder}/store"
    asyncio.run(fill(url))
    with on_ray.connected(num_cpus=2):
        # Every task makes a range of rows by itself: the same rows, however many tasks there are.
        began = time.perf_counter()
        made = on_ray.generate(CONFIG, DELIVERY_METRICS, rows_a_task=CONFIG.deliveries // 4)
        made.write_parquet(str(folder / "made"))
        print(f"Made {made.count():,} deliveries in parallel: {time.perf_counter() - began:.1f} s")
        on_ray.generate_labels(CONFIG).write_parquet(str(folder / "labels"))

        # Lazy: nothing of the store's history is read before the rows are asked for.
        began = time.perf_counter()
        rows = on_ray.training_set(url, folder / "labels", service="delivery_time", tasks=4).materialize()
        print(f"Joined {rows.count():,} label rows in 4 buckets: {time.perf_counter() - began:.1f} s")
        print(rows.take_batch(3, batch_format="pandas").to_string(index=False))

        rows.write_parquet(str(folder / "set"))
        rows.write_csv(str(folder / "set-csv"))
        table = pa.concat_tables(ray.get(rows.to_arrow_refs()))
        pyarrow.feather.write_feather(table, folder / "set.arrow")
        for name in ("set", "set-csv", "set.arrow"):
            files = [each for each in [folder / name, *folder.glob(f"{name}/*")] if each.is_file()]
            print(f"  {name:9} {len(files)} file(s), {sum(each.stat().st_size for each in files):,} bytes")

        hours = on_ray.history(url, ["traffic_level"]).to_pandas()
        print(f"Mean traffic over {len(hours):,} readings: {hours['traffic_level'].mean():.3f}")

    labels = pa.concat_tables(generate(CONFIG).labels())
    print("The same rows, in the same order:", table.equals(asyncio.run(in_one_process(url, labels))))


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        main(Path(temporary))
