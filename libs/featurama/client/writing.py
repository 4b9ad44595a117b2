"""Writes and deletions over gRPC. Every write has a request id, so that it can be sent again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice

from featurama import wire
from featurama.client.streaming import ChunkStream
from featurama.client.stubs import Calling
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.frames.report import FrameSending, PreparedWrite
from featurama_core.types.errors import FeaturamaError, InvalidInput
from featurama_core.types.imports import ImportScope
from featurama_core.types.sizes import excess
from featurama_core.types.writes import Deletion, WriteReport, WriteRequest


class WriteCalls(Calling):
    """The primitives that write and delete."""

    async def _write(self, request: WriteRequest) -> WriteReport:
        try:
            data = wire.write_request_to_wire(request, self.namespace).SerializeToString()
        except UnicodeEncodeError as error:
            raise InvalidInput("an id or a text is not valid Unicode") from error
        stubs = self._open
        answer = await stubs.ingest.call(stubs.write_features, data, writes=True)
        return wire.write_report_from_proto(answer)

    async def _begin_import(self, scope: ImportScope, import_id: str) -> int:
        request = wire.import_scope_to_proto(scope, import_id, self.namespace)
        stubs = self._open
        answer = await stubs.ingest.call(stubs.imports.BeginImport, request, writes=True)
        return answer.import_number

    async def _write_all(self, requests: Iterable[PreparedWrite], sending: FrameSending) -> None:
        """One call for one request, a stream for several."""
        rest = iter(requests)
        head = list(islice(rest, 2))
        if len(head) == 1:
            try:
                sending.settle(head[0], await self._write(head[0].request))
                return
            except InvalidInput as error:
                # The stream leaves out the rows that are above a message.
                if excess(error) is None:
                    raise
        if not head:
            return
        stubs, unsent = self._open, chain(head, rest)
        chunks = ChunkStream(stubs.ingest, stubs.stream_features, self.namespace, unsent, sending)
        try:
            await chunks.run()
        except FeaturamaError as error:
            if not sending.stored:
                raise
            sending.give_up(chunks.unsettled, unsent, error)

    async def _delete(self, entity_id: str, features: Sequence[str], deleted_through: int | None) -> Deletion:
        stubs = self._open
        through = None if deleted_through is None else wire.to_timestamp(deleted_through)
        answer: pb.DeleteEntityResponse | pb.DeleteFeatureValuesResponse
        if features:
            some = pb.DeleteFeatureValuesRequest(
                namespace=self.namespace, entity_id=entity_id, features=features, deleted_through_time=through
            )
            answer = await stubs.ingest.call(stubs.deletes.DeleteFeatureValues, some, writes=True)
        else:
            whole = pb.DeleteEntityRequest(namespace=self.namespace, entity_id=entity_id, deleted_through_time=through)
            answer = await stubs.ingest.call(stubs.deletes.DeleteEntity, whole, writes=True)
        return Deletion(wire.from_timestamp(answer.deleted_through_time), answer.cleaned, answer.found)
