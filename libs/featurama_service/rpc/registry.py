"""RegistryService: one pair of handlers per verb, for every kind of definition, and those of entities.

A service that only reads answers the writing calls with SERVED_BY_INGEST.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, Protocol

from featurama import wire
from featurama.v1 import definitions_pb2
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.api import FeatureStore
from featurama_core.api.primitives import MAX_DEFINITIONS_PER_CALL, MAX_ENTITIES_PER_CALL
from featurama_core.off_loop import off_loop
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, UNREGISTERED, check_entity_ids
from featurama_core.types.schema import Entity, EntityType, FeatureDefinition
from featurama_service.calls import Call, Reply
from featurama_service.methods import Method, Service, unary
from featurama_service.rpc.pages import cut, key_before, page_length, page_of, token_after, version_key

_DESCRIPTOR = pb.DESCRIPTOR.services_by_name["RegistryService"]
_LISTED_USES = 1_000
_FEW_LISTED = 200
"""Definitions of which messages are made on the event loop."""
Handler = Callable[[wire.DefinitionKind[Any], Any, Call], Coroutine[Any, Any, Reply]]


class OpensStores(Protocol):
    """Opens the store of a namespace; `featurama_core.store.Stores` is one."""

    async def get(self, namespace: str) -> FeatureStore:
        """UNKNOWN_NAMESPACE without it; "" means the default one."""


class RegistryServicer:
    """Definitions and entities. What the server sets (deprecated, times) is not taken from a client."""

    def __init__(self, stores: OpensStores) -> None:
        self._stores = stores

    def reads(self) -> Mapping[str, Method]:
        """The reading methods by the name of the rpc; online and ingest both serve them."""
        return {
            **_of_every_kind({"Get": self.get_definition, "List": self.list_definitions}),
            "ListFeatures": unary(wire.requests(pb.ListFeaturesRequest), self.list_features),
            "ListDefinitionUses": unary(wire.requests(pb.ListDefinitionUsesRequest), self.list_definition_uses),
            "GetEntity": unary(wire.requests(pb.GetEntityRequest), self.get_entity),
            "ListEntities": unary(wire.requests(pb.ListEntitiesRequest), self.list_entities),
        }

    def writes(self) -> Mapping[str, Method]:
        """The writing methods by the name of the rpc."""
        return {
            **_of_every_kind({"Register": self.register, "Deprecate": self.deprecate}),
            "RegisterDefinitions": unary(wire.requests(pb.RegisterDefinitionsRequest), self.register_definitions),
            "RestoreDefinition": unary(wire.requests(pb.RestoreDefinitionRequest), self.restore_definition),
            "UpdateDefinition": unary(wire.requests(pb.UpdateDefinitionRequest), self.update_definition),
            "DeleteDefinition": unary(wire.requests(pb.DeleteDefinitionRequest), self.delete_definition),
            "RegisterEntities": unary(
                wire.requests(pb.RegisterEntitiesRequest), self.register_entities, weigh=_weigh_entities
            ),
        }

    async def get_definition(self, kind: wire.DefinitionKind[Any], request: Any, _: Call) -> Reply:
        """One definition; of a feature one version, or the newest."""
        store = await self._stores.get(request.namespace)
        return kind.response("Get", await store.get_definition(kind.type, request.name, _version(kind, request)))

    async def list_definitions(self, kind: wire.DefinitionKind[Any], request: Any, call: Call) -> Reply:
        """A page of the definitions of a kind, by name."""
        store = await self._stores.get(request.namespace)
        scope = f"{kind.field}s"
        if kind.type is EntityType and (request.features or request.feature_service):
            scope = f"{scope} {' '.join(request.features)} {request.feature_service}"
            features = list(request.features) or None
            listed: Sequence[Any] = await store.list_entity_types(
                features=features, service=request.feature_service or None
            )
        else:
            listed = await store.list_definitions(kind.type)
        page, next_token = await off_loop(
            len(listed) > _FEW_LISTED,
            page_of,
            listed,
            lambda each: each.name,
            wire.to_proto,
            scope=scope,
            page_size=request.page_size,
            page_token=request.page_token,
            most_bytes=call.cut_bytes,
        )
        call.rows = len(page)
        return kind.page(page, next_token)

    async def list_features(self, request: pb.ListFeaturesRequest, call: Call) -> Reply:
        """A page of the features, by name and version."""
        store = await self._stores.get(request.namespace)
        scope = f"features {request.entity_type} {request.group} {request.all_versions} {len(request.names)}"
        length, before = page_length(request.page_size), key_before(scope, request.page_token) or ""
        after: str | None = None
        if request.names:
            _check_names(request)
            found = await store.find_features(request.names, all_versions=request.all_versions)
        else:
            # The page begins with the name that the one before may have ended in.
            found, after = await store.page_features(
                before.partition(" ")[0],
                length + 1,
                entity_type=request.entity_type or None,
                group=request.group or None,
                all_versions=request.all_versions,
            )
        left = [each for each in found if _key(each) > before]
        listed = left[:length]
        large = len(listed) > _FEW_LISTED
        messages = await off_loop(large, lambda: cut([wire.to_proto(each) for each in listed], call.cut_bytes))
        call.rows = len(messages)
        token = ""
        if len(messages) < len(left):
            token = token_after(scope, _key(left[len(messages) - 1]))
        elif after is not None:
            token = token_after(scope, version_key(after, 0))
        return pb.ListFeaturesResponse(features=messages, next_page_token=token)

    async def register(self, kind: wire.DefinitionKind[Any], request: Any, _: Call) -> Reply:
        """The same definition again changes nothing; what may change is the store's rule."""
        store = await self._stores.get(request.namespace)
        return kind.response("Register", await store.define(kind.read(request)))

    async def deprecate(self, kind: wire.DefinitionKind[Any], request: Any, _: Call) -> Reply:
        """Not to be used for anything new."""
        store = await self._stores.get(request.namespace)
        return kind.response("Deprecate", await store.deprecate(kind.type, request.name, _version(kind, request)))

    async def restore_definition(self, request: pb.RestoreDefinitionRequest, _: Call) -> Reply:
        """No longer deprecated."""
        store = await self._stores.get(request.namespace)
        restored = await store.restore(*wire.read_key(request.key))
        return pb.RestoreDefinitionResponse(definition=wire.definition_to_proto(restored))

    async def delete_definition(self, request: pb.DeleteDefinitionRequest, _: Call) -> Reply:
        """Gone for ever, unless it is used."""
        store = await self._stores.get(request.namespace)
        deleted = await store.delete_definition(*wire.read_key(request.key))
        return pb.DeleteDefinitionResponse(definition=wire.definition_to_proto(deleted))

    async def update_definition(self, request: pb.UpdateDefinitionRequest, _: Call) -> Reply:
        """Its next revision."""
        store = await self._stores.get(request.namespace)
        kind, name, version, changes = wire.read_update(request)
        updated, lost = await store.update_definition(
            kind,
            name,
            version,
            changes=changes,
            expected_revision=request.expected_revision or None,
            confirmed=request.confirmed,
            dry_run=request.dry_run,
        )
        return pb.UpdateDefinitionResponse(definition=wire.definition_to_proto(updated), values_lost=lost)

    async def list_definition_uses(self, request: pb.ListDefinitionUsesRequest, call: Call) -> Reply:
        """The first uses."""
        store = await self._stores.get(request.namespace)
        uses = await store.uses(*wire.read_key(request.key))
        listed = [
            definitions_pb2.DefinitionUse(kind=each.kind, name=each.name, reference=each.reference)
            for each in uses[:_LISTED_USES]
        ]
        call.rows = len(listed)
        return pb.ListDefinitionUsesResponse(uses=listed, total=len(uses))

    async def get_entity(self, request: pb.GetEntityRequest, _: Call) -> Reply:
        """A registered entity."""
        store = await self._stores.get(request.namespace)
        return pb.GetEntityResponse(entity=wire.to_proto(await store.get_entity(request.entity_id)))

    async def list_entities(self, request: pb.ListEntitiesRequest, call: Call) -> Reply:
        """A page of the entities of a type, in the store's order."""
        store = await self._stores.get(request.namespace)
        entity_type = request.entity_type or DEFAULT_ENTITY_TYPE
        scope = f"entities {entity_type}"
        before = key_before(scope, request.page_token)
        page, after = await store.page_entities(entity_type, before, page_length(request.page_size))
        large = sum(len(each.metadata) for each in page) > wire.SMALL_MESSAGE
        messages = await off_loop(large, lambda: cut([wire.to_proto(each) for each in page], call.cut_bytes))
        call.rows = len(messages)
        if len(messages) < len(page):
            phase = UNREGISTERED if before is not None and before.startswith(UNREGISTERED) else ""
            after = phase + messages[-1].entity_id
        return pb.ListEntitiesResponse(
            entities=messages, next_page_token="" if after is None else token_after(scope, after)
        )

    async def register_definitions(self, request: pb.RegisterDefinitionsRequest, call: Call) -> Reply:
        """Up to 1,000 definitions: all or none."""
        call.rows = len(request.definitions)
        if call.rows > MAX_DEFINITIONS_PER_CALL:
            raise InvalidInput(
                f"definitions holds {call.rows}; at most {MAX_DEFINITIONS_PER_CALL} fit one call, split the list",
                reason=Reason.LIMIT_EXCEEDED,
                field="definitions",
            )
        store = await self._stores.get(request.namespace)
        stored = await store.register(
            await off_loop(call.is_large, lambda: [wire.definition_from_proto(each) for each in request.definitions])
        )
        messages = await off_loop(call.is_large, lambda: [wire.definition_to_proto(each) for each in stored])
        return pb.RegisterDefinitionsResponse(definitions=messages)

    async def register_entities(self, request: pb.RegisterEntitiesRequest, call: Call) -> Reply:
        """Up to 1,000 entities, or their new names and metadata."""
        call.rows = len(request.entities)
        store = await self._stores.get(request.namespace)
        check_entity_ids([each.entity_id for each in request.entities], limit=MAX_ENTITIES_PER_CALL)
        wanted = await off_loop(call.is_large, lambda: [wire.from_proto(Entity, each) for each in request.entities])
        stored = await store.register_entities(
            [replace(each, entity_type=each.entity_type or DEFAULT_ENTITY_TYPE) for each in wanted]
        )
        messages = await off_loop(call.is_large, lambda: [wire.to_proto(each) for each in stored])
        return pb.RegisterEntitiesResponse(entities=messages)


def _weigh_entities(data: bytes) -> int:
    """Values of metadata are objects, there and back."""
    return 24 * len(data)


def registry_service(stores: OpensStores) -> Service:
    """RegistryService whole, for ingest."""
    servicer = RegistryServicer(stores)
    return Service(_DESCRIPTOR, {**servicer.reads(), **servicer.writes()})


def reading_registry_service(stores: OpensStores) -> Service:
    """RegistryService whose writing calls are refused with SERVED_BY_INGEST, for online."""
    servicer = RegistryServicer(stores)
    return Service(
        _DESCRIPTOR, {**servicer.reads(), **dict.fromkeys(servicer.writes(), unary(bytes, _served_by_ingest))}
    )


def _of_every_kind(handlers: Mapping[str, Handler]) -> dict[str, Method]:
    return {
        kind.call(verb): unary(wire.requests(kind.request(verb)), partial(handler, kind))
        for kind in wire.DEFINITION_KINDS
        for verb, handler in handlers.items()
    }


def _version(kind: wire.DefinitionKind[Any], request: Any) -> int | None:
    return request.version or None if kind.type is FeatureDefinition else None


def _check_names(request: pb.ListFeaturesRequest) -> None:
    if len(request.names) > MAX_DEFINITIONS_PER_CALL:
        raise InvalidInput(
            f"names holds {len(request.names)}; at most {MAX_DEFINITIONS_PER_CALL} fit one call, split the list",
            reason=Reason.LIMIT_EXCEEDED,
            field="names",
        )
    if request.entity_type or request.group:
        raise InvalidInput("names stands alone; leave out entity_type and group", field="names")


def _key(feature: FeatureDefinition) -> str:
    return version_key(feature.name, feature.version)


async def _served_by_ingest(_: bytes, __: Call) -> NoReturn:
    raise FailedPrecondition(
        "definitions and entities are registered at the ingest service; send the call there",
        reason=Reason.SERVED_BY_INGEST,
    )
