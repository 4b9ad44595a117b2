"""What does a read cost while a store grows? CPU of the server per read of 1 x 10; SQLite, one namespace per size."""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from typing import Any

from benchmarks.pace import Figures, Pace, Target, in_turns
from benchmarks.processes import load, service
from benchmarks.stores import fill, reads

SMALL = {"entities": 1_000, "features": 10, "registered": 100}
GROWN: dict[str, tuple[str, float, dict[str, Any]]] = {
    "history": ("history 100x", 1.15, {"events": 100}),
    "entities": ("entities 100x", 1.3, {"entities": 100_000}),
    "groups": ("groups 1 -> 10", 2.5, {"groups": 10}),
    "registered": ("registered features 100 -> 100,000", 1.1, {"registered": 100_000}),
}
"""What grows: (how far, bound of the cost, size)."""

TARGETS = [Target(f"cost of a read while {text}", f"{name}.ratio", bound) for name, (text, bound, _) in GROWN.items()]


def measure(pace: Pace) -> Figures:
    """The cost at each size, and its ratio to that of the small store."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store"
        sizes = {"small": SMALL} | {name: SMALL | size for name, (_, _, size) in GROWN.items()}
        for name, size in sizes.items():
            asyncio.run(fill(url, namespace=name, **size))
        with service("online", url) as server:
            turns = {
                name: partial(
                    load,
                    server,
                    reads(1, 10, of=size["entities"], namespace=name),
                    clients=pace.clients,
                    seconds=pace.seconds,
                )
                for name, size in sizes.items()
            }
            found: Figures = dict(in_turns(pace.rounds, turns))
    for name in GROWN:
        found[name]["ratio"] = found[name]["cpu_ms"] / found["small"]["cpu_ms"]
    return found
