"""The CQL texts of one namespace, each prepared once, on first use.

`ks` in a text stands for the keyspace.
"""

from __future__ import annotations

import asyncio

from featurama_core.storage.cql.driver import Driver, Prepared


class Statements:
    """Prepared statements of one incarnation of a keyspace."""

    def __init__(self, driver: Driver, keyspace: str) -> None:
        self.driver = driver
        self._keyspace = keyspace
        self._prepared: dict[str, Prepared] = {}
        self._turn = asyncio.Lock()

    async def get(self, text: str) -> Prepared:
        """The statement, prepared."""
        found = self._prepared.get(text)
        if found is not None:
            return found
        async with self._turn:
            if text not in self._prepared:
                self._prepared[text] = await self.driver.prepare(text.replace("ks.", f"{self._keyspace}."))
            return self._prepared[text]
