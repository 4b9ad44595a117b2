"""The write calls of RegistryService, and the complete service.

A read-only service answers write calls with SERVED_BY_INGEST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

from featurama import wire
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.api.primitives import MAX_ENTITIES_PER_CALL
from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, check_entity_ids
from featurama_core.types.schema import FeatureDefinition
from featurama_service.calls import Call, Reply
from featurama_service.methods import Method, Service, unary
from featurama_service.rpc.registry_reads import OpensStores, RegistryReads

_DESCRIPTOR = pb.DESCRIPTOR.services_by_name["RegistryService"]


class RegistryWrites:
    """Register and deprecate. Fields that the server sets (deprecated, times) are ignored in requests."""

    def __init__(self, stores: OpensStores) -> None:
        self._stores = stores

    def methods(self) -> Mapping[str, Method]:
        """By the name of the rpc."""
        methods = {"RegisterEntities": unary(pb.RegisterEntitiesRequest.FromString, self.register_entities)}
        for kind in wire.DEFINITION_KINDS:
            for verb, behaviour in (("Register", self.register), ("Deprecate", self.deprecate)):
                methods[kind.call(verb)] = unary(kind.request(verb).FromString, partial(behaviour, kind))
        return methods

    async def register(self, kind: wire.DefinitionKind[Any], request: Any, _: Call) -> Reply:
        """Register a definition. An equal definition changes nothing; the store decides which fields may change."""
        store = await self._stores.get(request.namespace)
        wanted = replace(kind.read(request), deprecated=False, created_at=0)
        return kind.response("Register", await store.define(wanted))

    async def deprecate(self, kind: wire.DefinitionKind[Any], request: Any, _: Call) -> Reply:
        """Deprecate a definition."""
        store = await self._stores.get(request.namespace)
        version = request.version or None if kind.type is FeatureDefinition else None
        return kind.response("Deprecate", await store.deprecate(kind.type, request.name, version))

    async def register_entities(self, request: pb.RegisterEntitiesRequest, call: Call) -> Reply:
        """Register up to 1,000 entities, or replace their names and metadata."""
        call.rows = len(request.entities)
        store = await self._stores.get(request.namespace)
        wanted = [wire.entity_from_proto(each) for each in request.entities]
        check_entity_ids([each.entity_id for each in wanted], limit=MAX_ENTITIES_PER_CALL)
        stored = await store.register_entities(
            [replace(each, entity_type=each.entity_type or DEFAULT_ENTITY_TYPE) for each in wanted]
        )
        return pb.RegisterEntitiesResponse(entities=[wire.entity_to_proto(each) for each in stored])


def registry_service(stores: OpensStores) -> Service:
    """The complete RegistryService, for ingest."""
    return Service(_DESCRIPTOR, {**RegistryReads(stores).methods(), **RegistryWrites(stores).methods()})


def reading_registry_service(stores: OpensStores) -> Service:
    """RegistryService that refuses write calls with SERVED_BY_INGEST, for online."""
    refused = {name: unary(bytes, _served_by_ingest) for name in RegistryWrites(stores).methods()}
    return Service(_DESCRIPTOR, {**RegistryReads(stores).methods(), **refused})


async def _served_by_ingest(_: bytes, __: Call) -> NoReturn:
    raise FailedPrecondition(
        "definitions and entities are registered at the ingest service; send the call there",
        reason=Reason.SERVED_BY_INGEST,
    )
