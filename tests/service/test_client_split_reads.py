"""Reads that the client splits into calls: all of them read the versions that the first one found, and an answer that
lacks rows is no answer. A scripted server on loopback, real gRPC, the calls' real limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import numpy as np
import pandas as pd  # noqa: F401 - pyarrow loads it when it first converts, which must not be on a loop
import pyarrow as pa
import pytest

from featurama import wire
from featurama.client.reading import MAX_LABEL_ROWS, MAX_ONLINE_ENTITIES
from featurama.client.training_sets import MAX_PART_ROWS
from featurama.v1 import definitions_pb2, online_service_pb2, registry_service_pb2
from featurama_core.types.block import Answer
from featurama_core.types.column import Column
from featurama_core.types.errors import FeaturamaError, Reason
from featurama_core.types.sizes import too_large
from featurama_core.types.values import Status, ValueType
from featurama_service.status import grpc_status

from .test_client_retries import client_of

SPEED = {"feature_names": ["speed"]}
SERVICE = {"service": "pilots"}
"""Of which `speed` is the one feature, without a version."""


class Upgraded(grpc.GenericRpcHandler):
    """A server on which version 2 of `speed` is registered right after its first answer. The value of `e7` is 71 in
    version 1, 72 in version 2. `named`: the features and the service of each call;
    `newest`: the newest time of the label rows of each. stubborn: it answers the newest
    version, whichever is named.
    """

    def __init__(self, *, stubborn: bool = False) -> None:
        self.named: list[tuple[tuple[str, ...], str]] = []
        self.rows: list[int] = []
        self.newest: list[int] = []
        self._stubborn = stubborn

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method.endswith("/GetOnlineFeatures"):
            return grpc.unary_unary_rpc_method_handler(self._online)
        if details.method.endswith("/GetHistoricalFeatures"):
            return grpc.unary_stream_rpc_method_handler(self._historical)
        if details.method.endswith("/GetFeatureService"):
            return grpc.unary_unary_rpc_method_handler(self._pilots)
        if details.method.endswith("/ListEntityTypes"):
            return grpc.unary_unary_rpc_method_handler(self._no_types)
        if details.method.endswith("/GetFeature"):
            return grpc.unary_unary_rpc_method_handler(self._feature)
        if details.method.endswith("/GetFeatureGroup"):
            return grpc.unary_unary_rpc_method_handler(self._group)
        return None

    async def _pilots(self, data: bytes, context: Any) -> bytes:
        service = definitions_pb2.FeatureService(name="pilots", features=["speed"])
        return registry_service_pb2.GetFeatureServiceResponse(feature_service=service).SerializeToString()

    async def _feature(self, data: bytes, context: Any) -> bytes:
        feature = definitions_pb2.Feature(name="speed", value_type=ValueType.INT, group="moving")
        return registry_service_pb2.GetFeatureResponse(feature=feature).SerializeToString()

    async def _group(self, data: bytes, context: Any) -> bytes:
        group = definitions_pb2.FeatureGroup(name="moving", revision=1)
        return registry_service_pb2.GetFeatureGroupResponse(feature_group=group).SerializeToString()

    async def _no_types(self, data: bytes, context: Any) -> bytes:
        return registry_service_pb2.ListEntityTypesResponse().SerializeToString()

    async def _online(self, data: bytes, context: Any) -> bytes:
        request = online_service_pb2.GetOnlineFeaturesRequest.FromString(data)
        columns = self._answer(request.features, request.feature_service, request.entity_ids)
        return wire.online_response_to_wire(Answer.of(columns), 1)

    async def _historical(self, data: bytes, context: Any) -> AsyncIterator[bytes]:
        request = wire.parse_get_historical_features_request(data)
        self.newest.append(int(request.event_time.max()))
        wanted, ids = request.features, request.entities.ids.of_role[""]
        columns = self._answer(wanted.references, wanted.service or "", ids)
        yield wire.historical_chunk_to_wire(wire.HistoricalChunk(0, len(ids), columns, 1)).SerializeToString()

    def _answer(self, features: Sequence[str], service: str, entity_ids: Sequence[str]) -> list[Column]:
        newest = 2 if self.named else 1
        self.named.append((tuple(features), service))
        self.rows.append(len(entity_ids))
        pinned = features[0].partition("@")[2] if features and not self._stubborn else ""
        return [speed(entity_ids, int(pinned or newest))]


def speed(entity_ids: Sequence[str], version: int) -> Column:
    """The column of one version."""
    rows = len(entity_ids)
    numbers = [int(entity_id[1:] or 0) for entity_id in entity_ids]
    values = np.array(numbers, dtype=np.int64) * 10 + version
    status = np.full(rows, Status.PRESENT, dtype=np.uint8)
    times = np.ones(rows, dtype=np.int64)
    return Column("speed", ValueType.INT, values, status, times, version, f"speed@{version}")


def numbered(rows: int) -> tuple[list[str], list[int]]:
    """Ids, and their values in version 1."""
    return [f"e{row % 1_000}" for row in range(rows)], [row % 1_000 * 10 + 1 for row in range(rows)]


@pytest.mark.parametrize("features", [SPEED, SERVICE], ids=["features", "service"])
async def test_an_online_read_in_several_calls_is_of_the_versions_that_the_first_one_found(features: Any) -> None:
    """The first call names what was asked for, the others the versions that it was answered with."""
    server = Upgraded()
    ids, expected = numbered(2 * MAX_ONLINE_ENTITIES + 1)
    async with client_of(server) as client:
        read = await client.get_online_features(ids, **features)
    assert (["speed@1"], expected) == ([read.columns[0].reference], read.columns[0].values.tolist())
    assert [first_call(features), pinned(), pinned()] == server.named
    assert [1, MAX_ONLINE_ENTITIES, MAX_ONLINE_ENTITIES] == sorted(server.rows)


@pytest.mark.parametrize("features", [SPEED, SERVICE], ids=["features", "service"])
async def test_a_past_read_in_several_calls_is_of_the_versions_that_the_first_one_found(features: Any) -> None:
    """Label rows too."""
    server = Upgraded()
    ids, expected = numbered(MAX_LABEL_ROWS + 1)
    async with client_of(server) as client:
        read = await client.point_in_time(
            ids,
            np.ones(len(ids), dtype=np.int64),
            features=features.get("feature_names"),
            service=features.get("service"),
        )
    assert ("speed@1", expected) == (read.columns[0].reference, read.columns[0].values.tolist())
    assert [first_call(features), pinned()] == server.named
    assert [MAX_LABEL_ROWS, 1] == server.rows


@pytest.mark.parametrize("features", [SPEED, SERVICE], ids=["features", "service"])
async def test_rows_known_at_their_own_times_are_of_the_versions_of_the_newest_row(features: Any) -> None:
    """Wherever it stands: one row of its time names the versions for the calls that follow."""
    server = Upgraded()
    ids, expected = numbered(MAX_LABEL_ROWS + 1)
    times = np.ones(len(ids), dtype=np.int64)
    times[-1] = 9
    async with client_of(server) as client:
        read = await client.point_in_time(
            ids,
            times,
            features=features.get("feature_names"),
            service=features.get("service"),
            known_at="label",
        )
    assert ("speed@1", expected) == (read.columns[0].reference, read.columns[0].values.tolist())
    assert [first_call(features), pinned(), pinned()] == server.named
    assert ([1, MAX_LABEL_ROWS, 1], [9, 1, 9]) == (server.rows, server.newest)


@pytest.mark.parametrize("features", [SPEED, SERVICE], ids=["features", "service"])
async def test_all_parts_of_a_training_set_are_of_the_versions_that_the_first_one_found(features: Any) -> None:
    """A part is a call."""
    server = Upgraded()
    ids, expected = numbered(MAX_PART_ROWS + 1)
    labels = pa.table({"entity_id": ids, "timestamp": pa.array([1] * len(ids)).cast(pa.timestamp("us", "UTC"))})
    async with client_of(server) as client:
        made = await client.training_set(labels, features.get("feature_names"), service=features.get("service"))
        assert expected == (await made.to_arrow()).column("speed").to_pylist()
    assert [first_call(features), pinned()] == server.named


@pytest.mark.parametrize("features", [SPEED, SERVICE], ids=["features", "service"])
async def test_a_training_set_known_at_its_rows_is_of_the_versions_of_the_newest_row(features: Any) -> None:
    """Which may stand in any part."""
    server = Upgraded()
    ids, expected = numbered(MAX_PART_ROWS + 1)
    times = pa.array([9] + [1] * (len(ids) - 1)).cast(pa.timestamp("us", "UTC"))
    async with client_of(server) as client:
        made = await client.training_set(
            pa.table({"entity_id": ids, "timestamp": times}),
            features.get("feature_names"),
            service=features.get("service"),
            known_at="label",
        )
        assert expected == (await made.to_arrow()).column("speed").to_pylist()
    assert [first_call(features), pinned(), pinned()] == server.named
    assert ([1, MAX_PART_ROWS, 1], [9, 9, 1]) == (server.rows, server.newest)


class Narrow(Upgraded):
    """Messages hold 300 rows only."""

    async def _online(self, data: bytes, context: Any) -> bytes:
        rows = len(online_service_pb2.GetOnlineFeaturesRequest.FromString(data).entity_ids)
        if rows > 300:
            status = grpc_status(too_large(rows, 300, "request fewer"))
            await context.abort(status.code, status.details, tuple(status.trailing_metadata))
        return await super()._online(data, context)


@pytest.mark.parametrize("features", [SPEED, SERVICE], ids=["features", "service"])
async def test_an_online_read_split_by_bytes_is_of_the_versions_of_its_first_answer(features: Any) -> None:
    """The refused call names no version."""
    server = Narrow()
    ids, expected = numbered(1_000)
    async with client_of(server) as client:
        read = await client.get_online_features(ids, **features)
    assert (["speed@1"], expected) == ([read.columns[0].reference], read.columns[0].values.tolist())
    assert [first_call(features), *[pinned()] * 3] == server.named
    assert [190, 270, 270, 270] == sorted(server.rows)


async def test_calls_that_were_answered_with_different_versions_are_no_answer() -> None:
    """A server that does not keep to what is named."""
    ids, _ = numbered(MAX_ONLINE_ENTITIES + 1)
    async with client_of(Upgraded(stubborn=True)) as client:
        with pytest.raises(FeaturamaError, match="answered parts of one request with different features"):
            await client.get_online_features(ids, ["speed"])
    ids, _ = numbered(MAX_LABEL_ROWS + 1)
    async with client_of(Upgraded(stubborn=True)) as client:
        with pytest.raises(FeaturamaError, match="answered parts of one request with different features"):
            await client.point_in_time(ids, np.ones(len(ids), dtype=np.int64), features=["speed"])


class InRuns(grpc.GenericRpcHandler):
    """Answers three label rows by runs of (first row, ids)."""

    def __init__(self, runs: Sequence[tuple[int, Sequence[str]]]) -> None:
        self._runs = runs

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_stream_rpc_method_handler(self._answer)

    async def _answer(self, data: bytes, context: Any) -> AsyncIterator[bytes]:
        for first, ids in self._runs:
            chunk = wire.HistoricalChunk(first, len(ids), [speed(ids, 1)], 1)
            yield wire.historical_chunk_to_wire(chunk).SerializeToString()


async def test_an_answer_in_runs_is_joined_in_order() -> None:
    """However many rows a run has."""
    async with client_of(InRuns([(0, ["e0", "e1"]), (2, ["e2"])])) as client:
        read = await client.get_historical_features(["e0", "e1", "e2"], ["speed"], timestamp=1)
    assert [1, 11, 21] == read.columns[0].values.tolist()


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [(0, ["e0", "e1"])],
        [(1, ["e1", "e2"])],
        [(0, ["e0", "e1"]), (1, ["e1"])],
        [(0, ["e0"]), (2, ["e2"])],
        [(2, ["e2"]), (0, ["e0", "e1"])],
        [(0, ["e0", "e1"]), (2, ["e2", "e3"])],
    ],
    ids=["none", "no end", "no start", "twice", "gap", "disorder", "too many"],
)
async def test_an_answer_that_is_not_of_exactly_the_rows_is_refused(runs: Any) -> None:
    """Rows would take each other's values; it is the server's fault, so the call may be made again."""
    async with client_of(InRuns(runs)) as client:
        with pytest.raises(FeaturamaError, match="is not complete; send the request again") as failed:
            await client.get_historical_features(["e0", "e1", "e2"], ["speed"], timestamp=1)
    assert Reason.INTERNAL == failed.value.reason


async def test_an_online_answer_of_fewer_rows_is_refused() -> None:
    """Also of one of several calls."""

    class Short(Upgraded):
        def _answer(self, features: Sequence[str], service: str, entity_ids: Sequence[str]) -> list[Column]:
            return super()._answer(features, service, entity_ids[: MAX_ONLINE_ENTITIES - 1])

    for rows in (MAX_ONLINE_ENTITIES, MAX_ONLINE_ENTITIES + 1):
        async with client_of(Short()) as client:
            with pytest.raises(FeaturamaError, match="cannot be read") as failed:
                await client.get_online_features(numbered(rows)[0], ["speed"])
        assert Reason.INTERNAL == failed.value.reason


def first_call(features: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """What the first call names."""
    return tuple(features.get("feature_names", ())), features.get("service", "")


def pinned() -> tuple[tuple[str, ...], str]:
    """What the later ones name."""
    return ("speed@1",), ""
