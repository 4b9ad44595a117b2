"""The read calls of RegistryService, served by online and ingest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from featurama import wire
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.api import FeatureStore
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.schema import FeatureDefinition
from featurama_service.calls import Call, Reply
from featurama_service.methods import Method, unary
from featurama_service.rpc.pages import key_before, page_length, page_of, token_after


class OpensStores(Protocol):
    """Opens the store of a namespace; `featurama_core.store.Stores` is one."""

    async def get(self, namespace: str) -> FeatureStore:
        """The store of a namespace, "" for the default one. Raises UNKNOWN_NAMESPACE."""


class RegistryReads:
    """Get and list: definitions and entities."""

    def __init__(self, stores: OpensStores) -> None:
        self._stores = stores

    def methods(self) -> Mapping[str, Method]:
        """By the name of the rpc."""
        methods = {
            "GetEntity": unary(pb.GetEntityRequest.FromString, self.get_entity),
            "ListEntities": unary(pb.ListEntitiesRequest.FromString, self.list_entities),
        }
        for kind in wire.DEFINITION_KINDS:
            methods[kind.call("Get")] = unary(kind.request("Get").FromString, partial(self.get_definition, kind))
            methods[kind.call("List")] = unary(kind.request("List").FromString, partial(self.list_definitions, kind))
        return methods

    async def get_definition(self, kind: wire.DefinitionKind[Any], request: Any, _: Call) -> Reply:
        """One definition; of a feature one version, or the newest."""
        store = await self._stores.get(request.namespace)
        version = request.version or None if kind.type is FeatureDefinition else None
        return kind.response("Get", await store.get_definition(kind.type, request.name, version))

    async def list_definitions(self, kind: wire.DefinitionKind[Any], request: Any, call: Call) -> Reply:
        """A page of the definitions of a kind, sorted by name and version."""
        store = await self._stores.get(request.namespace)
        scope = f"{kind.field}s"
        if kind.type is FeatureDefinition:
            scope = f"{scope} {request.entity_type} {request.group} {request.all_versions}"
            listed = await store.list_features(
                entity_type=request.entity_type or None,
                group=request.group or None,
                all_versions=request.all_versions,
            )
        else:
            listed = await store.list_definitions(kind.type)
        page, next_token = page_of(
            listed, _key, scope=scope, page_size=request.page_size, page_token=request.page_token
        )
        call.rows = len(page)
        return kind.page(page, next_token)

    async def get_entity(self, request: pb.GetEntityRequest, _: Call) -> Reply:
        """A registered entity."""
        store = await self._stores.get(request.namespace)
        return pb.GetEntityResponse(entity=wire.entity_to_proto(await store.get_entity(request.entity_id)))

    async def list_entities(self, request: pb.ListEntitiesRequest, call: Call) -> Reply:
        """A page of the entities of a type, in the store's order."""
        store = await self._stores.get(request.namespace)
        entity_type = request.entity_type or DEFAULT_ENTITY_TYPE
        scope = f"entities {entity_type}"
        page, after = await store.page_entities(
            entity_type, key_before(scope, request.page_token), page_length(request.page_size)
        )
        call.rows = len(page)
        return pb.ListEntitiesResponse(
            entities=[wire.entity_to_proto(each) for each in page],
            next_page_token="" if after is None else token_after(scope, after),
        )


def _key(definition: Any) -> str:
    """The key of a definition in page tokens."""
    # Characters of a name are not below "_", so the separator keeps the order of names; versions are padded.
    return f"{definition.name} {getattr(definition, 'version', 0):010}"
