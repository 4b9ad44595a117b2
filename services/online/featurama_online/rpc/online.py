"""OnlineService: requests -> FeatureStore -> columns. Answers use the wire twin: the bytes of the public messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from featurama import wire
from featurama.v1 import online_service_pb2 as pb
from featurama_core.api import FeatureStore
from featurama_core.frames.cells import Cells
from featurama_core.frames.results import OnlineFeatures
from featurama_core.off_loop import off_loop
from featurama_core.retrieval.cost import check_answer
from featurama_core.retrieval.newest import plan_of, read_cost, read_newest
from featurama_core.stores import Stores
from featurama_core.types.block import Answer
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.roles import NO_ROLE, Role, RowEntities
from featurama_core.types.sizes import row_bytes, run_end
from featurama_online.rpc.request_shape import RequestShapes, selection
from featurama_service.calls import Call, Reply
from featurama_service.methods import Service, server_stream, unary

MAX_ENTITIES: Final = 10_000
MAX_LABEL_ROWS: Final = 100_000

_CHUNK_ROWS: Final = 10_000
_LEAST: Final = 64 * 1024
"""Memory of a read that is not counted: as many as there may be calls take a few megabytes."""
_LITTLE: Final = 2 * 1024 * 1024
"""Memory of a read whose answer is made on the event loop."""


class OnlineServicer:
    """Reads feature values for clients."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._shapes = RequestShapes()

    def service(self) -> Service:
        """The service with all its methods."""
        return Service(
            pb.DESCRIPTOR.services_by_name["OnlineService"],
            {
                "GetOnlineFeatures": unary(wire.requests(pb.GetOnlineFeaturesRequest), self.get_online_features),
                "GetFeatureHistory": unary(wire.requests(pb.GetFeatureHistoryRequest), self.get_feature_history),
                "GetHistoricalFeatures": server_stream(
                    wire.parse_get_historical_features_request, self.get_historical_features
                ),
            },
        )

    async def get_online_features(self, request: pb.GetOnlineFeaturesRequest, call: Call) -> Reply:
        """The newest values of up to 10,000 entities."""
        sent = wire.entities_of(request)
        call.rows = sent.rows
        if request.all_features:
            store = await self._stores.get(request.namespace)
            read = await store.get_all_features(_only_entity(request))
            statuses, event_times = request.include_statuses, request.include_event_times
            return _encoded(Answer.of(read.columns), read.as_of_time, statuses=statuses, event_times=event_times)
        shape, entities = self._shapes.shape_of(request, sent.roles), sent.ids
        wanted, statuses, event_times = shape.features, shape.statuses, shape.event_times
        if sent.keys:
            store = await self._stores.get(shape.namespace)
            entities = await rows_of(store, sent, list(wanted.references) or None, wanted.service)
            call.rows = len(entities)
        entities.check(limit=MAX_ENTITIES)
        namespace = await self._stores.namespace(shape.namespace)
        plan = await plan_of(namespace, wanted)
        cost = plan.features.cost
        call.check_size(cost.least_bytes(call.rows, beside=statuses + 8 * event_times))
        work = cost.work_bytes(call.rows)
        if work <= _LEAST:
            found, as_of = await read_newest(namespace, entities, plan, shape.consistency)
            return _encoded(found, as_of, statuses=statuses, event_times=event_times)
        async with call.working(work):
            found, as_of = await read_newest(namespace, entities, plan, shape.consistency)
            return await off_loop(work > _LITTLE, _encoded, found, as_of, statuses=statuses, event_times=event_times)

    async def get_feature_history(self, request: pb.GetFeatureHistoryRequest, call: Call) -> Reply:
        """One page of one feature's history."""
        if request.limit < 0:
            raise InvalidInput("limit must be at least 1, or 0 for all", field="limit")
        start = wire.from_timestamp(request.start_time, "start_time") if request.HasField("start_time") else None
        end = wire.from_timestamp(request.end_time, "end_time") if request.HasField("end_time") else None
        store = await self._stores.get(request.namespace)
        page = await store.page_feature_history(
            wire.entity_name(request),
            request.feature,
            start=start,
            end=end,
            limit=request.limit or None,
            corrections=request.include_corrections,
            page_size=request.page_size or 1_000,
            page_token=request.page_token,
        )
        call.rows = len(page.column)
        return wire.history_page_to_proto(page)

    async def get_historical_features(self, request: wire.HistoricalRequest, call: Call) -> None:
        """Values as of the label rows, in chunks of complete rows."""
        sent = request.features
        wanted = selection(sent.references, sent.service, dict(sent.ttl_revisions), sent.roles)
        features, service = list(wanted.references) or None, wanted.service
        store = await self._stores.get(request.namespace)
        entities = await rows_of(store, request.entities, features, service)
        call.rows = len(entities)
        if entities.size > MAX_LABEL_ROWS:
            raise InvalidInput(
                f"entity_ids holds {entities.size} label rows; at most {MAX_LABEL_ROWS} fit one call, split them",
                reason=Reason.LIMIT_EXCEEDED,
                field="entity_ids",
            )
        # Of versions that differ in type by known_at, the newest: about the same bytes.
        cost = await read_cost(await self._stores.namespace(request.namespace), wanted)
        check_answer(cost.least_bytes(call.rows, beside=9))
        work = cost.work_bytes(call.rows)
        async with call.working(work):
            read = await store.point_in_time(
                entities,
                request.event_time,
                features=features,
                service=service,
                roles=types_of(wanted.roles),
                known_at=request.known_at,
                ttl_revisions=dict(wanted.ttl_revisions),
            )
            ends = np.cumsum(await off_loop(work > _LITTLE, row_bytes, read.columns, call.rows))
            first = 0
            while first < call.rows:
                rows = min(run_end(ends, first, call.cut_bytes) - first, _CHUNK_ROWS)
                run = slice(first, first + rows)
                await call.send(await off_loop(work > _LITTLE, _encoded_chunk, read, run, request))
                first += rows


_encoded = wire.online_response_to_wire


def _encoded_chunk(read: OnlineFeatures, run: slice, request: wire.HistoricalRequest) -> bytes:
    columns = [column.take(run) for column in read.columns]
    chunk = wire.HistoricalChunk(run.start, run.stop - run.start, columns, read.as_of_time)
    return wire.historical_chunk_to_wire(chunk, statuses=request.include_statuses).SerializeToString()


async def rows_of(
    store: FeatureStore, sent: wire.SentEntities, features: list[str] | None, service: str | None
) -> RowEntities:
    """The entities of the rows of a request, with the ids that their keys make.

    InvalidInput for keys of features of several types, and of a role that the feature service does not declare.
    """
    if not sent.keys:
        return sent.ids
    if NO_ROLE in sent.keys:
        kinds = await store.list_entity_types(features=features, service=service)
        if len(kinds) != 1:
            found = f"types {', '.join(each.name for each in kinds)}" if kinds else "no type with keys"
            raise InvalidInput(f"keys name entities of one type, and the features describe {found}", field="keys")
        return RowEntities.of(await ids_of_keys(store, kinds[0].name, sent.keys[NO_ROLE]))
    roles = sent.roles if service is None else (await store.get_feature_service(service)).roles_with(sent.roles)
    types, of_role = types_of(roles), dict(sent.ids.of_role)
    for role, keys in sent.keys.items():
        if role not in types:
            of_service = f"feature service {service!r} declares {', '.join(types) or 'no roles'}"
            raise InvalidInput(f"the role {role} has keys of no type; {of_service}", field="entities")
        try:
            of_role[role] = await ids_of_keys(store, types[role], keys)
        except InvalidInput as error:
            raise InvalidInput(f"the role {role}: {error.message}", reason=error.reason, field=role) from error
    return RowEntities(of_role)


async def ids_of_keys(store: FeatureStore, entity_type: str, keys: Mapping[str, Cells]) -> list[str | None]:
    """The ids of rows of key columns, and of no others."""
    ids = await store.make_entity_ids(entity_type, keys)
    if (codec := (await store.get_entity_type(entity_type)).id_keys) is not None:
        codec.check_only(keys)
    return ids


def types_of(roles: Sequence[Role]) -> dict[str, str]:
    """Role -> its entity type, as an argument of the store."""
    return {each.name: each.entity_type for each in roles}


def _only_entity(request: pb.GetOnlineFeaturesRequest) -> str:
    if request.features or request.feature_service:
        raise InvalidInput("all_features reads every feature; name no features and no service", field="all_features")
    if request.entities or request.keys or len(request.entity_ids) != 1:
        raise InvalidInput("all_features reads one entity; name exactly one", field="entity_ids")
    return request.entity_ids[0]
