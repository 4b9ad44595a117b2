"""The writing calls of RegistryService, and the service made of both halves.

A service that only reads answers the writing calls with SERVED_BY_INGEST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

from featurama import wire
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_service.calls import Call
from featurama_service.methods import Method, Service, unary
from featurama_service.rpc.catalogue import Catalogues
from featurama_service.rpc.registry_reads import RegistryReads

_DESCRIPTOR = pb.DESCRIPTOR.services_by_name["RegistryService"]


class RegistryWrites:
    """Register and deprecate. What the server sets (deprecated, times) is not taken from a client."""

    def __init__(self, stores: Catalogues) -> None:
        self._stores = stores

    def methods(self) -> Mapping[str, Method]:
        """By the name of the rpc."""
        return {
            "RegisterEntityType": unary(pb.RegisterEntityTypeRequest.FromString, self.register_entity_type),
            "DeprecateEntityType": unary(pb.DeprecateEntityTypeRequest.FromString, self.deprecate_entity_type),
            "RegisterFeatureGroup": unary(pb.RegisterFeatureGroupRequest.FromString, self.register_feature_group),
            "DeprecateFeatureGroup": unary(pb.DeprecateFeatureGroupRequest.FromString, self.deprecate_feature_group),
            "RegisterFeature": unary(pb.RegisterFeatureRequest.FromString, self.register_feature),
            "DeprecateFeature": unary(pb.DeprecateFeatureRequest.FromString, self.deprecate_feature),
            "RegisterFeatureService": unary(pb.RegisterFeatureServiceRequest.FromString, self.register_feature_service),
            "DeprecateFeatureService": unary(
                pb.DeprecateFeatureServiceRequest.FromString, self.deprecate_feature_service
            ),
            "RegisterEntities": unary(pb.RegisterEntitiesRequest.FromString, self.register_entities),
        }

    async def register_entity_type(
        self, request: pb.RegisterEntityTypeRequest, _: Call
    ) -> pb.RegisterEntityTypeResponse:
        """The same again changes nothing."""
        store = await self._stores.get(request.namespace)
        wanted = wire.entity_type_from_proto(request.entity_type)
        stored = await store.define(replace(wanted, deprecated=False, created_at=0))
        return pb.RegisterEntityTypeResponse(entity_type=wire.entity_type_to_proto(stored))

    async def deprecate_entity_type(
        self, request: pb.DeprecateEntityTypeRequest, _: Call
    ) -> pb.DeprecateEntityTypeResponse:
        """Not to be used for anything new."""
        store = await self._stores.get(request.namespace)
        stored = await store.deprecate_entity_type(request.name)
        return pb.DeprecateEntityTypeResponse(entity_type=wire.entity_type_to_proto(stored))

    async def register_feature_group(
        self, request: pb.RegisterFeatureGroupRequest, _: Call
    ) -> pb.RegisterFeatureGroupResponse:
        """The same again changes nothing; retention may fall, buckets may rise."""
        store = await self._stores.get(request.namespace)
        wanted = wire.feature_group_from_proto(request.feature_group)
        stored = await store.define(replace(wanted, deprecated=False, created_at=0))
        return pb.RegisterFeatureGroupResponse(feature_group=wire.feature_group_to_proto(stored))

    async def deprecate_feature_group(
        self, request: pb.DeprecateFeatureGroupRequest, _: Call
    ) -> pb.DeprecateFeatureGroupResponse:
        """Not to be used for anything new."""
        store = await self._stores.get(request.namespace)
        stored = await store.deprecate_feature_group(request.name)
        return pb.DeprecateFeatureGroupResponse(feature_group=wire.feature_group_to_proto(stored))

    async def register_feature(self, request: pb.RegisterFeatureRequest, _: Call) -> pb.RegisterFeatureResponse:
        """A version of a feature; an empty entity type or group is the other's, or the default."""
        store = await self._stores.get(request.namespace)
        wanted = wire.feature_from_proto(request.feature)
        stored = await store.define_feature(
            replace(wanted, group=request.feature.group, deprecated=False, created_at=0)
        )
        return pb.RegisterFeatureResponse(feature=wire.feature_to_proto(stored))

    async def deprecate_feature(self, request: pb.DeprecateFeatureRequest, _: Call) -> pb.DeprecateFeatureResponse:
        """Not to be used for anything new."""
        if request.version < 1:
            raise InvalidInput("version must say which version is meant, from 1", field="version")
        store = await self._stores.get(request.namespace)
        stored = await store.deprecate_feature(request.name, request.version)
        return pb.DeprecateFeatureResponse(feature=wire.feature_to_proto(stored))

    async def register_feature_service(
        self, request: pb.RegisterFeatureServiceRequest, _: Call
    ) -> pb.RegisterFeatureServiceResponse:
        """Its references are pinned to versions."""
        store = await self._stores.get(request.namespace)
        wanted = wire.feature_service_from_proto(request.feature_service)
        stored = await store.define(replace(wanted, deprecated=False, created_at=0))
        return pb.RegisterFeatureServiceResponse(feature_service=wire.feature_service_to_proto(stored))

    async def deprecate_feature_service(
        self, request: pb.DeprecateFeatureServiceRequest, _: Call
    ) -> pb.DeprecateFeatureServiceResponse:
        """Not to be used for anything new."""
        store = await self._stores.get(request.namespace)
        stored = await store.deprecate_feature_service(request.name)
        return pb.DeprecateFeatureServiceResponse(feature_service=wire.feature_service_to_proto(stored))

    async def register_entities(self, request: pb.RegisterEntitiesRequest, call: Call) -> pb.RegisterEntitiesResponse:
        """Up to 1,000 entities, or their new names and metadata."""
        call.rows = len(request.entities)
        store = await self._stores.get(request.namespace)
        wanted = [wire.entity_from_proto(each) for each in request.entities]
        stored = await store.register_entities(
            [replace(each, entity_type=each.entity_type or DEFAULT_ENTITY_TYPE) for each in wanted]
        )
        return pb.RegisterEntitiesResponse(entities=[wire.entity_to_proto(each) for each in stored])


def registry_service(stores: Catalogues) -> Service:
    """RegistryService whole, for ingest."""
    return Service(_DESCRIPTOR, {**RegistryReads(stores).methods(), **RegistryWrites(stores).methods()})


def reading_registry_service(stores: Catalogues) -> Service:
    """RegistryService whose writing calls are refused with SERVED_BY_INGEST, for online."""
    refused = {name: unary(bytes, _served_by_ingest) for name in RegistryWrites(stores).methods()}
    return Service(_DESCRIPTOR, {**RegistryReads(stores).methods(), **refused})


async def _served_by_ingest(_: bytes, __: Call) -> NoReturn:
    raise FailedPrecondition(
        "definitions and entities are registered at the ingest service; send the call there",
        reason=Reason.SERVED_BY_INGEST,
    )
