"""`python -m benchmarks.load FILE`: the load of one point, as a process of its own; prints its figures as JSON.

The file is JSON. address, requests (hexadecimal) and watched, a process by the name of the figure that its CPU is, are
required; then

- method: of gRPC; "" sends the requests as they are to an HTTP server;
- clients and seconds of a closed loop; rate of an open one; seconds 0 sends every request once;
- connections: channels of the clients; the kernel gives each to one worker of a server;
- metadata: of every gRPC call.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks.pace import Figures
from benchmarks.processes import OPTIONS, READ, cpu_seconds
from featurama_cli.bench.load import Call, Load, closed_loop, open_loop


async def main(given: dict[str, Any]) -> Figures:
    """The figures of a load."""
    requests = [bytes.fromhex(each) for each in given["requests"]]
    clients, seconds, watched = given["clients"], given["seconds"], given["watched"]
    calling = grpc_calls if given.get("method", READ) else http_calls
    async with calling(given, requests) as call:
        if seconds:
            # Connections and the plans of the server are made before the clock starts.
            await asyncio.gather(*(call(number) for number in range(clients)))
        before = {name: cpu_seconds(pid) for name, pid in watched.items()}
        if "rate" in given:
            load = await open_loop(call, rate=given["rate"], seconds=seconds)
        elif seconds:
            load = await closed_loop(call, clients=clients, seconds=seconds)
        else:
            load = await each_once(call, clients, len(requests))
        used = {name: cpu_seconds(pid) - before[name] for name, pid in watched.items()}
    calls = max(1, len(load.latencies))
    costs = {name: seconds / calls * 1_000 for name, seconds in {**used, "generator_cpu_ms": load.cpu}.items()}
    return load.figures() | costs


async def each_once(call: Call, clients: int, requests: int) -> Load:
    """Every request once, by some clients."""
    load, left = Load(), iter(range(requests))
    began, cpu = time.perf_counter(), time.process_time()

    async def client() -> None:
        for number in left:
            due = time.perf_counter()
            await call(number)
            load.latencies.append(time.perf_counter() - due)

    await asyncio.gather(*(client() for _ in range(clients)))
    load.seconds, load.cpu = time.perf_counter() - began, time.process_time() - cpu
    return load


@asynccontextmanager
async def grpc_calls(given: dict[str, Any], requests: Sequence[bytes]) -> AsyncIterator[Call]:
    """Calls of a method, as bytes."""
    metadata = tuple(given.get("metadata", {}).items())
    options = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
    async with AsyncExitStack() as opened:
        channels = [
            await opened.enter_async_context(grpc.aio.insecure_channel(given["address"], options=options))
            for _ in range(given.get("connections", 1))
        ]
        calls = [channel.unary_unary(given.get("method", READ)) for channel in channels]

        async def call(number: int) -> None:
            await calls[number % len(calls)](requests[number % len(requests)], metadata=metadata)

        yield call


@asynccontextmanager
async def http_calls(given: dict[str, Any], requests: Sequence[bytes]) -> AsyncIterator[Call]:
    """HTTP/1.1 requests, as bytes, on connections that are kept."""
    host, _, port = given["address"].rpartition(":")
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(number: int) -> None:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(host, int(port))
        writer.write(requests[number % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head[:16]:
            raise RuntimeError(head.decode("latin-1"))
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        idle.append((reader, writer))

    yield call
    for _, writer in idle:
        writer.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))))
