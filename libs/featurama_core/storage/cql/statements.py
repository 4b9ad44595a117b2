"""One incarnation of a keyspace. Its CQL texts are prepared once, on first use.

`ks.` in a text stands for the keyspace.
"""

from __future__ import annotations

from featurama_core.storage.cql.driver import Driver, Prepared
from featurama_core.storage.cql.period import Period
from featurama_core.storage.cql.shared_call import SharedCall
from featurama_core.storage.layouts import Layout


class Statements:
    """The prepared statements of a keyspace. The texts are those of this package, so they are few.

    incarnation, history_period: as in namespace_info. periods: a cache, (group, period) -> the period, and until when a
    writer relies on it, in the time of the loop. layouts: a cache.
    """

    def __init__(self, driver: Driver, keyspace: str, incarnation: str, history_period: int) -> None:
        self.driver = driver
        self.incarnation = incarnation
        self.history_period = history_period
        self.periods: dict[tuple[str, int], tuple[Period, float]] = {}
        self.layouts: dict[int, Layout] = {}
        self._keyspace = keyspace
        self._prepared: dict[str, Prepared] = {}
        self._preparing: dict[str, SharedCall[Prepared]] = {}

    async def get(self, text: str) -> Prepared:
        """The statement, prepared. Raises StoreUnavailable."""
        found = self._prepared.get(text)
        if found is None:
            own = text.replace("ks.", f"{self._keyspace}.")
            preparing = self._preparing.setdefault(text, SharedCall(lambda: self.driver.prepare(own)))
            found = self._prepared[text] = await preparing()
            self._preparing.pop(text, None)
        return found
