"""A process that makes one pass of packing: `python -m tests.faults.packing URL NAMESPACE GROUP NOW`.

NOW: its clock, microseconds. Prints `copied` after each statement that writes packed cells, and at its end `done`.
"""

from __future__ import annotations

import asyncio
import sys

from featurama_core.ingest.pack import pack
from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.cql import CqlStorage
from featurama_core.storage.settings import StorageSettings, StorageUrl


async def main(url: str, name: str, group: str, now: int) -> None:
    """One pass."""

    def on_statement(text: str) -> None:
        if text.startswith("DONE") and "UPDATE" in text and "feature_values_packed" in text:
            print("copied", flush=True)

    def clock() -> int:
        return now * 1_000

    settings = StorageSettings(url, request_timeout_ms=20_000)
    async with CqlStorage.open(StorageUrl.parse(url), settings, on_statement, clock=clock) as storage:
        namespace = Namespace(name, await storage.namespace(name), StoreSettings(), clock)
        await pack(namespace, group)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
