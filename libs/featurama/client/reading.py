"""Reads over gRPC. Requests and answers above the limits of a call are split (`in_parts`) and joined in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from featurama import wire
from featurama.client.answers import joined, reading_answer
from featurama.client.splitting import Part, answered, in_parts
from featurama.client.stubs import Calling
from featurama.client.versions import pinned, pinned_at
from featurama.v1 import columns_pb2
from featurama.v1 import online_service_pb2 as pb
from featurama_core.api.primitives import Consistency, DatasetSource, HistoryRange
from featurama_core.frames.results import FeatureHistory
from featurama_core.types.column import Column
from featurama_core.types.errors import FeaturamaError, Reason
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import NO_ROLE, Role, RowEntities
from featurama_core.types.times import MAX_TIME, MIN_TIME, KnownAt
from featurama_core.types.values import Int64Array

if TYPE_CHECKING:
    from featurama_core.datasets.request import DatasetRequest
    from featurama_core.datasets.spine_sources import SpineSource
    from featurama_core.frames.spine import SpineColumns

MAX_ONLINE_ENTITIES = 10_000
MAX_LABEL_ROWS = 100_000

_CONSISTENCY = {
    None: columns_pb2.CONSISTENCY_UNSPECIFIED,
    "LOCAL_QUORUM": columns_pb2.CONSISTENCY_LOCAL_QUORUM,
    "LOCAL_ONE": columns_pb2.CONSISTENCY_LOCAL_ONE,
}


class ReadCalls(Calling):
    """The primitives that read values."""

    async def _read_online(
        self,
        entities: RowEntities,
        features: FeatureSelection,
        *,
        consistency: Consistency | None,
        event_times: bool,
    ) -> tuple[list[Column], int]:
        request = pb.GetOnlineFeaturesRequest(
            namespace=self.namespace,
            feature_service=features.service or "",
            features=features.references,
            include_event_times=event_times,
            consistency=_CONSISTENCY[consistency],
            ttl_revisions=dict(features.ttl_revisions),
        )

        async def read(start: int, stop: int) -> tuple[list[Column], int]:
            return await self._online(request, entities.cut(start, stop), features.roles)

        def pin(first: tuple[list[Column], int]) -> Part[tuple[list[Column], int]]:
            # The same versions in every part, whatever is registered meanwhile.
            chosen = pinned(features, first[0])
            request.feature_service, request.features[:] = chosen.service or "", chosen.references
            return read

        most = MAX_ONLINE_ENTITIES // len(entities.of_role)
        answers = await in_parts(len(entities), most, _named(entities), read, pin)
        columns = joined([columns for columns, _ in answers], self._open.online.target)
        return columns, min(as_of for _, as_of in answers)

    async def _read_all(self, entity_id: str) -> tuple[list[Column], int]:
        request = pb.GetOnlineFeaturesRequest(
            namespace=self.namespace, all_features=True, include_event_times=True, include_statuses=True
        )

        async def read(*_: int) -> tuple[list[Column], int]:
            return await self._online(request, RowEntities.of([entity_id]), ())

        return (await answered(1, [entity_id], read))[1]

    async def _page_history(
        self, entity_id: str, feature: str, wanted: HistoryRange, page_size: int, page_token: str
    ) -> FeatureHistory:
        stubs = self._open
        request = pb.GetFeatureHistoryRequest(
            namespace=self.namespace,
            entity_id=entity_id,
            feature=feature,
            start_time=None if wanted.start == MIN_TIME else wire.to_timestamp(wanted.start),
            end_time=None if wanted.end == MAX_TIME else wire.to_timestamp(wanted.end),
            limit=wanted.limit or 0,
            include_corrections=wanted.corrections,
            page_token=page_token,
        )

        async def read(_: int, size: int) -> FeatureHistory:
            request.page_size = size
            answer = await stubs.online.call(stubs.reads.GetFeatureHistory, request)
            with reading_answer(stubs.online.target):
                return wire.history_page_from_proto(answer, entity_id)

        return (await answered(page_size, [entity_id], read))[1]

    async def _read_as_of(
        self, entities: RowEntities, event_time: Int64Array | None, features: FeatureSelection, known_at: KnownAt
    ) -> tuple[list[Column], int]:
        if event_time is None and known_at is None:
            return await self._read_online(entities, features, consistency=None, event_times=True)

        async def read(start: int, stop: int) -> list[wire.HistoricalChunk]:
            times = None if event_time is None else event_time[start:stop]
            rows = wire.SentEntities(entities.cut(start, stop))
            return await self._label_rows(
                wire.HistoricalRequest(self.namespace, rows, times, features, known_at, False)
            )

        async def first(start: int, stop: int) -> list[wire.HistoricalChunk]:
            nonlocal features
            if known_at == "label" and event_time is not None and stop < len(entities):
                # The newest row decides the versions, and a part may lack it.
                features = await pinned_at(self, features, int(event_time.max()), entities.of_role)
            return await read(start, stop)

        def pin(chunks: list[wire.HistoricalChunk]) -> Part[list[wire.HistoricalChunk]]:
            nonlocal features
            features = pinned(features, chunks[0].columns)
            return read

        most = MAX_LABEL_ROWS // len(entities.of_role)
        answers = await in_parts(len(entities), most, _named(entities), first, pin)
        chunks = list(chain.from_iterable(answers))
        columns = joined([chunk.columns for chunk in chunks], self._open.online.target)
        return columns, min(chunk.as_of_time for chunk in chunks)

    async def _dataset_source(
        self, request: DatasetRequest, source: SpineSource, columns: SpineColumns, *, at_now: bool, now: int
    ) -> DatasetSource:
        from featurama.client.training_sets import dataset_source

        return await dataset_source(self, request, source, columns, at_now=at_now, now=now)

    async def _online(
        self, request: pb.GetOnlineFeaturesRequest, entities: RowEntities, roles: Sequence[Role]
    ) -> tuple[list[Column], int]:
        stubs = self._open
        message = pb.GetOnlineFeaturesRequest()
        message.CopyFrom(request)
        wire.put_entities(message, entities, roles)
        data = await stubs.online.call(stubs.get_online_features, message.SerializeToString())
        with reading_answer(stubs.online.target):
            return wire.parse_get_online_features_response(data, len(entities))

    async def _label_rows(self, request: wire.HistoricalRequest) -> list[wire.HistoricalChunk]:
        stubs = self._open
        data = wire.historical_request_to_wire(request).SerializeToString()
        answers = await stubs.online.collect(stubs.get_historical_features, data)
        with reading_answer(stubs.online.target):
            chunks = [wire.parse_get_historical_features_response(answer) for answer in answers]
        rows = 0
        for chunk in chunks:
            if chunk.first_row != rows:
                break
            rows += chunk.rows
        if rows != request.entities.rows:
            raise FeaturamaError(
                f"the answer of {stubs.online.target} is not complete; send the request again", reason=Reason.INTERNAL
            )
        return chunks


def _named(entities: RowEntities) -> Sequence[str]:
    """The ids for the error of a row; () if rows name several entities."""
    return [each or "" for each in entities.of_role.get(NO_ROLE, ())]
