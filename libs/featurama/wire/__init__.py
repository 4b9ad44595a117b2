"""Proto <-> the types of core. Pure: conversion of bytes and messages to columns and definitions, and back.

It is shared by the client and every server. Invalid messages raise InvalidInput.
"""

from featurama.wire.bounds import SMALL_MESSAGE
from featurama.wire.definitions import from_proto, to_proto
from featurama.wire.entities import SentEntities, entities_of, entity_name, keys_of, keys_to_proto, put_entities
from featurama.wire.kinds import (
    DEFINITION_KINDS,
    DefinitionKind,
    definition_from_proto,
    definition_key,
    definition_kind,
    definition_to_proto,
    read_key,
    read_update,
    update_request,
)
from featurama.wire.parsing import requests
from featurama.wire.predictions import parse_predict_response, predict_response_to_wire
from featurama.wire.public import columns_from_proto, columns_to_proto
from featurama.wire.reads import (
    HistoricalChunk,
    HistoricalRequest,
    historical_chunk_to_wire,
    historical_request_to_wire,
    history_page_from_proto,
    history_page_to_proto,
    online_response_to_wire,
    parse_get_historical_features_request,
    parse_get_historical_features_response,
    parse_get_online_features_response,
)
from featurama.wire.times import from_timestamp, to_timestamp
from featurama.wire.writes import (
    StreamChunk,
    import_scope_from_proto,
    import_scope_to_proto,
    parse_stream_features_request,
    parse_write_features_request,
    reason_from_proto,
    stream_request_to_wire,
    weigh_write,
    write_report_from_proto,
    write_report_to_proto,
    write_request_to_wire,
)

__all__ = [
    "DEFINITION_KINDS",
    "SMALL_MESSAGE",
    "DefinitionKind",
    "HistoricalChunk",
    "HistoricalRequest",
    "SentEntities",
    "StreamChunk",
    "columns_from_proto",
    "columns_to_proto",
    "definition_from_proto",
    "definition_key",
    "definition_kind",
    "definition_to_proto",
    "entities_of",
    "entity_name",
    "from_proto",
    "from_timestamp",
    "historical_chunk_to_wire",
    "historical_request_to_wire",
    "history_page_from_proto",
    "history_page_to_proto",
    "import_scope_from_proto",
    "import_scope_to_proto",
    "keys_of",
    "keys_to_proto",
    "online_response_to_wire",
    "parse_get_historical_features_request",
    "parse_get_historical_features_response",
    "parse_get_online_features_response",
    "parse_predict_response",
    "parse_stream_features_request",
    "parse_write_features_request",
    "predict_response_to_wire",
    "put_entities",
    "read_key",
    "read_update",
    "reason_from_proto",
    "requests",
    "stream_request_to_wire",
    "to_proto",
    "to_timestamp",
    "update_request",
    "weigh_write",
    "write_report_from_proto",
    "write_report_to_proto",
    "write_request_to_wire",
]
