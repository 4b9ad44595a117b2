"""The FeatureStore's reads: newest values, history, and values as they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from featurama_core.catalogue_methods import CatalogueMethods
from featurama_core.frames.results import FeatureHistory, HistoricalFeatures, OnlineFeatures
from featurama_core.frames.spine import label_rows
from featurama_core.namespace import Namespace
from featurama_core.registry import Snapshot
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.history import MAX_PAGE, HistoryRange, read_page, visible_history
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds, check_settled
from featurama_core.storage.port import (
    Consistency,
    History,
    NamespaceStorage,
)
from featurama_core.types.column import Column, concatenate
from featurama_core.types.errors import (
    InvalidInput,
    Reason,
    Unknown,
)
from featurama_core.types.names import (
    DEFAULT_ENTITY_TYPE,
    check_entity_ids,
)
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME, MIN_TIME, Time, to_micros
from featurama_core.types.values import Int64Array, Status


class ReadingMethods(CatalogueMethods):
    """What can be read of one namespace."""

    @property
    def namespace(self) -> str:
        """Name of the namespace."""
        return self._namespace.name

    @property
    def storage(self) -> NamespaceStorage:
        """The namespace's storage, for what is built on it (models, export)."""
        return self._namespace.storage

    @property
    def opened(self) -> Namespace:
        """The open namespace, for what reads beside these methods (training sets, scores)."""
        return self._namespace

    def now(self) -> int:
        """The store's wall clock, microseconds since 1970 UTC."""
        return self._namespace.now()

    async def incarnation(self) -> str:
        """Changes when the namespace was dropped and made anew; part of every cache key."""
        return (await self._namespace.registry.snapshot()).catalogue.incarnation

    async def get_online_features(
        self,
        entity_ids: Sequence[str],
        feature_names: Sequence[str] | None = None,
        *,
        service: str | None = None,
        consistency: Consistency | None = None,
    ) -> OnlineFeatures:
        """The newest values of up to 10,000 entities: a row an id, in order, a column a feature."""
        entity_ids = list(entity_ids)
        check_entity_ids(entity_ids, limit=self._namespace.settings.max_online_entities)
        features = await self.resolve(feature_names, service=service)
        columns, as_of = await self._newest(entity_ids, features, consistency)
        return OnlineFeatures(entity_ids=entity_ids, columns=columns, as_of_time=as_of)

    async def resolve(
        self,
        feature_names: Sequence[str] | None = None,
        *,
        service: str | None = None,
        known_at: int | None = None,
    ) -> tuple[ResolvedFeature, ...]:
        """References or a service -> definitions; unknown ones are looked up afresh once."""
        if (feature_names is None) == (service is None):
            raise InvalidInput("name either features or a feature service", field="features")
        if isinstance(feature_names, str):
            feature_names = [feature_names]

        def look_up(snapshot: Snapshot) -> tuple[ResolvedFeature, ...]:
            names = snapshot.service(service).features if service is not None else feature_names
            return snapshot.resolve_all(names or (), known_at)

        return await self._namespace.registry.resolving(look_up)

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
        while True:
            page = await self.page_feature_history(
                entity_id,
                feature_name,
                start=start_time,
                end=end_time,
                limit=limit,
                corrections=corrections,
                page_size=MAX_PAGE,
                page_token=token,
            )
            pages.append(page)
            token = page.next_page
            if not token:
                break
        return FeatureHistory(
            entity_id=entity_id,
            column=concatenate([page.column for page in pages]),
            ingested_at=np.concatenate([page.ingested_at for page in pages]),
            as_of_time=pages[0].as_of_time,
            next_page="",
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
        """One page of the history, at most 10,000 values (the corrections of one event time are never cut)."""
        check_entity_ids([entity_id])
        if limit is not None and limit < 1:
            raise InvalidInput("limit must be at least 1, or left out", field="limit")
        (feature,) = await self.resolve([feature_name])
        if feature.via is not None:
            raise InvalidInput(
                "history is kept of a feature, not of a path; ask for the target entity's feature",
                reason=Reason.INVALID_REFERENCE,
                field="feature",
            )
        wanted = HistoryRange(
            start=MIN_TIME if start is None else to_micros(start, "start_time"),
            end=MAX_TIME if end is None else to_micros(end, "end_time"),
            limit=limit,
            corrections=corrections,
        )
        return await read_page(self._namespace, entity_id, feature, wanted, page_size, page_token)

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
        timezone: of a frame whose times are naive.
        """
        rows = label_rows(labels, timestamp, now=self.now(), timezone=timezone)
        bound: int | Literal["label"] | None = None
        if known_at is not None:
            bound = "label" if known_at == "label" else to_micros(known_at, "known_at")
        read = await self.point_in_time(
            rows.entity_ids,
            None if rows.at_now and bound != "label" else rows.event_time,
            features=features,
            service=service,
            known_at=bound,
        )
        return HistoricalFeatures(labels=rows.carried, columns=read.columns, as_of_time=read.as_of_time)

    async def point_in_time(
        self,
        entity_ids: Sequence[str],
        event_time: Int64Array | None,
        *,
        features: Sequence[str] | None = None,
        service: str | None = None,
        known_at: int | Literal["label"] | None = None,
    ) -> OnlineFeatures:
        """N label rows (event_time: int64[n] microseconds) -> columns with n rows, in order.

        event_time None reads at now: what an online read answers, with no upper bound on event times.
        """
        check_entity_ids(entity_ids)
        if event_time is not None:
            if len(entity_ids) != len(event_time):
                raise InvalidInput("every label row needs an entity_id and a timestamp", field="timestamp")
            for moment in (int(event_time.min()), int(event_time.max())):
                to_micros(moment, "timestamp")
        bounds = ReadBounds(known_at, self.now(), at_now=event_time is None)
        newest_known = None if isinstance(known_at, str) else known_at
        if known_at == "label":
            if event_time is None:
                raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
            newest_known = int(event_time.max())
        settling = self._namespace.settings.settling_time
        check_settled(event_time if known_at == "label" else newest_known, bounds.now, settling)
        resolved = await self.resolve(features, service=service, known_at=newest_known)
        retrieval = Retrieval(ValueSource(self._namespace), ReadPlan.of(resolved), bounds)
        columns = await retrieval.columns(entity_ids, event_time)
        return OnlineFeatures(entity_ids=list(entity_ids), columns=columns, as_of_time=bounds.now)

    async def _newest(
        self, entity_ids: Sequence[str], features: Sequence[ResolvedFeature], consistency: Consistency | None = None
    ) -> tuple[list[Column], int]:
        """-> (a column per feature, the wall clock from which ages are reckoned)."""
        bounds = ReadBounds(None, self.now(), at_now=True)
        source = ValueSource(self._namespace, consistency=consistency)
        retrieval = Retrieval(source, ReadPlan.of(features), bounds, errors_as_status=True)
        return await retrieval.columns(entity_ids, None), bounds.now

    async def read_history(self, entity_ids: Sequence[str], features: Sequence[str]) -> list[History]:
        """All visible winners of some features of many entities: a History a feature, coded by position of the id."""
        check_entity_ids(entity_ids)
        resolved = await self.resolve(features)
        return await visible_history(self._namespace, list(entity_ids), resolved, self.now())

    async def get_all_features(self, entity_id: str) -> OnlineFeatures:
        """The newest values of all features of the entity's type (of every feature it has, if it is not registered)."""
        check_entity_ids([entity_id])
        snapshot = await self._snapshot()
        entity = (await self._namespace.storage.get_entities([entity_id])).get(entity_id)
        types = None if entity is None else {entity.entity_type, DEFAULT_ENTITY_TYPE}
        features = [
            ResolvedFeature(versions[-1], snapshot.groups[versions[-1].group])
            for _, versions in sorted(snapshot.features.items())
            if types is None or versions[-1].entity_type in types
        ]
        columns: list[Column] = []
        as_of = self.now()
        if features:
            columns, as_of = await self._newest([entity_id], features)
        if entity is None or entity.entity_type == DEFAULT_ENTITY_TYPE:
            columns = [column for column in columns if column.status[0] != Status.NOT_FOUND]
        if entity is None and not columns:
            raise Unknown(
                f"entity {entity_id!r} is neither registered nor has any value",
                reason=Reason.UNKNOWN_ENTITY,
                field="entity_id",
            )
        return OnlineFeatures(entity_ids=[entity_id], columns=columns, as_of_time=as_of)
