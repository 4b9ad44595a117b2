"""The source of stored values: the storage of a namespace, or one shard of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from featurama_core.namespace import Namespace
from featurama_core.retrieval.tombstones import TombstoneList, Tombstones
from featurama_core.storage.layouts import Layout
from featurama_core.storage.port import Consistency, SeekingStorage
from featurama_core.storage.records import Cells, History, Partition, ScanBlock, Seeks, Sought
from featurama_core.types.errors import StoreUnavailable
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.schema import FeatureGroup

FEW_ENTITIES = 1_000
"""Maximum number of entities whose tombstones are read from their latest cells instead of the whole list."""


class ValueSource:
    """The stored values of a namespace.

    shard: (number, number of shards, a power of two) of the entities. Partitions of other entities are left out.
    """

    def __init__(
        self, namespace: Namespace, *, shard: tuple[int, int] = (0, 1), consistency: Consistency | None = None
    ) -> None:
        self._namespace = namespace
        self._shard = shard
        self._consistency = consistency

    @property
    def history_period(self) -> int:
        """Length of a partition's period, microseconds."""
        return self._namespace.storage.options.history_period

    def of_shard(self, number: int, shards: int) -> ValueSource:
        """The same source for the entities of one shard."""
        return ValueSource(self._namespace, shard=(number, shards), consistency=self._consistency)

    async def latest(self, entity_ids: Sequence[str]) -> tuple[Cells, Mapping[int, Layout]]:
        """The latest cells of distinct entities, tombstones among them, and the known layouts of these cells."""
        return await self._namespace.read_cells(entity_ids, self._consistency)

    async def lookup(
        self,
        entity_ids: Sequence[str],
        features: Sequence[ResolvedFeature],
        start: int,
        end: int,
        *,
        newest: int | None = None,
    ) -> list[History]:
        """Stored values of distinct entities with start <= event time <= end: one History per feature. newest: see
        `NamespaceStorage.read_history`.
        """
        wanted = [(each.definition, each.group) for each in features]
        return await self._namespace.storage.read_history(entity_ids, wanted, start=start, end=end, newest=newest)

    async def partitions(self, group: FeatureGroup) -> list[Partition]:
        """The partitions of a group that may hold entities of the shard."""
        number, shards = self._shard
        found = await self._namespace.storage.partitions(group)
        # Buckets and shards use the same hash, and their numbers are powers of two.
        return [each for each in found if each.bucket % (both := min(shards, each.buckets)) == number % both]

    def scan(
        self, features: Sequence[ResolvedFeature], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        """All stored values of features of one group in a partition, in blocks of whole entities."""
        return self._namespace.storage.scan_history([each.definition for each in features], group, partition)

    @property
    def seeks(self) -> bool:
        """Whether `seek` finds single events."""
        return isinstance(self._namespace.storage, SeekingStorage)

    async def seek(
        self, wanted: Seeks, features: Sequence[ResolvedFeature], group: FeatureGroup, partition: Partition
    ) -> list[Sought]:
        """The newest event of each row in a partition: see `SeekingStorage`."""
        storage = self._namespace.storage
        assert isinstance(storage, SeekingStorage)
        return await storage.seek_history(wanted, [each.definition for each in features], group, partition)

    async def tombstones(self, entity_ids: Sequence[str]) -> Tombstones:
        """The deletion bounds of distinct entities."""
        if len(entity_ids) > FEW_ENTITIES:
            return (await self.all_tombstones()).of(entity_ids)
        cells, _ = await self.latest(entity_ids)
        if cells.failed.any():
            raise StoreUnavailable("the store did not answer for every entity; try again")
        return Tombstones.of_cells(cells, len(entity_ids))

    async def all_tombstones(self) -> TombstoneList:
        """The deletion bounds of all entities."""
        return TombstoneList(await self._namespace.storage.list_tombstones())
