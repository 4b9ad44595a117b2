"""Requests that many tests send, in the public messages."""

from __future__ import annotations

import time
from typing import Any

from featurama.v1 import columns_pb2, definitions_pb2, ingest_service_pb2, registry_service_pb2

DOUBLE = columns_pb2.VALUE_TYPE_DOUBLE
INT = columns_pb2.VALUE_TYPE_INT
TEXT = columns_pb2.VALUE_TYPE_TEXT
BOOL = columns_pb2.VALUE_TYPE_BOOL
VECTOR = columns_pb2.VALUE_TYPE_VECTOR

SECOND = 1_000_000
_ARRAYS = {
    DOUBLE: "double_values",
    INT: "int_values",
    TEXT: "text_values",
    BOOL: "bool_values",
    VECTOR: "vector_values",
}


def now_us() -> int:
    """The wall clock, microseconds."""
    return time.time_ns() // 1_000


def column(name: str, value_type: int, values: list[Any], **fields: Any) -> columns_pb2.Column:
    """A column of a write."""
    return columns_pb2.Column(name=name, value_type=value_type, **{_ARRAYS[value_type]: values}, **fields)


def write_request(
    namespace: str, entity_ids: list[str], event_times: list[int], *columns: columns_pb2.Column, **fields: Any
) -> ingest_service_pb2.WriteFeaturesRequest:
    """Rows in columns."""
    return ingest_service_pb2.WriteFeaturesRequest(
        namespace=namespace, entity_ids=entity_ids, event_time_us=event_times, columns=columns, **fields
    )


async def register_feature(
    client: Any, namespace: str, name: str, value_type: int = DOUBLE, **fields: Any
) -> definitions_pb2.Feature:
    """Register a feature of entity type `entity`."""
    feature = definitions_pb2.Feature(name=name, value_type=value_type, **fields)
    request = registry_service_pb2.RegisterFeatureRequest(namespace=namespace, feature=feature)
    return (await client.registry.RegisterFeature(request)).feature
