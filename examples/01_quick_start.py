"""Quick start: define a feature, write it, read it now and as it was. Embedded: no server, no settings."""

import asyncio
from tempfile import TemporaryDirectory

from featurama import connect


async def main(folder: str) -> None:
    async with connect(f"sqlite:///{folder}") as store:
        await store.register_feature("traffic_level", "double", "0 is empty, 1 is a standstill")
        readings = {
            "entity_id": ["planet_mars", "planet_mars", "planet_omicron_persei_8"],
            "timestamp": ["2026-01-01T08:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"],
            "traffic_level": [0.2, 0.7, 0.9],
        }
        report = await store.write_features(readings)
        print(f"{report.accepted} rows accepted\n")

        planets = ["planet_mars", "planet_omicron_persei_8", "planet_nowhere"]
        now = await store.get_online_features(planets, ["traffic_level"])
        print("Now:", now.to_pandas(statuses=True), sep="\n")

        then = await store.get_historical_features(planets, ["traffic_level"], timestamp="2026-01-01T09:00:00Z")
        print("\nAt nine in the morning:", then.to_pandas(statuses=True).drop(columns="timestamp"), sep="\n")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(folder))
