"""FeatureStore: the public methods, over a storage and a registry. One store is one namespace.

`FeatureStore.open` is the embedded use; servers hold `Stores`, which opens one store a namespace over one storage.
Times are zoned datetimes, ISO 8601 texts with a zone, or microseconds since 1970 UTC.
All errors are of `featurama_core.types.errors`; deadlines are the caller's `asyncio.timeout`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from featurama_core.frames.spine import LabelColumns
from featurama_core.frames.writes import FrameReport, write_requests
from featurama_core.ingest.delete import delete
from featurama_core.ingest.imports import begin_import
from featurama_core.ingest.purge import Purged, purge
from featurama_core.ingest.write import write
from featurama_core.namespace import Namespace
from featurama_core.reading_methods import ReadingMethods
from featurama_core.settings import StoreSettings
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import (
    NamespaceOptions,
    NamespaceStorage,
    Storage,
)
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.errors import (
    Conflict,
    FailedPrecondition,
    InvalidInput,
    Reason,
    StoreUnavailable,
    Unknown,
)
from featurama_core.types.imports import ImportScope
from featurama_core.types.names import (
    DEFAULT_NAMESPACE,
    check_namespace,
)
from featurama_core.types.references import FeatureRef
from featurama_core.types.times import Clock, Time, TimeUnit, to_micros
from featurama_core.types.writes import Deletion, Outcome, WriteMode, WriteReport, WriteRequest

if TYPE_CHECKING:
    from featurama_core.datasets.dataset import TrainingSet


class FeatureStore(ReadingMethods):
    """The feature store's methods on one namespace: definitions and entities (`CatalogueMethods`), reads
    (`ReadingMethods`), and writes, training sets and deletion here.
    """

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

    # Writing

    async def write(self, request: WriteRequest) -> WriteReport:
        """Write rows in columns; every row (or value) is accepted, rejected or unknown, with a reason."""
        return await write(self._namespace, request)

    async def begin_import(self, scope: ImportScope, import_id: str = "") -> int:
        """Begin an import of old history. -> its number, 0 to 999, which every write of it names.

        `write_features` does it for a frame of its own; several frames of one import name its number. The ingest times
        of the import end in it, so that of imports with equal times the later one is a correction. An audit record
        names the import's features and times. import_id: a UUIDv7; beginning again with it gives the same number.
        """
        return await begin_import(self._namespace, scope, import_id)

    async def write_features(
        self,
        df: Any,
        version: int | None = None,
        batch_size: int = 1_000,
        *,
        mode: WriteMode = WriteMode.ATOMIC,
        nulls: Literal["write", "skip"] = "write",
        timezone: str | None = None,
        ingested_at_unit: TimeUnit | None = None,
        import_number: int | None = None,
    ) -> WriteReport:
        """Write a long frame (entity_id, feature_name, value, timestamp) or a wide one (entity_id, timestamp, ...).

        pandas, polars, Arrow or a dict of columns; never changed. `batch_size` rows go to the storage at a time.
        An empty cell of a wide frame is a null that is written, unless `nulls="skip"`.
        A frame with a column ingested_at is an import of old history (mode BULK); ingested_at_unit: what its numbers
        count. import_number: the frame is a part of an import that began with `begin_import`; else it is one itself.
        The report's verdicts name rows of the frame.
        """
        frame = write_requests(
            df,
            version=version,
            batch_size=batch_size,
            mode=mode,
            nulls=nulls,
            timezone=timezone,
            ingested_at_unit=ingested_at_unit,
            request_ids=self._namespace.request_ids,
        )
        if frame.scope is not None:
            frame = frame.numbered(await self.begin_import(frame.scope) if import_number is None else import_number)
        report = FrameReport(frame)
        for each in frame:
            try:
                report.add(each, await self.write(each.request))
            except StoreUnavailable as error:
                # What was accepted before stays accounted for; the caller sends the rest again.
                report.add_failure(each, Outcome.REJECTED, error.reason, error.message)
        return report.result()

    # Training sets

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
        Without labels: every entity of `entity_type` at start, start + every, ... end ("1h", "7d"), or, without these
        three, the newest values of all. memory: what a build may use, about. reading: how history is read; the rows
        are the same either way.
        """
        from featurama_core.training_sets import ask

        return await ask(
            self,
            self._namespace,
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
            memory=memory,
            reading=reading,
        )

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
