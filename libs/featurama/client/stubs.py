"""The calls of the contract on two connections. Reads go to the online service, writes to the ingest service.

Frequent calls pass bytes, which `featurama.wire` encodes and parses; the others pass the generated messages.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from featurama.client.connection import Connection
from featurama.v1.ingest_service_pb2 import WriteFeaturesResponse
from featurama.v1.ingest_service_pb2_grpc import IngestServiceStub
from featurama.v1.model_service_pb2_grpc import ModelServiceStub
from featurama.v1.online_service_pb2_grpc import OnlineServiceStub
from featurama.v1.registry_service_pb2_grpc import RegistryServiceStub
from featurama_core.api import FeatureStore
from featurama_core.types.errors import store_closed
from featurama_core.types.request_ids import RequestIds


class Stubs:
    """The stubs of the services. Both connections may be the same."""

    def __init__(self, online: Connection, ingest: Connection) -> None:
        self.online = online
        self.ingest = ingest
        self.definitions = RegistryServiceStub(online.channel)
        self.registry = RegistryServiceStub(ingest.channel)
        self.reads = OnlineServiceStub(online.channel)
        self.deletes = self.imports = IngestServiceStub(ingest.channel)
        self.models = ModelServiceStub(online.channel)
        self.get_online_features = online.channel.unary_unary(
            "/featurama.v1.OnlineService/GetOnlineFeatures",
            request_serializer=_bytes,
            response_deserializer=_bytes,
        )
        self.predict = online.channel.unary_unary(
            "/featurama.v1.PredictionService/Predict", request_serializer=_bytes, response_deserializer=_bytes
        )
        self.get_historical_features = online.channel.unary_stream(
            "/featurama.v1.OnlineService/GetHistoricalFeatures",
            request_serializer=_bytes,
            response_deserializer=_bytes,
        )
        self.health = online.channel.unary_unary(
            "/grpc.health.v1.Health/Check", request_serializer=_bytes, response_deserializer=_bytes
        )
        self.write_features = ingest.channel.unary_unary(
            "/featurama.v1.IngestService/WriteFeatures",
            request_serializer=_bytes,
            response_deserializer=WriteFeaturesResponse.FromString,
        )
        self.stream_features = ingest.channel.stream_stream(
            "/featurama.v1.IngestService/StreamFeatures",
            request_serializer=_bytes,
            response_deserializer=_bytes,
        )


class Servers:
    """Open connections, shared by the stores of several namespaces. pool: one or more, of which each call takes any."""

    def __init__(self, pool: Sequence[Stubs]) -> None:
        self.text = f"{pool[0].online.target!r}, ingest={pool[0].ingest.target!r}"
        self._pool = pool

    @property
    def stubs(self) -> Stubs:
        """The stubs of one of the connections. FailedPrecondition after they are closed."""
        if not self._pool:
            raise store_closed()
        # Turns would go wrong where one call of the store asks for stubs twice.
        return self._pool[0] if len(self._pool) == 1 else random.choice(self._pool)

    def close(self) -> None:
        """Release the connections: gRPC keeps a thread while there are references to one."""
        self._pool = ()


class Calling(FeatureStore):
    """Base of the groups of calls: the servers and the namespace."""

    def __init__(self, servers: Servers, namespace: str) -> None:
        self._servers = servers
        self._namespace = namespace
        self._request_ids = RequestIds()

    @property
    def _open(self) -> Stubs:
        return self._servers.stubs

    @property
    def namespace(self) -> str:
        """Name of the namespace."""
        return self._namespace

    def now(self) -> int:
        """The wall clock of this machine, microseconds since 1970 UTC. The time of a read is its `as_of_time`."""
        return time.time_ns() // 1_000


def _bytes(data: bytes) -> bytes:
    return data
