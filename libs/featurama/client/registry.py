"""Definitions and entities over gRPC. Registrations go to the ingest service, reads to the online service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, cast

from featurama import wire
from featurama.client.splitting import in_parts
from featurama.client.stubs import Calling
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.api.primitives import MAX_DEFINITIONS_PER_CALL, D
from featurama_core.types.references import FeatureSelection
from featurama_core.types.schema import Definition, Entity, EntityType, FeatureDefinition, Use, in_order

_PAGE = 1_000
_REQUEST_BYTES = 2 * 1024 * 1024


class RegistryCalls(Calling):
    """The primitives on definitions and entities."""

    async def _define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        # What a definition names is sent before it, since each request is registered alone.
        order = sorted(range(len(definitions)), key=lambda at: in_order(definitions[at]))
        stored: dict[int, Definition] = {}
        for places, request in self._definition_requests(definitions, order):
            answer = await self._registered("RegisterDefinitions", request)
            stored.update(zip(places, map(wire.definition_from_proto, answer.definitions), strict=True))
        return [stored[at] for at in range(len(definitions))]

    def _definition_requests(
        self, definitions: Sequence[Definition], order: Sequence[int]
    ) -> Iterator[tuple[list[int], pb.RegisterDefinitionsRequest]]:
        """(positions, request), each within the limits of a call."""
        places: list[int] = []
        request = pb.RegisterDefinitionsRequest(namespace=self.namespace)
        size = 0
        for at in order:
            message = wire.definition_to_proto(definitions[at])
            if places and (len(places) == MAX_DEFINITIONS_PER_CALL or size + message.ByteSize() > _REQUEST_BYTES):
                yield places, request
                places, request, size = [], pb.RegisterDefinitionsRequest(namespace=self.namespace), 0
            places.append(at)
            request.definitions.append(message)
            size += message.ByteSize()
        yield places, request

    async def _get_definition(self, kind: type[D], name: str, version: int | None) -> D:
        row = wire.definition_kind(kind)
        request = row.request("Get")(namespace=self.namespace, name=name, **_version(kind, version))
        return row.read(await self._looked_up(row.call("Get"), request))

    async def _types_of(self, features: FeatureSelection) -> list[EntityType]:
        filters = {"features": features.references, "feature_service": features.service or ""}
        return await self._listed(EntityType, filters)

    async def _list_definitions(
        self, kind: type[D], *, entity_type: str | None, group: str | None, all_versions: bool
    ) -> list[D]:
        filters: dict[str, Any] = {}
        if kind is FeatureDefinition:
            filters = {"entity_type": entity_type or "", "group": group or "", "all_versions": all_versions}
        return await self._listed(kind, filters)

    async def _listed(self, kind: type[D], filters: Mapping[str, Any]) -> list[D]:
        row = wire.definition_kind(kind)
        found: list[D] = []
        token = ""
        while True:
            request = row.request("List")(namespace=self.namespace, page_size=_PAGE, page_token=token, **filters)
            answer = await self._looked_up(row.call("List"), request)
            found += row.read_page(answer)
            token = answer.next_page_token
            if not token:
                return found

    async def _deprecate(self, kind: type[D], name: str, version: int | None) -> D:
        row = wire.definition_kind(kind)
        request = row.request("Deprecate")(namespace=self.namespace, name=name, **_version(kind, version))
        return row.read(await self._registered(row.call("Deprecate"), request))

    async def _restore(self, kind: type[D], name: str, version: int | None) -> D:
        key = wire.definition_key(kind, name, version)
        request = pb.RestoreDefinitionRequest(namespace=self.namespace, key=key)
        return cast("D", wire.definition_from_proto((await self._registered("RestoreDefinition", request)).definition))

    async def _delete_definition(self, kind: type[D], name: str, version: int | None) -> D:
        key = wire.definition_key(kind, name, version)
        request = pb.DeleteDefinitionRequest(namespace=self.namespace, key=key)
        return cast("D", wire.definition_from_proto((await self._registered("DeleteDefinition", request)).definition))

    async def _uses(self, kind: type[Definition], name: str, version: int | None) -> list[Use]:
        key = wire.definition_key(kind, name, version)
        request = pb.ListDefinitionUsesRequest(namespace=self.namespace, key=key)
        answer = await self._looked_up("ListDefinitionUses", request)
        return [Use(each.kind, each.name, each.reference) for each in answer.uses]

    async def _put_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        sent = [wire.to_proto(each) for each in entities]

        async def register(start: int, stop: int) -> list[Entity]:
            request = pb.RegisterEntitiesRequest(namespace=self.namespace, entities=sent[start:stop])
            answer = await self._registered("RegisterEntities", request)
            return [wire.from_proto(Entity, each) for each in answer.entities]

        ids = [each.entity_id for each in entities]
        parts = await in_parts(len(sent), len(sent), ids, register, lambda _: register)
        return list(chain.from_iterable(parts))

    async def _get_entity(self, entity_id: str) -> Entity:
        request = pb.GetEntityRequest(namespace=self.namespace, entity_id=entity_id)
        return wire.from_proto(Entity, (await self._looked_up("GetEntity", request)).entity)

    async def _page_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        request = pb.ListEntitiesRequest(
            namespace=self.namespace, page_size=min(limit, _PAGE), page_token=after or "", entity_type=entity_type
        )
        answer = await self._looked_up("ListEntities", request)
        return [wire.from_proto(Entity, each) for each in answer.entities], answer.next_page_token or None

    async def _registered(self, rpc: str, request: Any) -> Any:
        stubs = self._open
        return await stubs.ingest.call(getattr(stubs.registry, rpc), request, writes=True)

    async def _looked_up(self, rpc: str, request: Any) -> Any:
        stubs = self._open
        return await stubs.online.call(getattr(stubs.definitions, rpc), request)


def _version(kind: type[Any], version: int | None) -> dict[str, int]:
    return {"version": version or 0} if kind is FeatureDefinition else {}
