"""FeatureStore: the public methods, over a storage and a registry. One store is one namespace.

`FeatureStore.open` is the embedded use; servers hold `Stores`, which opens one store a namespace over one storage.
Times are zoned datetimes, ISO 8601 texts with a zone, or microseconds since 1970 UTC.
All errors are of `featurama_core.model.errors`; deadlines are the caller's `asyncio.timeout`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from featurama_core.catalogue_methods import CatalogueMethods
from featurama_core.deletion import delete
from featurama_core.history_reads import MAX_PAGE, HistoryRange, read_page
from featurama_core.housekeeping import Purged, purge
from featurama_core.model.columns import Column, concatenate
from featurama_core.model.definitions import (
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.model.errors import (
    Conflict,
    FailedPrecondition,
    InvalidInput,
    Reason,
    StoreUnavailable,
    Unknown,
)
from featurama_core.model.frames import FrameReport, label_rows, write_requests
from featurama_core.model.names import (
    DEFAULT_ENTITY_TYPE,
    DEFAULT_NAMESPACE,
    check_entity_ids,
    check_namespace,
)
from featurama_core.model.references import FeatureRef, ResolvedFeature
from featurama_core.model.results import FeatureHistory, HistoricalFeatures, OnlineFeatures
from featurama_core.model.times import MAX_TIME, MIN_TIME, Clock, to_micros
from featurama_core.model.values import Int64Array, Status
from featurama_core.model.writes import Deletion, Outcome, WriteMode, WriteReport, WriteRequest
from featurama_core.namespace import Namespace
from featurama_core.online_reads import read_online
from featurama_core.past_reads import KnownAt, check_settled, read_as_of, read_winners
from featurama_core.registry import Snapshot
from featurama_core.settings import StoreSettings
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import (
    Consistency,
    History,
    NamespaceOptions,
    NamespaceStorage,
    Storage,
)
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.writing import write

if TYPE_CHECKING:
    from featurama_core.datasets.training_set import TrainingSet

Time = datetime | str | int
MAX_METADATA_BYTES = 8_192
MAX_REGISTERED_AT_ONCE = 1_000

D = TypeVar("D", EntityType, FeatureGroup, FeatureDefinition, FeatureService)


class FeatureStore(CatalogueMethods):
    """The feature store's methods on one namespace: definitions and entities (`CatalogueMethods`), values here."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        storage: str | StorageSettings,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        settings: StoreSettings | None = None,
        clock: Clock = time.time_ns,
    ) -> AsyncIterator[FeatureStore]:
        """Open a store at a URL such as `sqlite:///dir`; leaving the context closes it.

        On the embedded storage the namespace is made if it is not there.
        """
        async with Stores.open(storage, settings=settings, clock=clock) as stores:
            if StorageUrl.parse(stores.url).scheme == "sqlite":
                with suppress(Conflict):  # it is there already
                    await stores.storage.create_namespace(check_namespace(namespace), NamespaceOptions())
            yield await stores.get(namespace)

    @property
    def namespace(self) -> str:
        """Name of the namespace."""
        return self._namespace.name

    @property
    def storage(self) -> NamespaceStorage:
        """The namespace's storage, for what is built on it (models, export)."""
        return self._namespace.storage

    def now(self) -> int:
        """The store's wall clock, microseconds since 1970 UTC."""
        return self._namespace.now()

    async def incarnation(self) -> str:
        """Changes when the namespace was dropped and made anew; part of every cache key."""
        return (await self._namespace.registry.snapshot()).catalogue.incarnation

    # Writing

    async def write(self, request: WriteRequest) -> WriteReport:
        """Write rows in columns; every row (or value) is accepted, rejected or unknown, with a reason."""
        return await write(self._namespace, request)

    async def write_features(
        self,
        df: Any,
        version: int | None = None,
        batch_size: int = 1_000,
        *,
        mode: WriteMode = WriteMode.ATOMIC,
        nulls: Literal["write", "skip"] = "write",
        timezone: str | None = None,
    ) -> WriteReport:
        """Write a long frame (entity_id, feature_name, value, timestamp) or a wide one (entity_id, timestamp, ...).

        pandas, polars, Arrow or a dict of columns; never changed. `batch_size` rows go to the storage at a time.
        An empty cell of a wide frame is a null that is written, unless `nulls="skip"`.
        The report's verdicts name rows of the frame.
        """
        frame = write_requests(
            df,
            version=version,
            batch_size=batch_size,
            mode=mode,
            nulls=nulls,
            timezone=timezone,
            request_ids=self._namespace.request_ids,
        )
        report = FrameReport(frame)
        for each in frame:
            try:
                report.add(each, await self.write(each.request))
            except StoreUnavailable as error:
                # What was accepted before stays accounted for; the caller sends the rest again.
                report.add_failure(each, Outcome.REJECTED, error.reason, error.message)
        return report.result()

    # Reading

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
        columns, as_of = await read_online(self._namespace, entity_ids, features, consistency)
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

    async def training_set(
        self,
        labels: Any = None,
        features: Sequence[str] | None = None,
        *,
        service: str | None = None,
        known_at: Time | Literal["label"] | None = None,
        entity_column: str = "entity_id",
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
        Without labels: every entity of `entity_type` at start, start + every, ... end ("1h", "7d"), or, without these
        three, the newest values of all. memory: what a build may use, about. reading: how history is read; the rows
        are the same either way.
        """
        from featurama_core.datasets.asking import ask
        from featurama_core.datasets.labels import LabelColumns

        moment = None if timestamp is None else to_micros(timestamp, "timestamp")
        return await ask(
            self,
            self._namespace,
            labels,
            features,
            service=service,
            known_at=known_at,
            columns=LabelColumns(entity_column, time_column, moment, timezone),
            entity_type=entity_type,
            start=start,
            end=end,
            every=every,
            statuses=statuses,
            event_times=event_times,
            memory=memory,
            reading=reading,
        )

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
        now = self.now()
        bound: KnownAt
        if not isinstance(known_at, str):
            bound = newest_known = known_at
        elif event_time is not None:
            bound, newest_known = event_time, int(event_time.max())
        else:
            raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
        check_settled(self._namespace, bound, now)
        resolved = await self.resolve(features, service=service, known_at=newest_known)
        columns = await read_as_of(self._namespace, entity_ids, event_time, resolved, known_at=bound, now=now)
        return OnlineFeatures(entity_ids=list(entity_ids), columns=columns, as_of_time=now)

    async def read_history(self, entity_ids: Sequence[str], features: Sequence[str]) -> list[History]:
        """All visible winners of some features of many entities: a History a feature, coded by position of the id."""
        check_entity_ids(entity_ids)
        resolved = await self.resolve(features)
        return await read_winners(self._namespace, list(entity_ids), resolved, self.now())

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
            columns, as_of = await read_online(self._namespace, [entity_id], features)
        if entity is None or entity.entity_type == DEFAULT_ENTITY_TYPE:
            columns = [column for column in columns if column.status[0] != Status.NOT_FOUND]
        if entity is None and not columns:
            raise Unknown(
                "this entity is neither registered nor has any value",
                reason=Reason.UNKNOWN_ENTITY,
                field="entity_id",
            )
        return OnlineFeatures(entity_ids=[entity_id], columns=columns, as_of_time=as_of)

    # Deletion and housekeeping

    async def delete_entity(self, entity_id: str, deleted_through: Time | None = None) -> Deletion:
        """Delete all values of an entity for ever; it may live again with later event times."""
        return await delete(self._namespace, entity_id, (), _optional(deleted_through, "deleted_through_time"))

    async def delete_feature_values(
        self, entity_id: str, features: Sequence[str], deleted_through: Time | None = None
    ) -> Deletion:
        """Delete the values of some features of an entity, all their versions, for ever."""
        names = [FeatureRef.parse(each) for each in features]
        if not names:
            raise InvalidInput("features is empty; name at least one", reason=Reason.EMPTY_REQUEST, field="features")
        if any(each.version is not None or each.via is not None or each.group is not None for each in names):
            raise InvalidInput(
                "features are deleted in all versions; name them without version, group or path",
                reason=Reason.INVALID_REFERENCE,
                field="features",
            )
        through = _optional(deleted_through, "deleted_through_time")
        return await delete(self._namespace, entity_id, [each.name for each in names], through)

    async def purge(self) -> Purged:
        """Remove what is past retention."""
        return await purge(self._namespace)


class Stores:
    """What a server holds: one storage, and a FeatureStore for each namespace that is asked for."""

    def __init__(self, url: str, storage: Storage, settings: StoreSettings, clock: Clock) -> None:
        self.url = url
        self.storage = storage
        self._settings = settings
        self._clock = clock
        self._open: dict[str, tuple[NamespaceStorage, FeatureStore]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        storage: str | StorageSettings,
        *,
        settings: StoreSettings | None = None,
        clock: Clock = time.time_ns,
    ) -> AsyncIterator[Stores]:
        """Open a storage; leaving the context closes it with all its stores."""
        storage_settings = StorageSettings(storage) if isinstance(storage, str) else storage
        async with open_storage(storage_settings) as opened:
            yield cls(storage_settings.url, opened, settings or StoreSettings(), clock)

    async def get(self, namespace: str = DEFAULT_NAMESPACE) -> FeatureStore:
        """The store of a namespace; Unknown (UNKNOWN_NAMESPACE) if there is none."""
        name = check_namespace(namespace or DEFAULT_NAMESPACE)
        storage = await self.storage.namespace(name)
        known = self._open.get(name)
        # The storage hands out another object when the namespace was dropped and made anew: so do we.
        if known is None or known[0] is not storage:
            known = storage, FeatureStore(Namespace(name, storage, self._settings, self._clock))
            self._open[name] = known
        return known[1]

    async def check_schemas(self) -> None:
        """Open every namespace; FailedPrecondition (SCHEMA_MISMATCH) if one is not of this code's version.

        One that another process is just making gets ten seconds; one that goes meanwhile is no matter.
        """
        for name in await self.storage.list_namespaces():
            for left in reversed(range(20)):
                try:
                    await self.storage.namespace(name)
                except Unknown:
                    pass
                except FailedPrecondition:
                    if not left:
                        raise
                    await asyncio.sleep(0.5)
                    continue
                break

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        await self.storage.ping()


def _optional(moment: Time | None, field: str) -> int | None:
    return None if moment is None else to_micros(moment, field)
