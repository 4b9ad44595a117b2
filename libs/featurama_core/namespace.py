"""An open namespace: its storage, registry, clock and caches, shared by reads and writes.

A `Namespace` belongs to one incarnation, as its storage does. After a drop and a new creation `Stores` opens another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from featurama_core.registry import Registry, Snapshot
from featurama_core.settings import StoreSettings
from featurama_core.storage.cell_plan import LayoutBook
from featurama_core.storage.layouts import Layout
from featurama_core.storage.port import Cells, Consistency, NamespaceStorage
from featurama_core.storage.tombstone_cells import layouts_in
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.roles import Role
from featurama_core.types.times import SECOND, Clock

_REMEMBERED_ENTITIES = 200_000

T = TypeVar("T")
_PAGE = 10_000


class Namespace:
    """One namespace, open."""

    def __init__(self, name: str, storage: NamespaceStorage, settings: StoreSettings, clock: Clock) -> None:
        self.name = name
        self.storage = storage
        self.settings = settings
        self.request_ids = RequestIds(clock)
        self._clock = clock
        self.layout_book = LayoutBook()
        self.begun_imports: set[int] = set()
        self._layouts: dict[int, Layout] = {}
        self._types: dict[str, tuple[str | None, int]] = {}
        self.registry = Registry(storage, staleness=settings.registry_staleness, now=self.now)

    def now(self) -> int:
        """Wall clock, microseconds."""
        return self._clock() // 1_000

    async def incarnation(self) -> str:
        """Id of the incarnation: a dropped and newly created namespace has another one. Part of every cache key."""
        return (await self.registry.snapshot()).incarnation

    async def resolve(
        self, features: FeatureSelection | Sequence[str], *, known_at: int | None = None
    ) -> tuple[ResolvedFeature, ...]:
        """A selection or references -> definitions. Unknown ones are looked up once more in a fresh snapshot.

        known_at: microseconds; only definitions registered by then are found.
        """
        wanted = features if isinstance(features, FeatureSelection) else FeatureSelection.of(features, None)

        def look_up(found: Snapshot) -> tuple[ResolvedFeature, ...]:
            references, roles = _references(wanted, found)
            return found.resolve_all(references, known_at, roles)

        return await self.registry.resolving(look_up)

    async def compiled(
        self,
        features: FeatureSelection,
        compile_features: Callable[[tuple[ResolvedFeature, ...]], T],
        *,
        known_at: int | None = None,
    ) -> T:
        """The result of `compile_features` on the definitions, cached with their snapshot."""

        def look_up(found: Snapshot) -> T:
            references, roles = _references(features, found)
            return found.compiled(references, known_at, compile_features, roles)

        return await self.registry.resolving(look_up)

    async def read_cells(
        self, entity_ids: Sequence[str], consistency: Consistency | None = None
    ) -> tuple[Cells, Mapping[int, Layout]]:
        """The latest partitions of distinct entities, and the known layouts among their cells."""
        cells = await self.storage.read_cells(entity_ids, consistency=consistency)
        missing = [layout_id for layout_id in layouts_in(cells) if layout_id not in self._layouts]
        if missing:
            self._layouts.update(await self.storage.get_layouts(missing))
        return cells, self._layouts

    async def put_layouts(self, layouts: Iterable[Layout]) -> None:
        """Register the layouts that this process has not registered yet, before cells are written in them."""
        new = {layout.layout_id: layout for layout in layouts if layout.layout_id not in self._layouts}
        if new:
            await self.storage.put_layouts(list(new.values()))
            self._layouts.update(new)

    async def entity_types(self, entity_ids: Iterable[str]) -> dict[str, str]:
        """Types of the registered ones among these entities. As stale as the registry may be."""
        now = self.now()
        fresh_until = now + int(self.settings.registry_staleness * SECOND)
        distinct = list(dict.fromkeys(entity_ids))
        unsure = [each for each in distinct if self._types.get(each, (None, now))[1] <= now]
        if unsure:
            found = await self.storage.get_entities(unsure)
            if len(self._types) + len(unsure) > _REMEMBERED_ENTITIES:
                self._types.clear()
            for each in unsure:
                entity = found.get(each)
                self._types[each] = (None if entity is None else entity.entity_type, fresh_until)
        types = {each: self._types.get(each, (None, 0))[0] for each in distinct}
        return {each: entity_type for each, entity_type in types.items() if entity_type is not None}

    async def entity_ids(self, entity_type: str) -> list[str]:
        """Ids of the registered entities of a type, ascending; for the default type also those with values only."""
        await self.check_entity_type(entity_type)
        found: set[str] = set()
        after: str | None = None
        while True:
            page, after = await self.storage.list_entities(entity_type, after, _PAGE)
            found.update(each.entity_id for each in page)
            if after is None:
                break
        while entity_type == DEFAULT_ENTITY_TYPE:
            ids, after = await self.storage.list_latest_entities(after, _PAGE)
            registered = await self.storage.get_entities(ids) if ids else {}
            found.update(each for each in ids if each not in registered)
            if after is None:
                break
        return sorted(found)

    def forget_entities(self, entity_ids: Iterable[str]) -> None:
        """Drop the cached types of entities that were just registered or deleted here."""
        for each in entity_ids:
            self._types.pop(each, None)

    async def check_entity_type(self, name: str) -> None:
        """Raise Unknown unless the type is registered."""
        await self.registry.resolving(lambda snapshot: snapshot.entity_type(name))


def _references(features: FeatureSelection, snapshot: Snapshot) -> tuple[tuple[str, ...], tuple[Role, ...]]:
    """The references of a selection, and the roles that they may name: those of its service, if it declares any."""
    if features.service is None:
        return features.references, features.roles
    service = snapshot.service(features.service)
    return service.features, service.roles_with(features.roles)
