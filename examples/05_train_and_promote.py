"""Train two models, compare them on the same later deliveries, promote the better one, predict, roll back.

A version never changes; an alias (`champion`, `challenger`) names one, and servers follow it within seconds.
"""

import asyncio
from tempfile import TemporaryDirectory

from featurama import connect
from featurama_cli.servers import Ports, all_servers
from featurama_cli.session import storage_options
from featurama_cli.world_writing import write_world
from featurama_core.store import EmbeddedStore
from featurama_core.stores import open_stores
from featurama_trainer.config import TrainingConfig
from featurama_trainer.training import train
from featurama_world import WorldConfig, generate, training_path

DELIVERY = "delivery_00000800"
FULL = TrainingConfig.from_file(training_path())  # all features of the service `delivery_time`, with interactions
PLAIN = TrainingConfig(
    model=FULL.model, labels=FULL.labels, features=("distance", "package_weight"), baseline=FULL.baseline, rounds=100
)


async def main(folder: str) -> None:
    url = f"sqlite:///{folder}"
    async with open_stores(url) as stores:
        namespace = await stores.namespace()
        await write_world(EmbeddedStore(namespace), generate(WorldConfig(deliveries=1_000, days=30)))
        first = await train(namespace, PLAIN, alias="champion")
        second = await train(namespace, FULL, alias="challenger")

        print("                               MAE (h)      R2")
        print(f"the schedule's estimate        {second.baseline['mae']:7.3f} {second.baseline['r2']:7.3f}")
        for report in (first, second):
            manifest = report.manifest
            name = f"{manifest.name} {manifest.version} ({report.promoted_to})"
            print(f"{name:30} {report.test['mae']:7.3f} {report.test['r2']:7.3f}")
        print("\nWhat the challenger looks at:")
        for column, share in sorted(second.importance.items(), key=lambda each: -each[1])[:5]:
            print(f"  {share:5.1%}  {column}")

        async with (
            all_servers(storage_options(url), Ports(0, 0, 0), print, log_level="error") as at,
            connect(f"grpc://{at.online}?ingest={at.ingest}") as store,
        ):
            print(f"\n{DELIVERY} in hours:")
            for alias in ("champion", "challenger"):
                made = await store.predict([DELIVERY], model="delivery_time", alias=alias)
                print(f"  {alias:10} (version {made.version}) predicts {made.values[0]:.2f}")
            heavy = await store.predict([DELIVERY], {"distance": 5000.0}, model="delivery_time", alias="challenger")
            print(f"  challenger, were it 5,000 million km away: {heavy.values[0]:.2f}")
            actual = (await store.get_online_features([DELIVERY], ["actual_duration"])).to_dict()
            print(f"  it took {actual['actual_duration'][0]:.2f}")

            if second.test["mae"] < first.test["mae"]:
                # Tried before the alias moves; refused if others moved it meanwhile.
                better, old = second.manifest.version, first.manifest.version
                moved = await store.set_alias("delivery_time", "champion", better, expected_version=old)
                print(f"\nPromoted: champion is now version {moved.version}")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(folder))
