"""The reading calls of RegistryService; online and ingest both serve them."""

from __future__ import annotations

from collections.abc import Mapping

from featurama import wire
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_service.calls import Call
from featurama_service.methods import Method, unary
from featurama_service.rpc.catalogue import Catalogues
from featurama_service.rpc.pages import key_before, page_length, page_of, token_after


class RegistryReads:
    """Get and list: definitions and entities."""

    def __init__(self, stores: Catalogues) -> None:
        self._stores = stores

    def methods(self) -> Mapping[str, Method]:
        """By the name of the rpc."""
        return {
            "GetEntityType": unary(pb.GetEntityTypeRequest.FromString, self.get_entity_type),
            "ListEntityTypes": unary(pb.ListEntityTypesRequest.FromString, self.list_entity_types),
            "GetFeatureGroup": unary(pb.GetFeatureGroupRequest.FromString, self.get_feature_group),
            "ListFeatureGroups": unary(pb.ListFeatureGroupsRequest.FromString, self.list_feature_groups),
            "GetFeature": unary(pb.GetFeatureRequest.FromString, self.get_feature),
            "ListFeatures": unary(pb.ListFeaturesRequest.FromString, self.list_features),
            "GetFeatureService": unary(pb.GetFeatureServiceRequest.FromString, self.get_feature_service),
            "ListFeatureServices": unary(pb.ListFeatureServicesRequest.FromString, self.list_feature_services),
            "GetEntity": unary(pb.GetEntityRequest.FromString, self.get_entity),
            "ListEntities": unary(pb.ListEntitiesRequest.FromString, self.list_entities),
        }

    async def get_entity_type(self, request: pb.GetEntityTypeRequest, _: Call) -> pb.GetEntityTypeResponse:
        """One entity type."""
        store = await self._stores.get(request.namespace)
        found = await store.get_entity_type(request.name)
        return pb.GetEntityTypeResponse(entity_type=wire.entity_type_to_proto(found))

    async def list_entity_types(self, request: pb.ListEntityTypesRequest, call: Call) -> pb.ListEntityTypesResponse:
        """A page of entity types."""
        store = await self._stores.get(request.namespace)
        page, next_token = page_of(
            await store.list_entity_types(),
            lambda each: each.name,
            scope="entity_types",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        call.rows = len(page)
        return pb.ListEntityTypesResponse(
            entity_types=[wire.entity_type_to_proto(each) for each in page], next_page_token=next_token
        )

    async def get_feature_group(self, request: pb.GetFeatureGroupRequest, _: Call) -> pb.GetFeatureGroupResponse:
        """One feature group."""
        store = await self._stores.get(request.namespace)
        found = await store.get_feature_group(request.name)
        return pb.GetFeatureGroupResponse(feature_group=wire.feature_group_to_proto(found))

    async def list_feature_groups(
        self, request: pb.ListFeatureGroupsRequest, call: Call
    ) -> pb.ListFeatureGroupsResponse:
        """A page of feature groups."""
        store = await self._stores.get(request.namespace)
        page, next_token = page_of(
            await store.list_feature_groups(),
            lambda each: each.name,
            scope="feature_groups",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        call.rows = len(page)
        return pb.ListFeatureGroupsResponse(
            feature_groups=[wire.feature_group_to_proto(each) for each in page], next_page_token=next_token
        )

    async def get_feature(self, request: pb.GetFeatureRequest, _: Call) -> pb.GetFeatureResponse:
        """One version of a feature, or the newest."""
        store = await self._stores.get(request.namespace)
        found = await store.get_feature(request.name, request.version or None)
        return pb.GetFeatureResponse(feature=wire.feature_to_proto(found))

    async def list_features(self, request: pb.ListFeaturesRequest, call: Call) -> pb.ListFeaturesResponse:
        """A page of features, by name and version."""
        store = await self._stores.get(request.namespace)
        listed = await store.list_features(
            entity_type=request.entity_type or None,
            group=request.group or None,
            all_versions=request.all_versions,
        )
        page, next_token = page_of(
            listed,
            # A name holds nothing below "_", so the separator keeps the order of names; versions are padded.
            lambda each: f"{each.name} {each.version:010}",
            scope=f"features {request.entity_type} {request.group} {request.all_versions}",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        call.rows = len(page)
        return pb.ListFeaturesResponse(
            features=[wire.feature_to_proto(each) for each in page], next_page_token=next_token
        )

    async def get_feature_service(self, request: pb.GetFeatureServiceRequest, _: Call) -> pb.GetFeatureServiceResponse:
        """One feature service."""
        store = await self._stores.get(request.namespace)
        found = await store.get_feature_service(request.name)
        return pb.GetFeatureServiceResponse(feature_service=wire.feature_service_to_proto(found))

    async def list_feature_services(
        self, request: pb.ListFeatureServicesRequest, call: Call
    ) -> pb.ListFeatureServicesResponse:
        """A page of feature services."""
        store = await self._stores.get(request.namespace)
        page, next_token = page_of(
            await store.list_feature_services(),
            lambda each: each.name,
            scope="feature_services",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        call.rows = len(page)
        return pb.ListFeatureServicesResponse(
            feature_services=[wire.feature_service_to_proto(each) for each in page],
            next_page_token=next_token,
        )

    async def get_entity(self, request: pb.GetEntityRequest, _: Call) -> pb.GetEntityResponse:
        """A registered entity."""
        store = await self._stores.get(request.namespace)
        return pb.GetEntityResponse(entity=wire.entity_to_proto(await store.get_entity(request.entity_id)))

    async def list_entities(self, request: pb.ListEntitiesRequest, call: Call) -> pb.ListEntitiesResponse:
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
