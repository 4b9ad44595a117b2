"""REST and Predict: CPU per request of the gateway and of the online service, and throughput.

    python benchmarks/rest.py [--seconds 4] [--rounds 3] [--clients 8] [--against CHECKOUT] [--json FILE]

The gateway is measured beside its own /health, which answers from memory: the share of the HTTP framework. Predict is
measured beside GetOnlineFeatures of the features that the model reads. All take turns; figures are medians of the
rounds. --against: another checkout of this repository, whose services take their turns too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
from serving import _OPTIONS, cpu, fill, free_port, ready, spawn

from featurama.v1 import online_service_pb2 as pb
from featurama.v1 import prediction_service_pb2 as prediction_pb

NAMES = [f"f{at}" for at in range(10)]
MODEL = "bench"
GET, PREDICT = "/featurama.v1.OnlineService/GetOnlineFeatures", "/featurama.v1.PredictionService/Predict"


class Servers(NamedTuple):
    """The services of one interpreter, and their addresses."""

    online: subprocess.Popen[str]
    gateway: subprocess.Popen[str]
    grpc: str
    http: str


async def publish(url: str) -> None:
    """A model of ten features, with interactions and parts of the row's time."""
    import xgboost

    from featurama_core.storage.settings import StorageSettings
    from featurama_core.stores import Stores
    from featurama_model.engineered import EngineeredSpec
    from featurama_model.expressions import Cycle, Product, Ratio, TimePart
    from featurama_model.manifest import ModelFeature, ModelManifest
    from featurama_model.registry import CHAMPION, ModelRegistry

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


async def http_load(address: str, path: str, clients: int, seconds: float) -> None:
    """Send the HTTP requests of a file in turn, each client on a connection of its own, and print what came."""
    requests = [bytes.fromhex(line) for line in Path(path).read_text().split()]
    times: list[float] = []
    host, _, port = address.rpartition(":")
    end = time.perf_counter() + seconds

    async def one(at: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (begin := time.perf_counter()) < end:
            writer.write(requests[at % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(size)
            times.append(time.perf_counter() - begin)
            at += clients
        writer.close()

    await asyncio.gather(*(one(at) for at in range(clients)))
    _print(times)


async def grpc_load(method: str, address: str, path: str, clients: int, seconds: float) -> None:
    """Send the messages of a file in turn, by a number of clients, and print what came."""
    requests = [bytes.fromhex(line) for line in Path(path).read_text().split()]
    times: list[float] = []
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        call = channel.unary_unary(method)
        end = time.perf_counter() + seconds

        async def one(at: int) -> None:
            while (begin := time.perf_counter()) < end:
                await call(requests[at % len(requests)])
                times.append(time.perf_counter() - begin)
                at += clients

        await asyncio.gather(*(one(at) for at in range(clients)))
    _print(times)


def _print(times: list[float]) -> None:
    times.sort()
    print(json.dumps({"calls": len(times), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}))


def cases() -> dict[str, tuple[str, list[bytes]]]:
    """Name -> (how it is sent, requests)."""
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
    made["health"] = "http", [got("/health")]
    made["get 1x10"] = "http", [got(f"/features/{ids(1)[0]}?feature_names={names}") for _ in range(64)]
    bodies = [{"entity_ids": ids(100), "feature_names": NAMES} for _ in range(16)]
    made["post 100x10"] = "http", [posted("/features", each) for each in bodies]
    made["post predict"] = "http", [posted(f"/models/{MODEL}/predict", {"entity_id": ids(1)[0]}) for _ in range(64)]
    for rows in (1, 100):
        some = [ids(rows) for _ in range(64)]
        read = [pb.GetOnlineFeaturesRequest(features=NAMES, entity_ids=each) for each in some]
        made[f"read {rows}"] = GET, [each.SerializeToString() for each in read]
        for text, shown in (("predict", False), ("predict with features", True)):
            asked = [
                prediction_pb.PredictRequest(model=MODEL, entity_ids=ids_, include_features=shown) for ids_ in some
            ]
            made[f"{text} {rows}"] = PREDICT, [each.SerializeToString() for each in asked]
    return made


def measured(servers: Servers, kind: str, file: Path, options: argparse.Namespace) -> dict[str, float]:
    before = cpu(servers.online), cpu(servers.gateway)
    sent = ["http", servers.http] if kind == "http" else ["grpc", kind, servers.grpc]
    done = subprocess.run(
        [sys.executable, __file__, *sent, str(file), str(options.clients), str(options.seconds)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    found["online_ms"] = (cpu(servers.online) - before[0]) / found["calls"] * 1_000
    found["gateway_ms"] = (cpu(servers.gateway) - before[1]) / found["calls"] * 1_000
    found["rps"] = found["calls"] / options.seconds
    return found


@contextmanager
def started(checkout: Path, url: str) -> Iterator[Servers]:
    sources = [checkout / "libs", *(checkout / "services").iterdir()]
    path = os.pathsep.join(map(str, sources))
    with ExitStack() as ending:

        def start(module: str, **settings: str) -> subprocess.Popen[str]:
            process = spawn("-m", module, PYTHONPATH=path, **settings)
            ending.callback(process.wait)
            ending.callback(process.kill)
            return process

        online, http = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        serving = start("featurama_online", FEATURAMA_ONLINE_STORAGE=url, FEATURAMA_ONLINE_LISTEN=online)
        ready(online)
        gateway = start(
            "featurama_gateway",
            FEATURAMA_GATEWAY_ONLINE=online,
            FEATURAMA_GATEWAY_LISTEN=http,
            FEATURAMA_GATEWAY_MODEL=MODEL,
        )
        answering(http)
        yield Servers(serving, gateway, online, http)


def answering(address: str) -> None:
    host, _, port = address.rpartition(":")
    for _ in range(600):
        with suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.1)
    raise SystemExit("the gateway does not start")


def main(options: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ending:
        url = f"sqlite:///{folder}/store"
        asyncio.run(fill(url))
        asyncio.run(publish(url))
        checkouts = {"ours": Path(__file__).parents[1]} | ({"against": options.against} if options.against else {})
        servers = {name: ending.enter_context(started(each, url)) for name, each in checkouts.items()}
        rounds: dict[str, dict[str, list[dict[str, float]]]] = {}
        for _ in range(options.rounds):
            for case, (kind, requests) in cases().items():
                file = Path(folder, "requests")
                file.write_text("\n".join(each.hex() for each in requests))
                for name, each in servers.items():
                    found = rounds.setdefault(case, {}).setdefault(name, [])
                    found.append(measured(each, kind, file, options))
    for case, of_case in rounds.items():
        results[case] = {
            name: {key: statistics.median(one[key] for one in each) for key in each[0]}
            for name, each in of_case.items()
        }
    for case, of_case in results.items():
        for name, each in of_case.items():
            print(
                f"{case:24}{name:9}{each['rps']:7.0f} rps  p50 {each['p50'] * 1e3:5.1f} ms"
                f"  gateway {each['gateway_ms']:.3f} ms  online {each['online_ms']:.3f} ms",
                flush=True,
            )
    for name in checkouts:
        health, got = (results[case][name] for case in ("health", "get 1x10"))
        shares = [f"GET 1x10 against /health: {got['rps'] / health['rps']:.2f} of its rps"]
        for rows in (1, 100):
            of = {text: results[f"{text} {rows}"][name]["online_ms"] for text in ("read", "predict")}
            shares.append(f"Predict {rows} against the read: {of['predict'] / of['read']:.2f} of its CPU")
        print(f"{name}: {'; '.join(shares)}")
    return results


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        asyncio.run(http_load(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
    elif sys.argv[1:2] == ["grpc"]:
        asyncio.run(grpc_load(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), float(sys.argv[6])))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--seconds", type=float, default=4)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--clients", type=int, default=8)
        parser.add_argument("--against", type=Path)
        parser.add_argument("--json", type=Path)
        given = parser.parse_args()
        shown = main(given)
        if given.json:
            given.json.write_text(json.dumps(shown, indent=1))
