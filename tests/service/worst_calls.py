"""The largest allowed and the worst shaped call of every rpc, as bytes: a client may send any."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from google.protobuf.struct_pb2 import Struct

from featurama.v1 import (
    columns_pb2,
    definitions_pb2,
    ingest_service_pb2,
    online_service_pb2,
    prediction_service_pb2,
    registry_service_pb2,
)
from featurama_core.types.schema import Definition, FeatureDefinition, FeatureGroup
from featurama_core.types.values import Status, ValueType

from .requests import BOOL, DOUBLE, TEXT, column
from .test_bad_input_rpcs import CONTRACT

MIB = 1024 * 1024
NOW = time.time_ns() // 1_000
IDS = [f"e{number}" for number in range(10_000)]
DOUBLES, BOOLS, TEXTS, VECTORS = 200, 100, 20, 60


def definitions() -> list[Definition]:
    """What the calls name."""
    kinds = (("d", DOUBLES, ValueType.DOUBLE), ("b", BOOLS, ValueType.BOOL), ("t", TEXTS, ValueType.TEXT))
    found: list[Definition] = [FeatureGroup(name) for name in ("d", "b", "t", "v")]
    found += [FeatureDefinition(f"{name}{at}", kind, group=name) for name, count, kind in kinds for at in range(count)]
    return found + [
        FeatureDefinition(f"v{at}", ValueType.VECTOR, group="v", vector_length=2_048) for at in range(VECTORS)
    ]


def names(kind: str, count: int) -> list[str]:
    """The first features of a kind."""
    return [f"{kind}{at}" for at in range(count)]


def tiny_elements(rpc: str, size: int) -> bytes:
    """A request of as many elements as possible: of its first repeated field, or else of the first one, repeated."""
    fields = CONTRACT[rpc].input_type.fields
    field = next((each for each in fields if each.is_repeated), fields[0])
    tag = bytes([field.number << 3 | 2, 0])
    return tag * (size // len(tag))


def read(features: Sequence[str], rows: int, **more: object) -> bytes:
    """A GetOnlineFeaturesRequest."""
    request = online_service_pb2.GetOnlineFeaturesRequest(features=features, entity_ids=IDS[:rows], **more)
    return request.SerializeToString()


def label_rows(features: Sequence[str], rows: int) -> bytes:
    """A GetHistoricalFeaturesRequest."""
    ids = [IDS[row % len(IDS)] for row in range(rows)]
    return online_service_pb2.GetHistoricalFeaturesRequest(
        features=features, entity_ids=ids, event_time_us=[NOW] * rows
    ).SerializeToString()


def write(columns: Sequence[columns_pb2.Column], rows: int, **more: object) -> bytes:
    """A WriteFeaturesRequest."""
    return ingest_service_pb2.WriteFeaturesRequest(
        entity_ids=IDS[:rows], event_time_us=[NOW] * rows, columns=columns, **more
    ).SerializeToString()


def scattered(rows: int) -> bytes:
    """A write in which every row has a set of columns of its own."""
    random = np.random.default_rng(0)
    statuses = np.where(random.random((BOOLS, rows)) < 0.5, Status.PRESENT, Status.NOT_FOUND)
    columns = [
        column(name, BOOL, [False] * rows, statuses=of_column.tolist())
        for name, of_column in zip(names("b", BOOLS), statuses, strict=True)
    ]
    return write(columns, rows)


def unpacked(count: int) -> bytes:
    """A write of which a column has many truth values, each with its tag."""
    tag = columns_pb2.Column.DESCRIPTOR.fields_by_name["bool_values"].number << 3
    data = columns_pb2.Column(name="b0", value_type=BOOL).SerializeToString() + bytes([tag, 1]) * count
    return write([], 10_000) + ingest_service_pb2.WriteFeaturesRequest(columns=[]).SerializeToString() + nested(7, data)


def nested(number: int, data: bytes) -> bytes:
    """A field that is a message of these bytes."""
    size, groups = len(data), []
    while size > 0x7F:
        groups.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *groups, size]) + data


def entities(count: int, texts: int) -> bytes:
    """A RegisterEntitiesRequest whose entities have many small texts."""
    metadata = Struct()
    metadata.update({"k": ["a"] * texts})
    return registry_service_pb2.RegisterEntitiesRequest(
        entities=[definitions_pb2.Entity(entity_id=each, metadata=metadata) for each in IDS[:count]]
    ).SerializeToString()


def many_definitions(count: int) -> bytes:
    """A RegisterDefinitionsRequest."""
    return registry_service_pb2.RegisterDefinitionsRequest(
        definitions=[
            definitions_pb2.Definition(feature=definitions_pb2.Feature(name=f"more{at}", value_type=DOUBLE))
            for at in range(count)
        ]
    ).SerializeToString()


def given(rows: int) -> bytes:
    """A PredictRequest of rows that are given."""
    return prediction_service_pb2.PredictRequest(
        model="delivery_time", given=[column("distance", DOUBLE, [1.0] * rows)], include_features=True
    ).SerializeToString()


def unknown_columns(count: int, rows: int, length: int) -> bytes:
    """A write by value of columns that are no features, with long names."""
    columns = [column(f"x{at}".ljust(length, "x"), TEXT, [""] * rows) for at in range(count)]
    return write(columns, rows, unit=ingest_service_pb2.WRITE_UNIT_VALUE)


WORST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "10,000 unknown ids of 60 vectors": ("OnlineService/GetOnlineFeatures", lambda: read(names("v", 60), 10_000)),
    "vectors up to a message": ("OnlineService/GetOnlineFeatures", lambda: read(names("v", 1), 4_000)),
    "10,000 ids of 200 doubles": ("OnlineService/GetOnlineFeatures", lambda: read(names("d", 200), 10_000)),
    "10,000 ids of 20 texts": (
        "OnlineService/GetOnlineFeatures",
        lambda: read(names("t", 20), 10_000, include_statuses=True, include_event_times=True),
    ),
    "100,000 label rows": ("OnlineService/GetHistoricalFeatures", lambda: label_rows(names("d", 10), 100_000)),
    "100,000 label rows of 60 doubles": (
        "OnlineService/GetHistoricalFeatures",
        lambda: label_rows(names("d", 60), 100_000),
    ),
    "100,000 label rows of 200 doubles": (
        "OnlineService/GetHistoricalFeatures",
        lambda: label_rows(names("d", 200), 100_000),
    ),
    "10,000 given rows": ("PredictionService/Predict", lambda: given(10_000)),
    "rows with sets of columns of their own": ("IngestService/WriteFeatures", lambda: scattered(1_000)),
    "10,000 rows of 100 doubles": (
        "IngestService/WriteFeatures",
        lambda: write([column(each, DOUBLE, [1.5] * 10_000) for each in names("d", 100)], 10_000),
    ),
    "truth values that are not packed": ("IngestService/WriteFeatures", lambda: unpacked(15_000_000)),
    "a long name": ("IngestService/WriteFeatures", lambda: unknown_columns(1, 10_000, 200_000)),
    "values of 100 columns that are no features": (
        "IngestService/WriteFeatures",
        lambda: unknown_columns(100, 3_000, 250),
    ),
    "entities with many texts": ("RegistryService/RegisterEntities", lambda: entities(100, 1_500)),
    "an entity of a million texts": ("RegistryService/RegisterEntities", lambda: entities(1, 1_000_000)),
    "1,000 definitions": ("RegistryService/RegisterDefinitions", lambda: many_definitions(1_000)),
}


def streamed(data: bytes) -> Iterator[bytes]:
    """Eight chunks of a stream, each with this write."""
    for sequence in range(1, 9):
        yield bytes([1 << 3, sequence]) + nested(2, data)
