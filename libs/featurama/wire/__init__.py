"""Proto <-> the types of core. Pure: conversion of bytes and messages to columns and definitions, and back.

It is shared by the client and every server. Invalid messages raise InvalidInput.
"""

from featurama.wire.entities import (
    entity_from_proto,
    entity_to_proto,
    metadata_from_struct,
    metadata_to_struct,
)
from featurama.wire.kinds import (
    DEFINITION_KINDS,
    DefinitionKind,
    definition_from_proto,
    definition_key,
    definition_kind,
    definition_to_proto,
    read_key,
)
from featurama.wire.public import (
    column_from_proto,
    column_to_proto,
    columns_from_proto,
    columns_to_proto,
)
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
from featurama.wire.shapes import Unreadable
from featurama.wire.times import from_duration, from_timestamp, to_duration, to_timestamp
from featurama.wire.twin import columns_from_wire, columns_to_wire
from featurama.wire.writes import (
    StreamChunk,
    import_scope_from_proto,
    import_scope_to_proto,
    parse_stream_features_request,
    parse_write_features_request,
    reason_from_proto,
    stream_request_to_wire,
    write_report_from_proto,
    write_report_to_proto,
    write_request_to_wire,
)

__all__ = [
    "DEFINITION_KINDS",
    "DefinitionKind",
    "HistoricalChunk",
    "HistoricalRequest",
    "StreamChunk",
    "Unreadable",
    "column_from_proto",
    "column_to_proto",
    "columns_from_proto",
    "columns_from_wire",
    "columns_to_proto",
    "columns_to_wire",
    "definition_from_proto",
    "definition_key",
    "definition_kind",
    "definition_to_proto",
    "entity_from_proto",
    "entity_to_proto",
    "from_duration",
    "from_timestamp",
    "historical_chunk_to_wire",
    "historical_request_to_wire",
    "history_page_from_proto",
    "history_page_to_proto",
    "import_scope_from_proto",
    "import_scope_to_proto",
    "metadata_from_struct",
    "metadata_to_struct",
    "online_response_to_wire",
    "parse_get_historical_features_request",
    "parse_get_historical_features_response",
    "parse_get_online_features_response",
    "parse_stream_features_request",
    "parse_write_features_request",
    "read_key",
    "reason_from_proto",
    "stream_request_to_wire",
    "to_duration",
    "to_timestamp",
    "write_report_from_proto",
    "write_report_to_proto",
    "write_request_to_wire",
]
