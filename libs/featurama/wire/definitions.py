"""Definitions <-> proto. An empty text on the wire stands for the default of a field.

A feature without entity type or group arrives with "" there, and the store derives them.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from featurama.v1 import columns_pb2, definitions_pb2
from featurama.wire.shapes import number_problem
from featurama.wire.times import from_duration, from_timestamp, to_duration, to_timestamp
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.values import ValueType


def entity_type_to_proto(definition: EntityType) -> definitions_pb2.EntityType:
    """An entity type as its message."""
    return definitions_pb2.EntityType(**_shared(definition))


def entity_type_from_proto(message: definitions_pb2.EntityType) -> EntityType:
    """An entity type from its message."""
    return EntityType(**_read(message))


def feature_group_to_proto(definition: FeatureGroup) -> definitions_pb2.FeatureGroup:
    """A feature group as its message."""
    return definitions_pb2.FeatureGroup(
        **_shared(definition),
        entity_type=definition.entity_type,
        ttl=None if definition.ttl is None else to_duration(definition.ttl),
        retention=None if definition.retention is None else to_duration(definition.retention),
        buckets=definition.buckets,
    )


def feature_group_from_proto(message: definitions_pb2.FeatureGroup) -> FeatureGroup:
    """A feature group from its message."""
    return FeatureGroup(
        **_read(message),
        entity_type=message.entity_type or DEFAULT_ENTITY_TYPE,
        ttl=from_duration(message.ttl) if message.HasField("ttl") else None,
        retention=from_duration(message.retention) if message.HasField("retention") else None,
        buckets=message.buckets or 1,
    )


def feature_to_proto(definition: FeatureDefinition) -> definitions_pb2.Feature:
    """A feature as its message."""
    return definitions_pb2.Feature(
        **_shared(definition),
        version=definition.version,
        value_type=columns_pb2.ValueType.ValueType(definition.value_type),
        vector_length=definition.vector_length,
        entity_type=definition.entity_type,
        group=definition.group,
        references=definition.references or "",
        tags=definition.tags,
        owner=definition.owner,
    )


def feature_from_proto(message: definitions_pb2.Feature) -> FeatureDefinition:
    """A feature from its message; entity_type and group may be ""."""
    try:
        value_type = ValueType(message.value_type)
    except ValueError as error:
        problem = number_problem("value_type", message.value_type, ValueType)
        raise InvalidInput(problem, reason=Reason.INVALID_DEFINITION, field="value_type") from error
    return FeatureDefinition(
        **_read(message),
        value_type=value_type,
        version=message.version or 1,
        entity_type=message.entity_type,
        group=message.group,
        vector_length=message.vector_length,
        references=message.references or None,
        tags=tuple(message.tags),
        owner=message.owner,
    )


def feature_service_to_proto(definition: FeatureService) -> definitions_pb2.FeatureService:
    """A feature service as its message."""
    return definitions_pb2.FeatureService(
        **_shared(definition),
        features=definition.features,
    )


def feature_service_from_proto(message: definitions_pb2.FeatureService) -> FeatureService:
    """A feature service from its message."""
    return FeatureService(
        **_read(message),
        features=tuple(message.features),
    )


def created_time(micros: int) -> Timestamp | None:
    """A creation time; None for 0, which is not registered yet."""
    return to_timestamp(micros) if micros else None


def _shared(definition: Definition) -> dict[str, Any]:
    """The fields of the message that all kinds have in common."""
    created = created_time(definition.created_at)
    about = {"name": definition.name, "description": definition.description}
    return {**about, "deprecated": definition.deprecated, "created_time": created}


def _read(message: Any) -> dict[str, Any]:
    """The attributes that all kinds have in common, from a message."""
    created = from_timestamp(message.created_time)
    about = {"name": message.name, "description": message.description}
    return {**about, "deprecated": message.deprecated, "created_at": created}
