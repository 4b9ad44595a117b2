"""The REST gateway with httpx: health, features, predictions, batches, errors. Swagger UI is at /docs."""

import asyncio
import json
from tempfile import TemporaryDirectory

import httpx

from featurama_cli.servers import Ports, all_servers
from featurama_cli.session import storage_options
from featurama_cli.world_writing import write_world
from featurama_core.store import EmbeddedStore
from featurama_core.stores import open_stores
from featurama_trainer.config import TrainingConfig
from featurama_trainer.training import train
from featurama_world import WorldConfig, generate, training_path


def show(title: str, response: httpx.Response) -> None:
    """A response, as it came."""
    print(f"\n{title}\n{response.request.method} {response.request.url.raw_path.decode()} -> {response.status_code}")
    print(json.dumps(response.json(), indent=2))


async def main(folder: str) -> None:
    url = f"sqlite:///{folder}"
    async with open_stores(url) as stores:
        namespace = await stores.namespace()
        await write_world(EmbeddedStore(namespace), generate(WorldConfig(deliveries=300, days=10)))
        await train(namespace, TrainingConfig.from_file(training_path()))

    async with (
        all_servers(storage_options(url), Ports(0, 0, 0), print, log_level="error") as at,
        httpx.AsyncClient(base_url=f"http://{at.gateway}", timeout=30) as http,
    ):
        show("Is it well?", await http.get("/health"))
        show(
            "Two features of a planet",
            await http.get("/features/planet_mars", params={"feature_names": "traffic_level,weather_index"}),
        )
        show(
            "How long will this delivery take?", await http.post("/predict", json={"delivery_id": "delivery_00000001"})
        )
        show(
            "And if it weighed 250 kg?",
            await http.post(
                "/predict", json={"delivery_id": "delivery_00000001", "features": {"package_weight": 250.0}}
            ),
        )
        show(
            "The same of any model, by its name and an alias",
            await http.post(
                "/models/delivery_time/predict",
                params={"alias": "champion"},
                json={"entity_id": "delivery_00000001"},
            ),
        )
        batch = await http.post("/features/batch", json=["delivery_00000002", "delivery_of_nothing"])
        show("Many at once; one that is unknown fails alone", batch)
        show(
            "Features of many entities, in columns",
            await http.post(
                "/features", json={"entity_ids": ["planet_mars", "planet_earth"], "feature_names": ["traffic_level"]}
            ),
        )
        show("An error is a problem document", await http.get("/features/planet_nowhere"))


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(folder))
