"""How near are online reads to the floor of gRPC, and what is their latency under load? SQLite.

The server takes turns with a bare grpc.aio server that echoes the same answers. The share is our throughput over that
of the echo; machines have it in common. Latency is that of one client, and in an open loop at shares of the peak.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from functools import partial

from benchmarks.pace import Figures, Pace, Target, in_turns
from benchmarks.processes import READ, call, echo, load, service
from benchmarks.stores import fill, reads

SHAPES = {(1, 10): 0.65, (1, 50): 0.55, (100, 10): 0.40, (100, 50): 0.20}
LOADS = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9)
"""Rates of the open loop, as shares of the throughput of the closed one."""

TARGETS = [
    *(
        Target(f"{rows} x {features}: requests/s over those of the echo", f"{rows}x{features}.share", bound, True)
        for (rows, features), bound in SHAPES.items()
    ),
    Target("1 x 10, one client: p50 over that of the echo (1 ms where it takes 0.5)", "one_client.of_echo", 2.0),
    Target("1 x 10, open loop at half of the peak: p99 / p50", "half_of_peak.p99_of_p50", 4.0),
    Target(
        "100 x 50: two workers over one, of the ratio that the load leaves possible",
        "workers.of_possible",
        0.75,
        True,
    ),
]


def measure(pace: Pace) -> Figures:
    """Figures of every shape, of one client, of an open loop, and of two workers."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store"
        asyncio.run(fill(url))
        with service("online", url) as server:
            for rows, features in SHAPES:
                sent = reads(rows, features)
                answer = call(server.address, READ, sent[0])
                with echo(answer) as other:
                    turns = {
                        "ours": partial(load, server, sent, clients=pace.clients, seconds=pace.seconds),
                        "echo": partial(load, other, sent, clients=pace.clients, seconds=pace.seconds),
                    }
                    found = figures[f"{rows}x{features}"] = compared(pace, turns) | {"answer_bytes": len(answer)}
                    if (rows, features) == (1, 10):
                        turns = {
                            "ours": partial(load, server, sent, clients=1, seconds=pace.seconds),
                            "echo": partial(load, other, sent, clients=1, seconds=pace.seconds),
                        }
                        figures["one_client"] = alone = compared(pace, turns)
                        alone["of_echo"] = alone["ours"]["p50_ms"] / alone["echo"]["p50_ms"]
                        peak = found["ours"]["calls_per_second"]
                        figures["latency_by_load"] = curve = [
                            under_load(pace, partial(load, server, sent, clients=1), share * peak) for share in LOADS
                        ]
                        figures["half_of_peak"] = curve[LOADS.index(0.5)]
        figures["workers"] = workers(pace, url)
    return figures


def compared(pace: Pace, turns: dict[str, partial[Figures]]) -> Figures:
    """Ours and the echo in turns."""
    found: Figures = dict(in_turns(pace.rounds, turns))
    found["share"] = found["ours"]["calls_per_second"] / found["echo"]["calls_per_second"]
    found["cpu_share"] = found["echo"]["cpu_ms"] / found["ours"]["cpu_ms"]
    return found


def under_load(pace: Pace, sent: partial[Figures], rate: float) -> Figures:
    """Latency in an open loop; the ratio is the median of those of the rounds."""
    rounds = [sent(rate=rate, seconds=pace.seconds) for _ in range(pace.rounds)]
    names = ("p50_ms", "p99_ms", "cpu_ms", "generator_cpu_ms")
    found: Figures = {name: statistics.median(each[name] for each in rounds) for name in names}
    return {"rate": rate, **found, "p99_of_p50": statistics.median(each["p99_ms"] / each["p50_ms"] for each in rounds)}


def workers(pace: Pace, url: str) -> Figures:
    """One process and two, with a connection per client. The load runs on the same two cores, so that two workers get
    what it leaves of them: `possible` is the ratio that the CPU of a call and of its load permit.
    """
    sent = reads(100, 50)
    with service("online", url) as one, service("online", url, workers=2) as two:
        shared = {"clients": pace.clients, "connections": pace.clients, "seconds": pace.seconds}
        turns = {"one": partial(load, one, sent, **shared), "two": partial(load, two, sent, **shared)}
        found: Figures = dict(in_turns(pace.rounds, turns))
    found["ratio"] = found["two"]["calls_per_second"] / found["one"]["calls_per_second"]
    cost, load_cost = found["one"]["cpu_ms"], found["one"]["generator_cpu_ms"]
    found["possible"] = 2 * max(cost, load_cost) / (cost + load_cost)
    found["of_possible"] = found["ratio"] / found["possible"]
    return found
