"""What do REST and Predict cost beside the reads that they make? CPU of the gateway and of the online service per call.

The gateway is measured beside its own /health, which answers from memory: the share of the HTTP framework. Predict is
measured beside GetOnlineFeatures of the features that the model reads. All take turns.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from functools import partial

import numpy as np
import xgboost

from benchmarks.pace import Figures, Pace, Target, in_turns
from benchmarks.processes import READ, load, service
from benchmarks.stores import fill
from featurama.v1 import online_service_pb2 as pb
from featurama.v1 import prediction_service_pb2 as prediction_pb
from featurama_core.storage.settings import StorageSettings
from featurama_core.stores import Stores
from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Cycle, Product, Ratio, TimePart
from featurama_model.manifest import ModelFeature, ModelManifest
from featurama_model.registry import CHAMPION, ModelRegistry

NAMES = [f"f{at}" for at in range(10)]
MODEL, PREDICT = "bench", "/featurama.v1.PredictionService/Predict"
CLIENTS = 8

TARGETS = [
    Target(f"Predict, {rows} rows: CPU over that of the same read", f"predict_{rows}.of_read", 1.5) for rows in (1, 100)
]


async def publish(url: str) -> None:
    """A model of ten features, with interactions and parts of the row's time."""
    spec = EngineeredSpec.of_features(
        NAMES,
        Product("f0_x_f1", ("f0", "f1")),
        Product("f2_x_f3", ("f2", "f3")),
        Ratio("f4_by_f5", "f4", "f5"),
        TimePart("hour", "hour_of_day"),
        Cycle("day_sin", "day", "sin"),
    )
    rng = np.random.default_rng(1)
    rows = rng.random((2_000, len(spec.columns)), dtype=np.float32)
    parameters = {"max_depth": 6, "nthread": 1, "objective": "reg:squarederror"}
    booster = xgboost.train(parameters, xgboost.DMatrix(rows, rows @ rng.random(rows.shape[1])), 100)
    features = tuple(ModelFeature(name, f"{name}@1", "double") for name in NAMES)
    manifest = ModelManifest(MODEL, "target", "thing", "reg:squarederror", features, spec)
    async with Stores.open(StorageSettings(url=url)) as stores:
        models = ModelRegistry((await stores.namespace("default")).storage)
        published = await models.publish(manifest, bytes(booster.save_raw("json")))
        await models.set_alias(MODEL, CHAMPION, published.version)


def cases() -> dict[str, tuple[str, list[bytes]]]:
    """Name -> (method of gRPC, or "" of HTTP; requests)."""
    rng = np.random.default_rng(2)
    made: dict[str, tuple[str, list[bytes]]] = {}

    def ids(rows: int) -> list[str]:
        return [f"thing_{at}" for at in rng.choice(1_000, rows, replace=False)]

    def posted(path: str, body: object) -> bytes:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
        return head.encode() + b"\r\n\r\n" + data

    def got(path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    names = ",".join(NAMES)
    made["health"] = "", [got("/health")]
    made["get_1x10"] = "", [got(f"/features/{ids(1)[0]}?feature_names={names}") for _ in range(64)]
    made["post_100x10"] = "", [posted("/features", {"entity_ids": ids(100), "feature_names": NAMES}) for _ in range(16)]
    made["post_predict"] = "", [posted(f"/models/{MODEL}/predict", {"entity_id": ids(1)[0]}) for _ in range(64)]
    for rows in (1, 100):
        some = [ids(rows) for _ in range(64)]
        read = [pb.GetOnlineFeaturesRequest(features=NAMES, entity_ids=each) for each in some]
        made[f"read_{rows}"] = READ, [each.SerializeToString() for each in read]
        for name, shown in (("predict", False), ("predict_with_features", True)):
            asked = [
                prediction_pb.PredictRequest(model=MODEL, entity_ids=each, include_features=shown) for each in some
            ]
            made[f"{name}_{rows}"] = PREDICT, [each.SerializeToString() for each in asked]
    return made


def measure(pace: Pace) -> Figures:
    """CPU per call of both services, throughput and latency of every case."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store"
        asyncio.run(fill(url))
        asyncio.run(publish(url))
        with service("online", url) as online, service("gateway", "", online=online.address, model=MODEL) as gateway:
            turns = {
                name: partial(
                    load,
                    online if method else gateway,
                    sent,
                    method=method,
                    clients=CLIENTS,
                    seconds=pace.seconds,
                    behind=None if method else online,
                )
                for name, (method, sent) in cases().items()
            }
            found: Figures = dict(in_turns(pace.rounds, turns))
    for rows in (1, 100):
        found[f"predict_{rows}"]["of_read"] = found[f"predict_{rows}"]["cpu_ms"] / found[f"read_{rows}"]["cpu_ms"]
    found["get_1x10"]["of_health"] = found["get_1x10"]["calls_per_second"] / found["health"]["calls_per_second"]
    return found
