"""The client's reads: what is above a call's limit is split, sent together, and joined in order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from featurama import wire
from featurama.client.answers import concurrently, joined, reading_answer
from featurama.client.registry import RegistryMethods
from featurama.v1 import columns_pb2
from featurama.v1 import online_service_pb2 as pb
from featurama_core.frames.results import FeatureHistory, HistoricalFeatures, OnlineFeatures, output_names
from featurama_core.frames.spine import LabelColumns, label_rows
from featurama_core.types.column import Column, concatenate
from featurama_core.types.errors import FeaturamaError, InvalidInput, Reason
from featurama_core.types.names import check_entity_ids
from featurama_core.types.references import FeatureRef
from featurama_core.types.times import Time, to_micros
from featurama_core.types.values import Int64Array

if TYPE_CHECKING:
    from featurama_core.datasets.dataset import TrainingSet

MAX_ONLINE_ENTITIES = 10_000
MAX_LABEL_ROWS = 100_000
MAX_HISTORY_PAGE = 10_000


_CONSISTENCY = {
    None: columns_pb2.CONSISTENCY_UNSPECIFIED,
    "LOCAL_QUORUM": columns_pb2.CONSISTENCY_LOCAL_QUORUM,
    "LOCAL_ONE": columns_pb2.CONSISTENCY_LOCAL_ONE,
}


class ReadingMethods(RegistryMethods):
    """Newest values, history, and values as they were."""

    async def get_online_features(
        self,
        entity_ids: Sequence[str],
        feature_names: Sequence[str] | None = None,
        *,
        service: str | None = None,
        consistency: Literal["LOCAL_QUORUM", "LOCAL_ONE"] | None = None,
        event_times: bool = True,
    ) -> OnlineFeatures:
        """The newest values: a row an id, in order, a column a feature. Above 10,000 ids: several calls.

        event_times=False leaves the event times out (they read as 1970), which makes the answer smaller.
        """
        ids, features = list(entity_ids), _features(feature_names, service)
        _check(ids)
        if consistency not in _CONSISTENCY:
            raise InvalidInput("consistency must be LOCAL_QUORUM, LOCAL_ONE or None", field="consistency")
        request = pb.GetOnlineFeaturesRequest(
            namespace=self._namespace,
            feature_service=service or "",
            features=features,
            include_event_times=event_times,
            consistency=_CONSISTENCY[consistency],
        )
        if len(ids) <= MAX_ONLINE_ENTITIES:
            columns, as_of = await self._online(request, ids)
            return OnlineFeatures(entity_ids=ids, columns=columns, as_of_time=as_of)
        parts = [ids[at : at + MAX_ONLINE_ENTITIES] for at in range(0, len(ids), MAX_ONLINE_ENTITIES)]
        first = await self._online(request, parts[0])
        _pin(request, first[0])
        rest = await concurrently([partial(self._online, request, part) for part in parts[1:]])
        answers = [first, *rest]
        return OnlineFeatures(
            entity_ids=ids,
            columns=joined([columns for columns, _ in answers], self._open.online.target),
            as_of_time=min(as_of for _, as_of in answers),
        )

    async def get_all_features(self, entity_id: str) -> OnlineFeatures:
        """The newest values of all features of the entity's type (if it is not registered: of all it has)."""
        check_entity_ids([entity_id])
        request = pb.GetOnlineFeaturesRequest(
            namespace=self._namespace, all_features=True, include_event_times=True, include_statuses=True
        )
        columns, as_of = await self._online(request, [entity_id])
        return OnlineFeatures(entity_ids=[entity_id], columns=columns, as_of_time=as_of)

    async def get_feature_history(
        self,
        entity_id: str,
        feature_name: str,
        start_time: Time | None = None,
        end_time: Time | None = None,
        limit: int | None = None,
        *,
        corrections: bool = False,
    ) -> FeatureHistory:
        """The newest `limit` stored values of one feature (None: all), newest first, start and end included.

        One winner per event time, or every correction.
        """
        pages: list[FeatureHistory] = []
        token = ""
        while not pages or token:
            page = await self.page_feature_history(
                entity_id,
                feature_name,
                start=start_time,
                end=end_time,
                limit=limit,
                corrections=corrections,
                page_size=MAX_HISTORY_PAGE,
                page_token=token,
            )
            pages.append(page)
            token = page.next_page
        return FeatureHistory(
            entity_id=entity_id,
            column=concatenate([page.column for page in pages]),
            ingested_at=np.concatenate([page.ingested_at for page in pages]),
            as_of_time=pages[0].as_of_time,
        )

    async def page_feature_history(
        self,
        entity_id: str,
        feature_name: str,
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        corrections: bool = False,
        page_size: int = 1_000,
        page_token: str = "",
    ) -> FeatureHistory:
        """One page of the history, at most 10,000 values; `next_page` is "" at the end."""
        check_entity_ids([entity_id])
        if limit is not None and limit < 1:
            raise InvalidInput("limit must be at least 1, or left out", field="limit")
        stubs = self._open
        request = pb.GetFeatureHistoryRequest(
            namespace=self._namespace,
            entity_id=entity_id,
            feature=feature_name,
            start_time=None if start is None else wire.to_timestamp(to_micros(start, "start_time")),
            end_time=None if end is None else wire.to_timestamp(to_micros(end, "end_time")),
            limit=limit or 0,
            include_corrections=corrections,
            page_size=page_size,
            page_token=page_token,
        )
        answer = await stubs.online.call(stubs.reads.GetFeatureHistory, request)
        with reading_answer(stubs.online.target):
            page = wire.history_page_from_proto(answer)
        return FeatureHistory(
            entity_id=entity_id,
            column=page.column,
            ingested_at=page.ingested_at,
            as_of_time=page.as_of_time,
            next_page=page.next_page,
        )

    async def get_historical_features(
        self,
        labels: Any,
        features: Sequence[str] | None = None,
        timestamp: Time | None = None,
        *,
        service: str | None = None,
        known_at: Time | Literal["label"] | None = None,
        timezone: str | None = None,
    ) -> HistoricalFeatures:
        """Values as they were. `labels`: entity ids (all at `timestamp`, default now) or a frame with entity_id and
        timestamp; further columns are carried. Output rows are the label rows, in their order.

        known_at: only values known at that time, or with "label" at each row's own time; it must be settled.
        timezone: of a frame whose times are naive. Above 100,000 rows: several calls.
        """
        rows = label_rows(labels, timestamp, now=time.time_ns() // 1_000, timezone=timezone)
        _check(rows.entity_ids)
        bound: wire.KnownAt = "label" if known_at == "label" else None
        if known_at is not None and known_at != "label":
            bound = to_micros(known_at, "known_at")
        columns, as_of = await self._historical(
            rows.entity_ids, rows.event_time, _features(features, service), service, bound
        )
        rows.refuse_names(output_names(columns))
        return HistoricalFeatures(labels=rows.carried, columns=columns, as_of_time=as_of)

    async def point_in_time(
        self,
        entity_ids: Sequence[str],
        event_time: Int64Array,
        *,
        features: Sequence[str] | None = None,
        service: str | None = None,
        known_at: int | Literal["label"] | None = None,
    ) -> tuple[list[Column], int]:
        """N label rows (event_time: int64[n] microseconds) -> columns with n rows, and the moment of the read."""
        _check(entity_ids)
        return await self._historical(entity_ids, event_time, _features(features, service), service, known_at)

    async def training_set(
        self,
        labels: Any = None,
        features: Sequence[str] | None = None,
        *,
        service: str | None = None,
        known_at: Time | Literal["label"] | None = None,
        entity_column: str = "entity_id",
        entity_columns: Mapping[str, str] | None = None,
        time_column: str = "timestamp",
        timestamp: Time | None = None,
        timezone: str | None = None,
        entity_type: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        every: str | timedelta | int | None = None,
        statuses: bool = False,
        event_times: bool = False,
        memory: int | str = "2GB",
        reading: Literal["auto", "scan", "slices"] = "auto",
    ) -> TrainingSet:
        """`get_historical_features` for any number of rows: streamed, to frames or to files. Needs pyarrow.

        labels: a pandas, polars or Arrow frame, or the path of a Parquet, CSV or Arrow file or of a directory of them;
        the columns beside entity and time are carried through. timestamp: one moment for labels without a time column.
        entity_columns: where rows name several entities, {entity type: column}; the features of a type are those of the
        entity in its column (none where that is null or empty), entity_column serves all other types.
        Without labels: every registered entity of `entity_type` at start, start + every, ... end ("1h", "7d"), or,
        without these three, the newest values of all. memory, reading: for a store; here a call's rows are in memory,
        100,000, and the servers choose how they read.
        """
        del memory, reading
        from featurama.client.training_sets import ask

        return await ask(
            self,
            labels,
            features,
            service=service,
            known_at=known_at,
            columns=LabelColumns.of(entity_column, time_column, timestamp, timezone, entity_columns),
            entity_type=entity_type,
            start=start,
            end=end,
            every=every,
            statuses=statuses,
            event_times=event_times,
            now=time.time_ns() // 1_000,
        )

    async def _online(self, request: pb.GetOnlineFeaturesRequest, ids: Sequence[str]) -> tuple[list[Column], int]:
        stubs = self._open
        message = pb.GetOnlineFeaturesRequest()
        message.CopyFrom(request)
        message.entity_ids.extend(ids)
        data = await stubs.online.call(stubs.get_online_features, message.SerializeToString())
        with reading_answer(stubs.online.target):
            return wire.parse_get_online_features_response(data, len(ids))

    async def _historical(
        self,
        ids: Sequence[str],
        event_time: Int64Array,
        features: Sequence[str],
        service: str | None,
        known_at: wire.KnownAt,
    ) -> tuple[list[Column], int]:
        async def one(at: int, features: Sequence[str], service: str | None) -> list[wire.HistoricalChunk]:
            part = slice(at, at + MAX_LABEL_ROWS)
            return await self._label_rows(
                wire.HistoricalRequest(self._namespace, ids[part], event_time[part], features, service, known_at, False)
            )

        chunks = await one(0, features, service)
        if len(ids) > MAX_LABEL_ROWS:
            pinned = [column.reference for column in chunks[0].columns]
            if all(pinned):
                features, service = pinned, None
            starts = range(MAX_LABEL_ROWS, len(ids), MAX_LABEL_ROWS)
            for part in await concurrently([partial(one, at, features, service) for at in starts]):
                chunks += part
        columns = joined([chunk.columns for chunk in chunks], self._open.online.target)
        return columns, min(chunk.as_of_time for chunk in chunks)

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
        if rows != len(request.entity_ids):
            raise FeaturamaError(
                f"the answer of {stubs.online.target} is not complete; ask again", reason=Reason.INTERNAL
            )
        return chunks


def _features(names: Sequence[str] | None, service: str | None) -> Sequence[str]:
    if (names is None) == (service is None):
        raise InvalidInput("name either features or a feature service", field="features")
    listed = [names] if isinstance(names, str) else list(names or ())
    for name in listed:
        if not name.isascii():
            FeatureRef.parse(name)  # says what is wrong, before a lone surrogate fails to be sent
    return listed


def _check(ids: Sequence[str]) -> None:
    # The server checks each id; here only what could not be sent or would be no request at all.
    if not ids or not all(isinstance(each, str) for each in ids) or not "".join(ids).isascii():
        check_entity_ids(ids)


def _pin(request: pb.GetOnlineFeaturesRequest, columns: Sequence[Column]) -> None:
    """The same versions in every part, whatever is registered meanwhile."""
    references = [column.reference for column in columns]
    if all(references):
        request.feature_service = ""
        request.features[:] = references
