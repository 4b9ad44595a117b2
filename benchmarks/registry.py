"""Registering many features at once in an embedded store, and refreshes of a server beside them.

    python benchmarks/registry.py [--features 20000] [--json FILE]

Shown: seconds for half of the features and for the other half (equal if the cost is linear), seconds of a server's
first read of all, and the longest time for which the event loop of that server stood during a refresh after a change.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import featurama
from featurama_core.store import Stores
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

_GROUPS = 100


async def measured(features: int) -> dict[str, float]:
    """Name of a figure -> its value."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}"
        async with featurama.connect(url) as store:
            figures = await _registered(store, features)
            async with Stores.open(url) as stores:
                registry = (await stores.namespace()).registry
                start = time.perf_counter()
                await registry.snapshot()
                figures["first_read_s"] = time.perf_counter() - start
                await store.register_feature("another", "double", group="group_0")
                standing = asyncio.create_task(_longest_stand())
                await asyncio.sleep(0.05)
                await registry.snapshot(fresh=True)
                await asyncio.sleep(0.05)
                standing.cancel()
                figures["refresh_stall_ms"] = await standing * 1_000
    return figures


async def _registered(store: featurama.FeatureStore, features: int) -> dict[str, float]:
    await store.register([FeatureGroup(f"group_{number}") for number in range(_GROUPS)])
    figures = {}
    for part, numbers in (("first", range(features // 2)), ("second", range(features // 2, features))):
        wanted = [FeatureDefinition(f"f{at}", ValueType.DOUBLE, group=f"group_{at % _GROUPS}") for at in numbers]
        start = time.perf_counter()
        await store.register(wanted)
        figures[f"{part}_half_s"] = time.perf_counter() - start
    return figures


async def _longest_stand() -> float:
    """Seconds; until it is cancelled."""
    longest = 0.0
    try:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - start)
    except asyncio.CancelledError:
        return longest


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = asyncio.run(measured(arguments.features))
    for name, value in figures.items():
        print(f"{name:>20} {value:10.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
