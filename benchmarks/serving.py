"""Online reads of a server beside a bare grpc.aio server that echoes the same answers: CPU per request, throughput.

    python benchmarks/serving.py [--seconds 4] [--rounds 3] [--clients 16] [--json FILE]

Server, echo and load are processes of their own. The two servers take turns; figures are medians of the rounds. CPU is
the server's own, from /proc. The share of the echo (its CPU over ours) is what machines have in common.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa

import featurama
from featurama.v1 import online_service_pb2 as pb
from featurama_core.types.writes import WriteMode

METHOD = "/featurama.v1.OnlineService/GetOnlineFeatures"
SHAPES = ((1, 10), (1, 50), (100, 10), (100, 50))
START = 1_760_000_000_000_000
_OPTIONS = [("grpc.max_receive_message_length", 1 << 26), ("grpc.max_send_message_length", 1 << 26)]


async def fill(url: str, entities: int = 1_000, features: int = 50) -> None:
    """One value of each feature of each entity."""
    rng = np.random.default_rng(1)
    async with featurama.connect(url) as store:
        await store.register_entity_type("thing")
        await store.register_feature_group("thing", "thing", ttl="3650d")
        for at in range(features):
            await store.register_feature(f"f{at}", "double", group="thing", entity_type="thing")
        frame: dict[str, Any] = {
            "entity_id": [f"thing_{at}" for at in range(entities)],
            "timestamp": pa.array(np.full(entities, START)).cast(pa.timestamp("us", "UTC")),
        }
        frame |= {f"f{at}": rng.random(entities) for at in range(features)}
        await store.write_features(pa.table(frame), mode=WriteMode.BULK)


async def echo(path: str) -> None:
    """Serve the bytes of a file, whatever is requested."""
    answer = Path(path).read_bytes()

    async def reply(_: bytes, __: Any) -> bytes:
        return answer

    server = grpc.aio.server(options=_OPTIONS)
    handler = grpc.method_handlers_generic_handler(
        "featurama.v1.OnlineService", {"GetOnlineFeatures": grpc.unary_unary_rpc_method_handler(reply)}
    )
    server.add_generic_rpc_handlers((handler,))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


async def load(address: str, path: str, clients: int, seconds: float) -> None:
    """Send the requests of a file in turn, by a number of clients, and print what came."""
    requests = [bytes.fromhex(line) for line in Path(path).read_text().split()]
    times: list[float] = []
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        call = channel.unary_unary(METHOD)
        end = time.perf_counter() + seconds

        async def one(at: int) -> None:
            while (begin := time.perf_counter()) < end:
                await call(requests[at % len(requests)])
                times.append(time.perf_counter() - begin)
                at += clients

        await asyncio.gather(*(one(at) for at in range(clients)))
    times.sort()
    shown = {"calls": len(times), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}
    print(json.dumps(shown), flush=True)


def requests(entities: int, features: int) -> list[bytes]:
    rng = np.random.default_rng(entities)
    names = [f"f{at}" for at in range(features)]
    found = []
    for _ in range(64):
        ids = [f"thing_{at}" for at in rng.choice(1_000, entities, replace=False)]
        found.append(pb.GetOnlineFeaturesRequest(features=names, entity_ids=ids).SerializeToString())
    return found


def spawn(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    )


def cpu(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(server: subprocess.Popen[str], address: str, file: Path, options: argparse.Namespace) -> dict[str, float]:
    before = cpu(server)
    done = subprocess.run(
        [sys.executable, __file__, "load", address, str(file), str(options.clients), str(options.seconds)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    found["cpu_ms"] = (cpu(server) - before) / found["calls"] * 1_000
    return found


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)


def main(options: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store"
        asyncio.run(fill(url))
        address = f"127.0.0.1:{free_port()}"
        server = spawn("-m", "featurama_online", FEATURAMA_ONLINE_STORAGE=url, FEATURAMA_ONLINE_LISTEN=address)
        try:
            ready(address)
            for entities, features in SHAPES:
                file, answer = Path(folder, "requests"), Path(folder, "answer")
                asked = requests(entities, features)
                file.write_text("\n".join(each.hex() for each in asked))
                with grpc.insecure_channel(address, options=_OPTIONS) as channel:
                    answer.write_bytes(channel.unary_unary(METHOD)(asked[0]))
                other = spawn(__file__, "echo", str(answer))
                try:
                    assert other.stdout is not None
                    echoing = f"127.0.0.1:{int(other.stdout.readline())}"
                    ready(echoing)
                    rounds: dict[str, list[dict[str, float]]] = {"ours": [], "echo": []}
                    for _ in range(options.rounds):
                        rounds["ours"].append(measured(server, address, file, options))
                        rounds["echo"].append(measured(other, echoing, file, options))
                finally:
                    other.kill()
                    other.wait()
                shown = {
                    name: {key: statistics.median(one[key] for one in each) for key in each[0]}
                    for name, each in rounds.items()
                }
                share = shown["echo"]["cpu_ms"] / shown["ours"]["cpu_ms"]
                results[f"{entities}x{features}"] = shown | {"share": share, "bytes": answer.stat().st_size}
                ours, bare = shown["ours"], shown["echo"]
                print(
                    f"{entities} x {features}: {ours['cpu_ms']:.2f} ms CPU, p50 {ours['p50'] * 1e3:.1f} ms,"
                    f" {ours['calls'] / options.seconds:.0f} rps; echo {bare['cpu_ms']:.2f} ms,"
                    f" {bare['calls'] / options.seconds:.0f} rps; share {share:.2f}",
                    flush=True,
                )
        finally:
            server.kill()
            server.wait()
    return results


if __name__ == "__main__":
    if sys.argv[1:2] == ["echo"]:
        asyncio.run(echo(sys.argv[2]))
    elif sys.argv[1:2] == ["load"]:
        asyncio.run(load(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--seconds", type=float, default=4)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--clients", type=int, default=16)
        parser.add_argument("--json", type=Path)
        given = parser.parse_args()
        found = main(given)
        if given.json:
            given.json.write_text(json.dumps(found, indent=1))
