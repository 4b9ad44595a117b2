"""Online serving over gRPC: the ingest and online services on free ports, an asynchronous store, and its blocking form.

In production the services are containers of their own (`docker compose up`); here they share this process.
"""

import asyncio
import statistics
import time
from tempfile import TemporaryDirectory

from featurama import connect, sync
from featurama_cli.servers import Addresses, Ports, all_servers
from featurama_cli.session import storage_options
from featurama_cli.world_writing import write_world
from featurama_world import WorldConfig, generate

FEATURES = ["distance", "package_weight", "hazard_level", "destination", "destination.traffic_level"]


async def asynchronously(at: Addresses) -> None:
    """What a service does: many reads at once on one channel."""
    async with connect(f"grpc://{at.online}?ingest={at.ingest}") as store:
        written = await write_world(store, generate(WorldConfig(deliveries=500, days=10)))
        print(f"Ingested {written.values:,} values over gRPC in {written.seconds:.1f} s\n")

        ids = [f"delivery_{number:08}" for number in range(1, 4)]
        answer = await store.get_online_features(ids, FEATURES)
        print(answer.to_pandas().to_string(index=False))

        reads = [store.get_online_features([f"delivery_{number:08}"], FEATURES) for number in range(1, 101)]
        began = time.perf_counter()
        answers = await asyncio.gather(*reads)
        print(f"\n{len(answers)} reads at once: {1_000 * (time.perf_counter() - began):.0f} ms")


def in_blocking_code(at: Addresses) -> None:
    """What a notebook or a script does: the same methods without `await`."""
    with sync.connect(f"grpc://{at.online}?ingest={at.ingest}") as store:
        took = []
        for number in range(1, 101):
            began = time.perf_counter()
            store.get_online_features([f"delivery_{number:08}"], FEATURES)
            took.append(time.perf_counter() - began)
        print(f"100 reads one after another: p50 {1_000 * statistics.median(took):.1f} ms each")

        store.write_features(
            {"entity_id": ["planet_mars"], "timestamp": ["2026-01-02T00:00:00Z"], "traffic_level": [0.99]}
        )
        fresh = store.get_online_features(["planet_mars"], ["traffic_level"]).to_dict()
        print(f"Traffic of Mars, written a moment ago: {fresh['traffic_level'][0]}")


async def main(folder: str) -> None:
    async with all_servers(storage_options(f"sqlite:///{folder}"), Ports(0, 0, 0), print, log_level="error") as at:
        print(f"Serving: online {at.online}, ingest {at.ingest}")
        await asynchronously(at)
        await asyncio.to_thread(in_blocking_code, at)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(folder))
