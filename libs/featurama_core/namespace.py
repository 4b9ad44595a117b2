"""An open namespace: its storage, registry, clock and caches, shared by reads and writes.

A `Namespace` belongs to one incarnation, as its storage does. After a drop and a new creation `Stores` opens another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from featurama_core.registry import Registry, Snapshot
from featurama_core.settings import StoreSettings
from featurama_core.storage.cell_plan import LayoutBook
from featurama_core.storage.held_values import entities_with_values
from featurama_core.storage.layouts import Layout
from featurama_core.storage.port import Consistency, NamespaceStorage
from featurama_core.storage.records import Cells
from featurama_core.types.errors import InvalidInput, Reason, StoreUnavailable
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, UNREGISTERED
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.roles import Role
from featurama_core.types.schema import Entity
from featurama_core.types.times import SECOND, Clock

_REMEMBERED_ENTITIES = 200_000

_FEATURES_OF_TYPE = 10_000

T = TypeVar("T")
_PAGE = 10_000
_SCANNED = 1_000
"""Entities with values that are looked at together, in search of those of one type."""
_SCANS_PER_PAGE = 10


class Namespace:
    """One namespace, open."""

    def __init__(
        self,
        name: str,
        storage: NamespaceStorage,
        settings: StoreSettings,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """monotonic: seconds, for the age of what is cached."""
        self.name = name
        self.storage = storage
        self.settings = settings
        self.request_ids = RequestIds(clock)
        self._clock = clock
        self.layout_book = LayoutBook()
        self.begun_imports: set[int] = set()
        self._layouts: dict[int, Layout] = {}
        self._types: dict[str, tuple[str | None, int]] = {}
        self.registry = Registry(storage, staleness=settings.registry_staleness, now=self.now, monotonic=monotonic)

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
        return await self.compiled(wanted, tuple, known_at=known_at)

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
            return found.compiled(references, known_at, compile_features, features.ttl_revisions, roles)

        return await self.registry.resolving(look_up)

    async def read_cells(
        self, entity_ids: Sequence[str], consistency: Consistency | None = None
    ) -> tuple[Cells, Mapping[int, Layout]]:
        """The latest partitions of distinct entities, and the known layouts among their cells."""
        cells = await self.storage.read_cells(entity_ids, consistency=consistency)
        if not cells.layouts <= self._layouts.keys():
            self._layouts.update(await self.storage.get_layouts(list(cells.layouts - self._layouts.keys())))
        return cells, self._layouts

    async def features_of(self, entity_ids: Sequence[str], entity_type: str | None = None) -> list[ResolvedFeature]:
        """All versions of the features that these distinct entities have values of, and of those of an entity type, by
        name and version.
        """
        cells, layouts = await self.read_cells(entity_ids)
        if cells.failed.any():
            raise StoreUnavailable("the store did not answer for these entities; try again")
        names = {field.name for each in cells.layouts if (layout := layouts.get(each)) for field in layout.fields}
        if entity_type not in (None, DEFAULT_ENTITY_TYPE):
            of_type, after = await self.registry.page_features(("entity_type", entity_type), "", _FEATURES_OF_TYPE)
            if after is not None:
                raise InvalidInput(
                    f"{entity_type} has more than {_FEATURES_OF_TYPE} features; name those to read",
                    reason=Reason.LIMIT_EXCEEDED,
                    field="features",
                )
            names.update(each.name for each in of_type)
        snapshot = await self.registry.snapshot(fresh=True, names=names)
        types = (None, DEFAULT_ENTITY_TYPE, entity_type)
        return [
            ResolvedFeature(each, snapshot.group_of(each))
            for name in sorted(names)
            for each in snapshot.features[name]
            if entity_type is None or each.entity_type in types
        ]

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
        """Ids of the entities of a type, ascending; see `page_entities`."""
        found: set[str] = set()
        after: str | None = None
        while True:
            page, after = await self.page_entities(entity_type, after, _PAGE)
            found.update(each.entity_id for each in page)
            if after is None:
                return sorted(found)

    async def page_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """A page of the entities of a type, and the position of the next page, None after the last.

        First the registered ones, then, but for `entity`, those with values of its features that are registered as
        nothing. Where these are few among many others, a page may be empty though another follows.
        """
        if entity_type != DEFAULT_ENTITY_TYPE:
            await self.check_entity_type(entity_type)
        if after is None or not after.startswith(UNREGISTERED):
            page, after = await self.storage.list_entities(entity_type, after, limit)
            # Features of `entity` take any id, so that values do not say what their entity is.
            is_last = after is None and entity_type != DEFAULT_ENTITY_TYPE
            return page, UNREGISTERED if is_last else after
        at: str | None = after.removeprefix(UNREGISTERED) or None
        found: list[Entity] = []
        for _ in range(_SCANS_PER_PAGE):
            ids, at = await self.storage.list_latest_entities(at, max(limit, _SCANNED))
            registered = await self.storage.get_entities(ids) if ids else {}
            found = await self._of_type([each for each in ids if each not in registered], entity_type)
            if len(found) > limit:
                found = found[:limit]
                at = found[-1].entity_id  # positions are ids
            if found or at is None:
                break
        return found, None if at is None else UNREGISTERED + at

    async def _of_type(self, entity_ids: Sequence[str], entity_type: str) -> list[Entity]:
        """Those of the unregistered entities that have values of features of a type."""
        if not entity_ids:
            return []
        cells, layouts = await self.read_cells(entity_ids)
        if cells.failed.any():
            raise StoreUnavailable("the store did not answer for every entity; try again")
        held = {at: layout.fields for at in cells.layouts if (layout := layouts.get(at))}
        names = {field.name for fields in held.values() for field in fields}
        features = (await self.registry.snapshot(names=names)).features
        of_type = {
            layout_id: [
                at
                for at, field in enumerate(fields)
                if any(each.entity_type == entity_type for each in features[field.name])
            ]
            for layout_id, fields in held.items()
        }
        wanted = {layout_id: positions for layout_id, positions in of_type.items() if positions}
        return [Entity(entity_ids[at], entity_type) for at in entities_with_values(cells, layouts, wanted)]

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
