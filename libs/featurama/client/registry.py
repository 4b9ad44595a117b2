"""Definitions and entities over gRPC. Registrations go to the ingest service, reads to the online service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, cast

from featurama import wire
from featurama.client.splitting import in_parts
from featurama.client.stubs import Calling
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.api.primitives import MAX_DEFINITIONS_PER_CALL, D, Update
from featurama_core.types.references import FeatureSelection
from featurama_core.types.schema import Definition, Entity, EntityType, FeatureDefinition, Use, in_order

_PAGE = 1_000


class RegistryCalls(Calling):
    """The primitives on definitions and entities."""

    async def _define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        # What a definition names is sent before it, since each request is registered alone.
        order = sorted(range(len(definitions)), key=lambda at: in_order(definitions[at]))
        sent = [wire.definition_to_proto(definitions[at]) for at in order]

        async def register(start: int, stop: int) -> list[Definition]:
            request = pb.RegisterDefinitionsRequest(namespace=self.namespace, definitions=sent[start:stop])
            answer = await self._registered("RegisterDefinitions", request)
            return [wire.definition_from_proto(each) for each in answer.definitions]

        parts = await in_parts(len(sent), MAX_DEFINITIONS_PER_CALL, [], register, lambda _: register, in_turn=True)
        stored = dict(zip(order, chain.from_iterable(parts), strict=True))
        return [stored[at] for at in range(len(definitions))]

    async def _get_definition(self, kind: type[D], name: str, version: int | None) -> D:
        row = wire.definition_kind(kind)
        request = row.request("Get")(namespace=self.namespace, name=name, **_version(kind, version))
        return row.read(await self._looked_up(row.call("Get"), request))

    async def _types_of(self, features: FeatureSelection) -> list[EntityType]:
        filters = {"features": features.references, "feature_service": features.service or ""}
        return await self._listed(EntityType, **filters)

    async def _list_definitions(self, kind: type[D]) -> list[D]:
        return await self._listed(kind)

    async def _listed(self, kind: type[D], **filters: Any) -> list[D]:
        found: list[D] = []
        token = ""
        while True:
            page, token = await self._page(kind, token, _PAGE, **filters)
            found += page
            if not token:
                return found

    async def _page_features(
        self, entity_type: str | None, group: str | None, after: str | None, limit: int, *, all_versions: bool
    ) -> tuple[list[FeatureDefinition], str | None]:
        filters = {"entity_type": entity_type or "", "group": group or "", "all_versions": all_versions}
        page, token = await self._page(FeatureDefinition, after or "", min(limit, _PAGE), **filters)
        return page, token or None

    async def _find_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        found: list[FeatureDefinition] = []
        token = ""
        while True:
            page, token = await self._page(FeatureDefinition, token, _PAGE, names=names, all_versions=True)
            found += page
            if not token:
                return found

    async def _page(self, kind: type[D], token: str, size: int, **filters: Any) -> tuple[list[D], str]:
        row = wire.definition_kind(kind)
        request = row.request("List")(namespace=self.namespace, page_size=size, page_token=token, **filters)
        answer = await self._looked_up(row.call("List"), request)
        return row.read_page(answer), answer.next_page_token

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

    async def _update_definition(
        self, kind: type[D], name: str, version: int | None, changes: Mapping[str, Any], update: Update
    ) -> tuple[D, int]:
        request = wire.update_request(kind, name, version, changes, update)
        request.namespace = self.namespace
        answer = await self._registered("UpdateDefinition", request)
        return cast("D", wire.definition_from_proto(answer.definition)), answer.values_lost

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
