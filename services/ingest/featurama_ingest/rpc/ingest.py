"""IngestService: requests -> FeatureStore -> verdicts.

A write ends within `write_deadline`, also if its client allows more time: a settled `known_at` relies on it.
"""

from __future__ import annotations

import asyncio

from featurama import wire
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.stores import Stores
from featurama_core.types.writes import WriteReport, WriteRequest
from featurama_ingest.rpc.reports import reported
from featurama_ingest.rpc.stream import acknowledge_chunks
from featurama_service.calls import Call, Reply
from featurama_service.methods import Service, bidirectional, unary


class IngestServicer:
    """Writes and deletes values for clients. write_deadline: seconds; stream_window: chunks in flight per stream."""

    def __init__(self, stores: Stores, *, write_deadline: float, stream_window: int) -> None:
        self._stores = stores
        self._write_deadline = write_deadline
        self._stream_window = stream_window

    def service(self) -> Service:
        """The service with all its methods."""
        return Service(
            pb.DESCRIPTOR.services_by_name["IngestService"],
            {
                "WriteFeatures": unary(wire.parse_write_features_request, self.write_features, weigh=wire.weigh_write),
                "BeginImport": unary(wire.requests(pb.BeginImportRequest), self.begin_import),
                "StreamFeatures": bidirectional(self.stream_features),
                "DeleteEntity": unary(wire.requests(pb.DeleteEntityRequest), self.delete_entity),
                "DeleteFeatureValues": unary(wire.requests(pb.DeleteFeatureValuesRequest), self.delete_feature_values),
            },
        )

    async def write_features(self, request: tuple[str, WriteRequest], call: Call) -> Reply:
        """Write rows. The response has a verdict for each row that is not accepted."""
        namespace, rows = request
        call.rows = len(rows)
        return await reported(await self.write(namespace, rows), call)

    async def begin_import(self, request: pb.BeginImportRequest, call: Call) -> Reply:
        """Begin an import of old history."""
        call.rows = len(request.features)
        scope = wire.import_scope_from_proto(request)
        store = await self._stores.get(request.namespace)
        return pb.BeginImportResponse(import_number=await store.begin_import(scope, request.import_id))

    async def stream_features(self, call: Call) -> None:
        """Write chunks and acknowledge them in order."""
        await acknowledge_chunks(call, self.write, window=self._stream_window)

    async def delete_entity(self, request: pb.DeleteEntityRequest, call: Call) -> Reply:
        """Delete all values of an entity permanently."""
        call.rows = 1
        through = _deleted_through(request)
        store = await self._stores.get(request.namespace)
        deletion = await store.delete_entity(
            wire.entity_name(request), through, entity_type=request.entity_type or None
        )
        return pb.DeleteEntityResponse(
            deleted_through_time=wire.to_timestamp(deletion.deleted_through),
            cleaned=deletion.cleaned,
            found=deletion.found,
        )

    async def delete_feature_values(self, request: pb.DeleteFeatureValuesRequest, call: Call) -> Reply:
        """Delete the values of some features of an entity permanently."""
        call.rows = len(request.features)
        through = _deleted_through(request)
        store = await self._stores.get(request.namespace)
        deletion = await store.delete_feature_values(wire.entity_name(request), list(request.features), through)
        return pb.DeleteFeatureValuesResponse(
            deleted_through_time=wire.to_timestamp(deletion.deleted_through),
            cleaned=deletion.cleaned,
            found=deletion.found,
        )

    async def write(self, namespace: str, rows: WriteRequest) -> WriteReport:
        """Write to the store of a namespace, within the write deadline."""
        async with asyncio.timeout(self._write_deadline):
            store = await self._stores.get(namespace)
            return await store.write(rows)


def _deleted_through(request: pb.DeleteEntityRequest | pb.DeleteFeatureValuesRequest) -> int | None:
    if not request.HasField("deleted_through_time"):
        return None
    return wire.from_timestamp(request.deleted_through_time, "deleted_through_time")
