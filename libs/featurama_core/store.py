"""The embedded store: the primitives of `FeatureStore` over an open namespace.

An `EmbeddedStore` adds public methods to a `Namespace` and holds no state of its own, so code with a namespace can
create its store. Only this module and `store_datasets` call the retrieval engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

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
from featurama_core.retrieval.newest import plan_of, read_newest, read_plan
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds, check_settled
from featurama_core.storage.port import FeaturesOf
from featurama_core.types.column import Column
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
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import FeatureSelection, own_feature
from featurama_core.types.roles import RowEntities
from featurama_core.types.schema import Definition, Entity, EntityType, FeatureDefinition, FeatureGroup, Use
from featurama_core.types.times import KnownAt
from featurama_core.types.values import Int64Array, Status
from featurama_core.types.writes import Deletion, WriteReport, WriteRequest

if TYPE_CHECKING:
    from featurama_core.datasets.request import DatasetRequest
    from featurama_core.datasets.spine_sources import SpineSource
    from featurama_core.frames.spine import SpineColumns


class OtherStores(Protocol):
    """The stores of the same storage, `Stores`. closed: whether the storage is closed, or being closed."""

    closed: bool

    async def get(self, namespace: str) -> FeatureStore:
        """The store of a namespace."""


class EmbeddedStore(FeatureStore):
    """A `FeatureStore` on an open namespace. stores: opens other namespaces of the storage; None if it cannot."""

    def __init__(self, namespace: Namespace, stores: OtherStores | None = None) -> None:
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
        await self._check_entities(entities)
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
        # A type may have been deleted meanwhile, or one with keys created: neither could see these entities.
        await self._namespace.registry.snapshot(fresh=True)
        try:
            await self._check_entities(entities)
        except (InvalidInput, Unknown):
            for new in (each.entity_id for each in stored if each.created_at == now):
                await self._namespace.storage.remove_entity(new)
            raise
        return stored

    async def _check_entities(self, entities: Sequence[Entity]) -> None:
        for entity_type in {each.entity_type for each in entities}:
            await self._check_type(entity_type)
        await self._check_ids(entities)

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
        plan = await plan_of(self._namespace, features)
        found, as_of = await read_newest(self._namespace, entities, plan, consistency)
        return found.columns(), as_of

    async def _read_all(self, entity_id: str) -> tuple[list[Column], int]:
        entity = (await self._namespace.storage.get_entities([entity_id])).get(entity_id)
        features = await self._namespace.features_of([entity_id], None if entity is None else entity.entity_type)
        columns: list[Column] = []
        as_of = self.now()
        if features:
            newest = {each.name: each for each in features}
            plan = ReadPlan.of(list(newest.values()))
            found = await read_plan(self._namespace, RowEntities.of([entity_id]), plan, as_of)
            columns = found.columns()
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
