"""The calls of OnlineService: columns as the twin, with the public message as the fallback; pages of history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurama.v1 import online_service_pb2
from featurama.wire.entities import SentEntities, entities_of, put_entities
from featurama.wire.parsing import Encoding, read_either, read_request
from featurama.wire.public import columns_from_proto, columns_to_proto
from featurama.wire.times import from_timestamp, to_timestamp
from featurama.wire.twin import answer_to_wire, columns_to_wire, times_to_wire
from featurama.wire.v1 import twin_pb2
from featurama_core.frames.results import FeatureHistory
from featurama_core.types.block import Answer
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.references import FeatureSelection
from featurama_core.types.times import KnownAt
from featurama_core.types.values import Int64Array

_READ_AT = bytes((twin_pb2.GetOnlineFeaturesResponse.DESCRIPTOR.fields_by_name["as_of_time"].number << 3 | 2,))


@dataclass(frozen=True, slots=True, eq=False)
class HistoricalRequest:
    """A request for point-in-time values of n label rows. event_time: int64[n] microseconds; None reads at now."""

    namespace: str
    entities: SentEntities
    event_time: Int64Array | None
    features: FeatureSelection
    known_at: KnownAt
    include_statuses: bool


@dataclass(frozen=True, slots=True, eq=False)
class HistoricalChunk:
    """The columns of a run of label rows."""

    first_row: int
    rows: int
    columns: Sequence[Column]
    as_of_time: int


def online_response_to_wire(
    answer: Answer, as_of_time: int, *, statuses: bool = False, event_times: bool = False
) -> bytes:
    """The bytes of an online response. statuses, event_times: as in the request."""
    read_at = to_timestamp(as_of_time).SerializeToString()
    columns = answer_to_wire(answer, statuses=statuses, event_times=event_times)
    return columns + _READ_AT + bytes((len(read_at),)) + read_at  # a Timestamp has at most 17 bytes


def parse_get_online_features_response(data: bytes, rows: int) -> tuple[list[Column], int]:
    """(columns of `rows` rows, as_of_time) of a GetOnlineFeaturesResponse."""

    def read(message: Any, encoding: Encoding) -> tuple[list[Column], int]:
        return encoding.columns(message.columns, rows), from_timestamp(message.as_of_time)

    return read_either(data, twin_pb2.GetOnlineFeaturesResponse, online_service_pb2.GetOnlineFeaturesResponse, read)


def historical_request_to_wire(request: HistoricalRequest) -> twin_pb2.GetHistoricalFeaturesRequest:
    """The twin message of a request for label rows."""
    known_at = request.known_at
    message = twin_pb2.GetHistoricalFeaturesRequest(
        namespace=request.namespace,
        feature_service=request.features.service or "",
        features=request.features.references,
        event_time_us=() if request.event_time is None else times_to_wire(request.event_time),
        at_now=request.event_time is None,
        known_at_time=to_timestamp(known_at) if isinstance(known_at, int) else None,
        include_statuses=request.include_statuses,
        ttl_revisions=dict(request.features.ttl_revisions),
    )
    if known_at == "label":
        message.known_at_label = True
    put_entities(message, request.entities.ids, request.features.roles)
    return message


def parse_get_historical_features_request(data: bytes) -> HistoricalRequest:
    """The label rows of a GetHistoricalFeaturesRequest, with packed or unpacked times."""
    public = online_service_pb2.GetHistoricalFeaturesRequest
    return read_request(data, twin_pb2.GetHistoricalFeaturesRequest, public, _historical_request)


def historical_chunk_to_wire(
    chunk: HistoricalChunk, *, statuses: bool = False
) -> twin_pb2.GetHistoricalFeaturesResponse:
    """The twin message of a run of rows, always with event times."""
    return twin_pb2.GetHistoricalFeaturesResponse(
        first_row=chunk.first_row,
        row_count=chunk.rows,
        columns=columns_to_wire(chunk.columns, statuses=statuses, event_times=True),
        as_of_time=to_timestamp(chunk.as_of_time),
    )


def parse_get_historical_features_response(data: bytes) -> HistoricalChunk:
    """The run of rows in a GetHistoricalFeaturesResponse."""

    def read(message: Any, encoding: Encoding) -> HistoricalChunk:
        columns = encoding.columns(message.columns, message.row_count)
        return HistoricalChunk(message.first_row, message.row_count, columns, from_timestamp(message.as_of_time))

    public = online_service_pb2.GetHistoricalFeaturesResponse
    return read_either(data, twin_pb2.GetHistoricalFeaturesResponse, public, read)


def history_page_to_proto(page: FeatureHistory) -> online_service_pb2.GetFeatureHistoryResponse:
    """The response with one page of history, always with event times and statuses."""
    (column,) = columns_to_proto([page.column], statuses=True, event_times=True)
    return online_service_pb2.GetFeatureHistoryResponse(
        column=column,
        ingested_time_ns=page.ingested_at.tolist(),
        next_page_token=page.next_page,
        as_of_time=to_timestamp(page.as_of_time),
    )


def history_page_from_proto(message: online_service_pb2.GetFeatureHistoryResponse, entity_id: str) -> FeatureHistory:
    """The page of this entity in a GetFeatureHistoryResponse."""
    ingested_at = np.array(message.ingested_time_ns, dtype=np.int64)
    (column,) = columns_from_proto([message.column], len(ingested_at))
    return FeatureHistory(
        entity_id=entity_id,
        column=column,
        ingested_at=ingested_at,
        as_of_time=from_timestamp(message.as_of_time),
        next_page=message.next_page_token,
    )


def _historical_request(message: Any, encoding: Encoding) -> HistoricalRequest:
    if message.at_now and message.event_time_us:
        raise InvalidInput("at_now reads every row at the server's now; leave event_time_us empty", field="at_now")
    entities = entities_of(message)
    times = encoding.times(message, 0 if message.at_now else entities.rows, "event_time_us")
    known_at: KnownAt = None
    if message.HasField("known_at_time"):
        known_at = from_timestamp(message.known_at_time, "known_at")
    elif message.known_at_label:
        known_at = "label"
    return HistoricalRequest(
        namespace=message.namespace or DEFAULT_NAMESPACE,
        entities=entities,
        event_time=None if message.at_now else times,
        features=FeatureSelection(
            tuple(message.features),
            message.feature_service or None,
            tuple(sorted(message.ttl_revisions.items())),
            entities.roles,
        ),
        known_at=known_at,
        include_statuses=message.include_statuses,
    )
