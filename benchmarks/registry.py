"""What does a namespace with a million features cost: registering them, and a server beside them?

    python -m benchmarks.registry [--features 1000000] [--url cassandra://127.0.0.1:9042]

Features are registered 20,000 a call, in 100 groups; the seconds of the first and the last call are equal if the cost
is linear. Then a process opens the storage as a server does. Shown of it:

- seconds from its start to the answer of the first online read, and those in which it computed;
- milliseconds of a read of 100 other features, of a name that is not registered, and of pages of 1,000 features;
- the longest turn of its event loop while definitions were refreshed, after one and after 20,000 were registered by
  another process, and during the next read; the shortest of three, in CPU time of all threads of the process;
- its peak memory.

A namespace on a cluster is created and removed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import featurama
from benchmarks.pace import Figures, Pace, Target
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings
from featurama_core.store import EmbeddedStore
from featurama_core.stores import Stores
from featurama_core.types.errors import Unknown
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

TARGETS: list[Target] = []
_FEATURES = 1_000_000
_GROUPS = 100
_PER_CALL = 20_000
_REFRESHES = (1, 1, 1, _PER_CALL, _PER_CALL, _PER_CALL)
"""Features that are registered before each refresh."""


def measure(pace: Pace) -> Figures:
    """One round on SQLite, which takes minutes."""
    del pace
    return dict(asyncio.run(_embedded(_FEATURES)))


async def measured(url: str, namespace: str, features: int) -> dict[str, float]:
    """Name of a figure -> its value."""
    figures: dict[str, float] = {}
    async with featurama.connect(url, namespace=namespace) as store:
        await store.register([FeatureGroup(f"group_{number}") for number in range(_GROUPS)])
        start = time.perf_counter()
        for first in range(0, features, _PER_CALL):
            called = time.perf_counter()
            await store.register(list(_features(first, min(first + _PER_CALL, features))))
            figures["last_call_s"] = time.perf_counter() - called
            figures.setdefault("first_call_s", figures["last_call_s"])
        figures["registered_s"] = time.perf_counter() - start
        start = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "benchmarks.registry",
            "--url",
            url,
            "--features",
            str(features),
            "--serve",
            namespace,
        ]
        server = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert server.stdin is not None
        assert server.stdout is not None
        await server.stdout.readline()
        figures["start_s"] = time.perf_counter() - start
        for more in _REFRESHES:
            await server.stdout.readline()
            await store.register(list(_features(features, features + more)))
            features += more
            server.stdin.write(b"\n")
            await server.stdin.drain()
        figures |= json.loads(await server.stdout.read())
        await server.wait()
    return figures


def _features(start: int, stop: int) -> Iterator[FeatureDefinition]:
    for at in range(start, stop):
        yield FeatureDefinition(_name(at), ValueType.DOUBLE, group=f"group_{at % _GROUPS}")


def _name(at: int) -> str:
    return f"feature_{at:07}"


async def serve(url: str, namespace: str, features: int) -> dict[str, float]:
    """Figures of a server. A line is printed when it has started, and when definitions are to be registered."""
    async with Stores.open(url) as stores:
        opened = await stores.namespace(namespace)
        store = EmbeddedStore(opened)
        await store.get_online_features(["somebody"], [_name(at) for at in range(10)])
        computed = time.process_time()
        print("started", flush=True)
        others = [_name(at) for at in range(20, features, features // 100)][:100]
        figures = {
            "start_cpu_s": computed,
            "read_100_names_ms": await _milliseconds(lambda: store.get_online_features(["somebody"], others)),
            "unknown_name_ms": await _milliseconds(lambda: _unknown(store)),
            "page_ms": await _milliseconds(lambda: store.page_features(_name(features // 2), 1_000)),
            "page_of_group_ms": await _milliseconds(lambda: store.page_features(limit=1_000, group="group_7")),
        }
        for more in _REFRESHES:
            name = "refresh_turn_ms" if more == 1 else "large_refresh_turn_ms"
            print("register", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            turn = await _longest_turn(lambda: opened.registry.snapshot(fresh=True))
            figures[name] = min(figures.get(name, math.inf), turn)
            turn = await _longest_turn(lambda: store.get_online_features(["somebody"], others))
            figures[f"read_after_{name}"] = min(figures.get(f"read_after_{name}", math.inf), turn)
        figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    return figures


async def _milliseconds(call: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await call()
    return (time.perf_counter() - start) * 1_000


async def _unknown(store: EmbeddedStore) -> None:
    with suppress(Unknown):
        await store.get_online_features(["somebody"], ["featrue_0000123"])


async def _longest_turn(call: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of the longest turn of the event loop beside a call."""
    turning = asyncio.create_task(_turns())
    await asyncio.sleep(0.05)
    await call()
    await asyncio.sleep(0.05)
    turning.cancel()
    return await turning * 1_000


async def _turns() -> float:
    """Seconds of the longest turn until it is cancelled."""
    longest = 0.0
    try:
        while True:
            start = time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - start)
    except asyncio.CancelledError:
        return longest


async def _on_cluster(url: str, features: int) -> dict[str, float]:
    namespace = f"bench_{uuid.uuid4().hex[:12]}"
    async with open_storage(StorageSettings(url, request_timeout_ms=30_000)) as storage:
        await storage.create_namespace(namespace, NamespaceOptions())
        try:
            return await measured(url, namespace, features)
        finally:
            await storage.drop_namespace(namespace)


async def _embedded(features: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return await measured(f"sqlite:///{folder}", "default", features)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=_FEATURES)
    parser.add_argument("--url", help="of a cluster; default: SQLite in a temporary folder")
    parser.add_argument("--serve", metavar="NAMESPACE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        print(json.dumps(asyncio.run(serve(arguments.url, arguments.serve, arguments.features))))
        return
    wanted = _on_cluster(arguments.url, arguments.features) if arguments.url else _embedded(arguments.features)
    figures = asyncio.run(wanted)
    for name, value in figures.items():
        print(f"{name:>20} {value:10.3f}")


if __name__ == "__main__":
    main()
