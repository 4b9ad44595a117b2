"""How near are online reads on a CQL server to gRPC and the driver alone? One node, on the same cores.

The server is that of FEATURAMA_TEST_CQL, or an Apache Cassandra that is started as the tests do; without Java and Maven
nothing is measured. Bare reads are the same statement by acsylla alone, on uvloop, of the same entities.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvloop
from tests.cql_server.endpoint import ENDPOINT_VARIABLE, CqlEndpoint

from benchmarks.pace import Figures, Pace, Target, in_turns
from benchmarks.processes import READ, call, echo, load, program, service
from benchmarks.stores import fill, reads
from featurama_core.storage.open import open_storage
from featurama_core.storage.settings import StorageSettings

CELLS = "SELECT layout_id, packed FROM ks.feature_latest WHERE entity_id = ?"
AT_ONCE = (16, 64, 128)
"""Bare reads under way; the best of these counts."""

TARGETS = [
    Target("CQL, 1 x 10, one client: p50 over those of the echo and of acsylla", "one_client.of_floor", 1.25),
    Target("CQL, 100 x 50: entities/s over those of acsylla alone", "100x50.of_bare", 0.7, True),
]


def measure(pace: Pace) -> Figures:
    """Figures of one client and of many; none without a server."""
    with server() as url:
        return {} if url is None else on(f"{url}/?keyspace_prefix=bench_", pace)


@contextmanager
def server() -> Iterator[str | None]:
    """The storage URL of a CQL server; None if there is none and none can be started."""
    if given := os.environ.get(ENDPOINT_VARIABLE):
        yield CqlEndpoint.parse(given).url
        return
    with program(sys.executable, "-m", "tests.cql_server", stdin=True) as node:
        assert node.stdout is not None
        yield _url(node.stdout.readline().strip())


def _url(said: str) -> str | None:
    """The URL of an endpoint; None for the reason why there is none, which is printed."""
    try:
        return CqlEndpoint.parse(said).url
    except ValueError:
        print(said, file=sys.stderr)
        return None


def on(url: str, pace: Pace) -> Figures:
    """In a namespace that is removed."""
    namespace = f"n{uuid.uuid4().hex[:12]}"
    figures: Figures = {}
    try:
        asyncio.run(fill(url, namespace=namespace))
        with service("online", url) as ours:
            for rows, features, clients in ((1, 10, 1), (100, 50, pace.clients)):
                sent = reads(rows, features, namespace=namespace)
                with echo(call(ours.address, READ, sent[0])) as other:
                    turns = {
                        "ours": partial(load, ours, sent, clients=clients, seconds=pace.seconds),
                        "echo": partial(load, other, sent, clients=clients, seconds=pace.seconds),
                        "bare": partial(bare, url, namespace, (1,) if rows == 1 else AT_ONCE, pace.seconds),
                    }
                    found: Figures = dict(in_turns(pace.rounds, turns))
                if rows == 1:
                    floor = found["echo"]["p50_ms"] + found["bare"]["p50_ms"]
                    figures["one_client"] = found | {"of_floor": found["ours"]["p50_ms"] / floor}
                else:
                    rate = found["ours"]["calls_per_second"] * rows
                    of_bare = rate / found["bare"]["entities_per_second"]
                    figures[f"{rows}x{features}"] = found | {"entities_per_second": rate, "of_bare": of_bare}
    finally:
        asyncio.run(dropped(url, namespace))
    return figures


async def dropped(url: str, namespace: str) -> None:
    """Remove a namespace."""
    async with open_storage(StorageSettings(url, request_timeout_ms=30_000)) as storage:
        await storage.drop_namespace(namespace)


def bare(url: str, namespace: str, at_once: tuple[int, ...], seconds: float) -> Figures:
    """Reads by acsylla alone: p50 of one, and entities per second at the best of some concurrencies."""
    return uvloop.run(bare_reads(url, namespace, at_once, seconds))


async def bare_reads(url: str, namespace: str, at_once: tuple[int, ...], seconds: float) -> Figures:
    """On the session of a storage."""
    ids = [f"thing_{at}" for at in random.Random(1).sample(range(1_000), 1_000)]
    async with open_storage(StorageSettings(url)) as storage:
        statements: Any = (await storage.namespace(namespace))._statements  # type: ignore[attr-defined]  # noqa: SLF001
        session, query = statements.driver._session, (await statements.get(CELLS)).statement  # noqa: SLF001
        best: Figures = {"p50_ms": 0.0, "entities_per_second": 0.0}
        for clients in at_once:
            took: list[float] = []
            end = time.perf_counter() + seconds / len(at_once)

            async def client(number: int, clients: int = clients, took: list[float] = took, end: float = end) -> None:
                while (began := time.perf_counter()) < end:
                    result = await session.execute(query.bind((ids[number % len(ids)],)))
                    assert [row.as_tuple() for row in result]
                    took.append(time.perf_counter() - began)
                    number += clients

            began = time.perf_counter()
            await asyncio.gather(*(client(number) for number in range(clients)))
            rate = len(took) / (time.perf_counter() - began)
            if rate > best["entities_per_second"]:
                best = {"p50_ms": statistics.median(took) * 1_000, "entities_per_second": rate}
    return best
