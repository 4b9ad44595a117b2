"""The embedded store: the primitives of `FeatureStore` over an open namespace; and `Stores`, the stores of a server.

An `EmbeddedStore` adds public methods to a `Namespace` and holds no state of its own, so code with a namespace can
create its store. Only this module and `store_datasets` call the retrieval engines.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from featurama_core.api import FeatureStore
from featurama_core.api.primitives import D, DatasetSource, HistoryRange, Update
from featurama_core.frames.results import FeatureHistory
from featurama_core.ingest.delete import delete
from featurama_core.ingest.imports import begin_import
from featurama_core.ingest.revise import revise
from featurama_core.ingest.write import write
from featurama_core.namespace import Namespace
from featurama_core.registry import Snapshot
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.history import read_page
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds, check_settled
from featurama_core.settings import StoreSettings
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import Consistency, FeaturesOf, NamespaceOptions, Storage
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.column import Column, concatenate
from featurama_core.types.errors import (
    Conflict,
    FailedPrecondition,
    FeaturamaError,
    InvalidInput,
    Reason,
    Unknown,
    store_closed,
)
from featurama_core.types.imports import ImportScope
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, DEFAULT_NAMESPACE, check_namespace
from featurama_core.types.references import FeatureSelection, own_feature
from featurama_core.types.roles import RowEntities
from featurama_core.types.schema import Definition, Entity, EntityType, FeatureDefinition, FeatureGroup, Use
from featurama_core.types.times import Clock, KnownAt
from featurama_core.types.values import Int64Array, Status
from featurama_core.types.writes import Deletion, WriteReport, WriteRequest

if TYPE_CHECKING:
    from featurama_core.datasets.request import DatasetRequest
    from featurama_core.datasets.spine_sources import SpineSource
    from featurama_core.frames.spine import SpineColumns


class EmbeddedStore(FeatureStore):
    """A `FeatureStore` on an open namespace. stores: opens other namespaces of the storage; None if it cannot."""

    def __init__(self, namespace: Namespace, stores: Stores | None = None) -> None:
        self._opened = namespace
        self._request_ids = namespace.request_ids
        self._stores = stores

    def __repr__(self) -> str:
        return f"FeatureStore(namespace={self.namespace!r})"

    @property
    def _namespace(self) -> Namespace:
        """The open namespace. Every call begins here, so a closed store has one error."""
        if self._stores is not None and self._stores.closed:
            raise store_closed()
        return self._opened

    @property
    def namespace(self) -> str:
        """Name of the namespace."""
        return self._opened.name

    def now(self) -> int:
        """The wall clock used for reads, microseconds since 1970 UTC."""
        return self._namespace.now()

    async def in_namespace(self, namespace: str) -> FeatureStore:
        """A store on another namespace; see `FeatureStore`."""
        if self._stores is not None and self._stores.closed:
            raise store_closed()
        if self._stores is None:
            raise FailedPrecondition(
                "this store has a single open namespace; connect to the storage", reason=Reason.INVALID_ARGUMENT
            )
        return await self._stores.get(namespace)

    async def is_serving(self, service: str = "") -> bool:
        """Whether the database answers; see `FeatureStore`."""
        del service
        try:
            await self._namespace.registry.snapshot(fresh=True)
        except FeaturamaError:
            return False
        return True

    # Definitions

    async def _define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        return await self._namespace.registry.define_all(definitions)

    async def _get_definition(self, kind: type[D], name: str, version: int | None) -> D:
        def look_up(snapshot: Snapshot) -> Any:
            if kind is FeatureDefinition:
                return snapshot.feature(name, version)
            if kind is EntityType:
                return snapshot.entity_type(name)
            return snapshot.group(name) if kind is FeatureGroup else snapshot.service(name)

        return cast("D", await self._namespace.registry.resolving(look_up))

    async def _types_of(self, features: FeatureSelection) -> list[EntityType]:
        registry, known = self._namespace.registry, features.references
        if (service := features.service) is not None:
            known = (await registry.resolving(lambda snapshot: snapshot.service(service))).features
        names = set(filter(None, map(own_feature, known)))
        # Features may be newer than the snapshot.
        found = (await registry.snapshot(names=names)).types_of(known)
        return found or (await registry.snapshot(fresh=True, names=names)).types_of(known)

    async def _list_definitions(self, kind: type[D]) -> list[D]:
        table = (await self._namespace.registry.snapshot(fresh=True)).table(cast("type[Definition]", kind))
        return [table[name] for name in sorted(table)]

    async def _page_features(
        self, entity_type: str | None, group: str | None, after: str | None, limit: int, *, all_versions: bool
    ) -> tuple[list[FeatureDefinition], str | None]:
        of: FeaturesOf | None = None
        if group is not None:
            of = "feature_group", group
        elif entity_type is not None:
            of = "entity_type", entity_type
        found, after = await self._namespace.registry.page_features(of, after or "", limit)
        listed = found if all_versions else list({each.name: each for each in found}.values())
        return [each for each in listed if entity_type in (None, each.entity_type)], after

    async def _find_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        snapshot = await self._namespace.registry.snapshot(fresh=True, names=names)
        return [each for name in names for each in snapshot.features[name]]

    async def _deprecate(self, kind: type[D], name: str, version: int | None) -> D:
        definition = await self._current(kind, name, version)
        return cast("D", await self._namespace.registry.set_deprecated(definition, deprecated=True))

    async def _restore(self, kind: type[D], name: str, version: int | None) -> D:
        definition = await self._current(kind, name, version)
        return cast("D", await self._namespace.registry.set_deprecated(definition, deprecated=False))

    async def _delete_definition(self, kind: type[D], name: str, version: int | None) -> D:
        definition = await self._current(kind, name, version)
        return cast("D", await self._namespace.registry.delete(definition))

    async def _update_definition(
        self, kind: type[D], name: str, version: int | None, changes: Mapping[str, Any], update: Update
    ) -> tuple[D, int]:
        return await revise(self._namespace, await self._current(kind, name, version), changes, update)

    async def _uses(self, kind: type[Definition], name: str, version: int | None) -> list[Use]:
        return await self._namespace.registry.uses(await self._current(kind, name, version))

    async def _current(self, kind: type[D], name: str, version: int | None) -> D:
        """A definition as stored now: what is written back must not undo a change of another process."""
        await self._namespace.registry.snapshot(fresh=True)
        return await self._get_definition(kind, name, version)

    # Entities

    async def _put_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        for entity_type in {each.entity_type for each in entities}:
            await self._check_type(entity_type)
        await self._check_ids(entities)
        now = self.now()
        stamped = [replace(each, created_at=now, updated_at=now) for each in entities]
        stored = await self._namespace.storage.put_entities(stamped)
        self._namespace.forget_entities(each.entity_id for each in entities)
        for wanted, have in zip(entities, stored, strict=True):
            if wanted.entity_type != have.entity_type:
                raise Conflict(
                    f"entity {wanted.entity_id!r} is registered as a {have.entity_type}, not a {wanted.entity_type}",
                    reason=Reason.ENTITY_CONFLICT,
                    field="entity_type",
                )
        return stored

    async def _get_entity(self, entity_id: str) -> Entity:
        found = await self._namespace.storage.get_entities([entity_id])
        if entity_id not in found:
            raise Unknown(
                f"entity {entity_id!r} is not registered; it may have values, which need no registration",
                reason=Reason.UNKNOWN_ENTITY,
                field="entity_id",
            )
        return found[entity_id]

    async def _page_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        return await self._namespace.page_entities(entity_type, after, limit)

    async def _entity_ids(self, entity_type: str) -> list[str]:
        return await self._namespace.entity_ids(entity_type)

    async def _check_ids(self, entities: Sequence[Entity]) -> None:
        """Refuse ids of other types. What is registered stays, so the rules are read again for ids with a colon."""
        snapshot = await self._namespace.registry.snapshot(fresh=any(":" in each.entity_id for each in entities))
        rules = snapshot.id_rules
        for each in entities:
            owner = rules.owner(each.entity_id)
            owns = each.entity_type if owner is None else owner.entity_type
            rules.check(each.entity_id, owns)
            if owns != each.entity_type:
                wrong = f"entity_id {each.entity_id!r} is of a {owns}; register it as one"
                raise InvalidInput(wrong, reason=Reason.ENTITY_TYPE_MISMATCH, field="entity_id")

    async def _check_type(self, entity_type: str) -> None:
        if entity_type != DEFAULT_ENTITY_TYPE:
            await self._namespace.check_entity_type(entity_type)

    # Values

    async def _begin_import(self, scope: ImportScope, import_id: str) -> int:
        return await begin_import(self._namespace, scope, import_id)

    async def _write(self, request: WriteRequest) -> WriteReport:
        return await write(self._namespace, request)

    async def _read_online(
        self, entities: RowEntities, features: FeatureSelection, *, consistency: str | None, event_times: bool
    ) -> tuple[list[Column], int]:
        del event_times  # they cost nothing here
        plan = await self._namespace.compiled(features, ReadPlan.of)
        level = None if consistency is None else Consistency(consistency)
        most = max(1, self._namespace.settings.max_online_entities // len(entities.of_role))
        if len(entities) <= most:
            return await self._newest(entities, plan, level)
        runs = [entities.cut(at, at + most) for at in range(0, len(entities), most)]
        parts = [await self._newest(run, plan, level) for run in runs]
        columns = zip(*(part for part, _ in parts), strict=True)
        return [concatenate(list(each)) for each in columns], parts[0][1]

    async def _read_all(self, entity_id: str) -> tuple[list[Column], int]:
        entity = (await self._namespace.storage.get_entities([entity_id])).get(entity_id)
        features = await self._namespace.features_of([entity_id], None if entity is None else entity.entity_type)
        columns: list[Column] = []
        as_of = self.now()
        if features:
            newest = {each.name: each for each in features}
            plan = ReadPlan.of(list(newest.values()))
            columns, as_of = await self._newest(RowEntities.of([entity_id]), plan)
        if entity is None or entity.entity_type == DEFAULT_ENTITY_TYPE:
            columns = [column for column in columns if column.status[0] != Status.NOT_FOUND]
        if entity is None and not columns:
            if keys := (await self._namespace.registry.snapshot()).id_rules.owner(entity_id):
                keys.decode(entity_id)
            raise Unknown(
                f"entity {entity_id!r} is neither registered nor has any value",
                reason=Reason.UNKNOWN_ENTITY,
                field="entity_id",
            )
        return columns, as_of

    async def _read_as_of(
        self, entities: RowEntities, event_time: Int64Array | None, features: FeatureSelection, known_at: KnownAt
    ) -> tuple[list[Column], int]:
        bounds = ReadBounds(known_at, self.now(), at_now=event_time is None)
        if known_at == "label":
            assert event_time is not None  # checked by `point_in_time`
            newest: int | None = int(event_time.max())
        else:
            newest = known_at
        settling_time = self._namespace.settings.settling_time
        check_settled(event_time if known_at == "label" else newest, bounds.now, settling_time)
        plan = await self._namespace.compiled(features, ReadPlan.of, known_at=newest)
        retrieval = Retrieval(ValueSource(self._namespace), plan, bounds)
        return await retrieval.columns(entities, event_time), bounds.now

    async def _newest(
        self, entities: RowEntities, plan: ReadPlan, consistency: Consistency | None = None
    ) -> tuple[list[Column], int]:
        """-> (a column per feature, the wall clock that ages are measured from)."""
        bounds = ReadBounds(None, self.now(), at_now=True)
        source = ValueSource(self._namespace, consistency=consistency)
        retrieval = Retrieval(source, plan, bounds, errors_as_status=True)
        return await retrieval.columns(entities, None), bounds.now

    async def _page_history(
        self, entity_id: str, feature: str, wanted: HistoryRange, page_size: int, page_token: str
    ) -> FeatureHistory:
        (resolved,) = await self._namespace.resolve(FeatureSelection((feature,)))
        if keys := (await self._namespace.registry.snapshot()).id_rules.of.get(resolved.entity_type):
            keys.decode(entity_id)
        return await read_page(self._namespace, entity_id, resolved, wanted, page_size, page_token)

    async def _delete(self, entity_id: str, features: Sequence[str], deleted_through: int | None) -> Deletion:
        return await delete(self._namespace, entity_id, features, deleted_through)

    async def _dataset_source(
        self, request: DatasetRequest, source: SpineSource, columns: SpineColumns, *, at_now: bool, now: int
    ) -> DatasetSource:
        from featurama_core.store_datasets import dataset_source

        return await dataset_source(self._namespace, request, source, columns, at_now=at_now, now=now)


class Stores:
    """One storage and its namespaces. A namespace is opened on first use."""

    def __init__(self, url: str, storage: Storage, settings: StoreSettings, clock: Clock) -> None:
        self.url = url
        self.storage = storage
        self._settings = settings
        self._clock = clock
        self._open: dict[str, Namespace] = {}
        self.closed = False
        """Whether the storage is closed, or being closed."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        storage: str | StorageSettings,
        *,
        settings: StoreSettings | None = None,
        clock: Clock = time.time_ns,
    ) -> AsyncIterator[Stores]:
        """Open a storage. Leaving the context closes it with all its namespaces."""
        storage_settings = StorageSettings(storage) if isinstance(storage, str) else storage
        async with open_storage(storage_settings) as opened:
            stores = cls(storage_settings.url, opened, settings or StoreSettings(), clock)
            try:
                yield stores
            finally:
                stores.closed = True

    async def namespace(self, name: str = DEFAULT_NAMESPACE) -> Namespace:
        """An open namespace. Unknown (UNKNOWN_NAMESPACE) if it does not exist."""
        name = check_namespace(name or DEFAULT_NAMESPACE)
        storage = await self.storage.namespace(name)
        known = self._open.get(name)
        # The storage returns another object after the namespace was dropped and created again: so does this.
        if known is None or known.storage is not storage:
            known = self._open[name] = Namespace(name, storage, self._settings, self._clock)
        return known

    async def get(self, namespace: str = DEFAULT_NAMESPACE) -> EmbeddedStore:
        """The store of a namespace. Unknown (UNKNOWN_NAMESPACE) if it does not exist."""
        return EmbeddedStore(await self.namespace(namespace), self)

    async def check_schemas(self) -> None:
        """Open every namespace. FailedPrecondition (SCHEMA_MISMATCH) if one has the schema of another version.

        A namespace that another process is creating is retried for ten seconds; one that is dropped meanwhile is
        skipped.
        """
        for name in await self.storage.list_namespaces():
            for left in reversed(range(20)):
                try:
                    await self.storage.namespace(name)
                except Unknown:
                    pass
                except FailedPrecondition:
                    if not left:
                        raise
                    await asyncio.sleep(0.5)
                    continue
                break

    def knows_definitions(self) -> bool:
        """Whether the definitions of every namespace in use are younger than the lead of revisions. If not, reads go
        on with the last known ones; online and point-in-time reads of several servers may then differ.
        """
        lead = self._settings.revision_lead
        return not any(each.registry.is_behind(lead) for each in self._open.values())

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        await self.storage.ping()


@asynccontextmanager
async def open_stores(
    storage: str | StorageSettings,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    settings: StoreSettings | None = None,
    clock: Clock = time.time_ns,
) -> AsyncIterator[Stores]:
    """Open a storage such as `sqlite:///dir` for one namespace. Leaving the context closes it.

    On the embedded storage a missing namespace is created.
    """
    async with Stores.open(storage, settings=settings, clock=clock) as stores:
        if StorageUrl.parse(stores.url).scheme == "sqlite":
            with suppress(Conflict):  # it exists
                await stores.storage.create_namespace(check_namespace(namespace), NamespaceOptions())
        yield stores
