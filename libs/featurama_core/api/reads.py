"""The store's reads: newest values, history, and values as of a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from featurama_core.api.definitions import DefinitionMethods
from featurama_core.api.primitives import Consistency, HistoryRange
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.results import FeatureHistory, HistoricalFeatures, OnlineFeatures
from featurama_core.frames.spine import label_rows
from featurama_core.frames.zones import TimeRules
from featurama_core.types.column import concatenate
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import RESERVED_NAMES, check_entity_ids
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.times import MAX_TIME, MIN_TIME, KnownAt, Time, TimeUnit, to_known_at, to_micros
from featurama_core.types.values import Int64Array

MAX_HISTORY_PAGE = 10_000


class ReadingMethods(DefinitionMethods):
    """Reading the values of one namespace."""

    async def get_online_features(
        self,
        entity_ids: Sequence[str],
        feature_names: Sequence[str] | None = None,
        *,
        service: str | None = None,
        consistency: Consistency | None = None,
        event_times: bool = True,
        ttl_revisions: Mapping[str, int] | None = None,
    ) -> OnlineFeatures:
        """The newest values of any number of entities.

        Args:
            entity_ids: One entity per row of the result. An id may be repeated.
            feature_names: Feature references. Either `feature_names` or `service` is required.
            service: Name of a feature service.
            consistency: Number of replicas of a cluster that must answer; None for the setting of the server or
                storage.
            event_times: False omits event times from the answers of servers (they read as 1970), which makes the
                answers smaller.
            ttl_revisions: Group -> the newest revision whose ttl applies, as in the manifests of training sets and
                models; None for those in force now.

        Returns:
            One row per id and one column per feature. Each value has a status and an event time.

        Raises:
            Unknown: A feature or the service is not registered.
        """
        check_entity_ids(entity_ids)
        if consistency not in (None, "LOCAL_QUORUM", "LOCAL_ONE"):
            raise InvalidInput("consistency must be LOCAL_QUORUM, LOCAL_ONE or None", field="consistency")
        ids = list(entity_ids)
        selection = FeatureSelection.of(feature_names, service, ttl_revisions)
        columns, as_of = await self._read_online(ids, selection, consistency=consistency, event_times=event_times)
        return OnlineFeatures(entity_ids=ids, columns=columns, as_of_time=as_of)

    async def get_all_features(self, entity_id: str) -> OnlineFeatures:
        """The newest values of all features of an entity.

        A registered entity has the features of its type, at most 10,000. An unregistered entity has those for which it
        has values; so has any entity of the features of type `entity`.

        Args:
            entity_id: Id of the entity.

        Returns:
            One row.

        Raises:
            InvalidInput: The type has more than 10,000 features (LIMIT_EXCEEDED).
            Unknown: The entity is not registered and has no values (UNKNOWN_ENTITY).
        """
        check_entity_ids([entity_id])
        columns, as_of = await self._read_all(entity_id)
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
        """The stored values of one feature of one entity, newest first. The ttl is not applied.

        Args:
            entity_id: Id of the entity.
            feature_name: Feature reference. Paths are refused.
            start_time: Earliest event time, inclusive.
            end_time: Latest event time, inclusive.
            limit: Maximum number of values, counted from the newest; None for all.
            corrections: Whether every correction of an event time is returned, or only the visible value.

        Returns:
            One row per value, with event time and ingest time.

        Raises:
            Unknown: The feature is not registered.
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
        """One page of `get_feature_history`.

        Args:
            entity_id: Id of the entity.
            feature_name: Feature reference. Paths are refused.
            start: Earliest event time, inclusive.
            end: Latest event time, inclusive.
            limit: Maximum number of values of all pages together, counted from the newest; None for all.
            corrections: Whether every correction of an event time is returned, or only the visible value.
            page_size: Values per page, at most 10,000. A page has fewer values if more could exceed 4 MiB.
            page_token: `next_page` of the previous page; "" for the first page.

        Returns:
            The page. Its `next_page` is "" after the last page.

        Raises:
            InvalidInput: The page token is not one of this method (INVALID_PAGE_TOKEN), or an argument is out of
                bounds.
            Unknown: The feature is not registered.
        """
        check_entity_ids([entity_id])
        if limit is not None and limit < 1:
            raise InvalidInput("limit must be at least 1, or left out", field="limit")
        if not 1 <= page_size <= MAX_HISTORY_PAGE:
            raise InvalidInput(
                f"page_size must be from 1 to {MAX_HISTORY_PAGE}", reason=Reason.LIMIT_EXCEEDED, field="page_size"
            )
        if FeatureRef.parse(feature_name).via is not None:
            raise InvalidInput(
                "a path has no history of its own; read the history of the target entity's feature",
                reason=Reason.INVALID_REFERENCE,
                field="feature",
            )
        wanted = HistoryRange(
            MIN_TIME if start is None else to_micros(start, "start_time"),
            MAX_TIME if end is None else to_micros(end, "end_time"),
            limit,
            corrections,
        )
        return await self._page_history(entity_id, feature_name, wanted, page_size, page_token)

    async def get_historical_features(
        self,
        labels: Any,
        features: Sequence[str] | None = None,
        timestamp: Time | None = None,
        *,
        service: str | None = None,
        known_at: Time | Literal["label"] | None = None,
        timezone: str | None = None,
        time_unit: TimeUnit | None = None,
        time_format: str | None = None,
    ) -> HistoricalFeatures:
        """Point-in-time features for label rows that fit in memory.

        `training_set` answers the same question for any number of rows.

        Args:
            labels: Entity ids, or a frame with the columns entity_id and timestamp. Other columns are copied to the
                result.
            features: Feature references. Either `features` or `service` is required.
            timestamp: One time for all rows, for labels without times. Entity ids default to now.
            service: Name of a feature service.
            known_at: Only values ingested by this time are used; "label" uses the time of each row. It must be older
                than the settling time.
            timezone: Time zone of times and dates that have none.
            time_unit: Unit of timestamps that are numbers: "s", "ms", "us" or "ns".
            time_format: Form of timestamps that are texts; see `write_features`.

        Returns:
            The label rows in their order, and one column per feature: without label rows no rows and all columns.

        Raises:
            FailedPrecondition: `known_at` is not settled (KNOWN_AT_NOT_SETTLED).
            InvalidInput: A label row has an invalid id or time, or a label column has the name of a column of a
                feature: its values, statuses or event times.
            Unknown: A feature or the service is not registered.
        """
        times = TimeRules(timezone, time_unit, time_format)
        rows = label_rows(labels, timestamp, now=self.now(), times=times)
        bound = to_known_at(known_at)
        selection = FeatureSelection.of(features, service)
        carried = [name for name in rows.carried if name not in RESERVED_NAMES]
        # One by one: two features may have one column name only in a table with statuses, which is not requested yet.
        for name in await self._column_names(selection) if carried else ():
            FeatureColumns(statuses=True, event_times=True).check([name], carried)
        if not len(rows):
            # Any id will do: only the names and types of the columns are used.
            ids, event_time, bound = ["-"], np.zeros(1, dtype=np.int64), None if bound == "label" else bound
        else:
            ids, event_time = rows.entity_ids, rows.event_time
        read = await self.point_in_time(
            ids,
            None if rows.at_now else event_time,
            features=features,
            service=service,
            known_at=bound,
        )
        columns = read.columns if len(rows) else [each.take(np.arange(0)) for each in read.columns]
        labels = rows.carried
        if rows.at_now:
            # The clock of the servers decides what now is.
            labels = labels | {"timestamp": np.full(len(rows), read.as_of_time, dtype=np.int64)}
        return HistoricalFeatures(labels=labels, columns=columns, as_of_time=read.as_of_time)

    async def point_in_time(
        self,
        entity_ids: Sequence[str],
        event_time: Int64Array | None,
        *,
        features: Sequence[str] | None = None,
        service: str | None = None,
        known_at: KnownAt = None,
        ttl_revisions: Mapping[str, int] | None = None,
    ) -> OnlineFeatures:
        """`get_historical_features` on columns.

        Args:
            entity_ids: n entity ids, one per label row.
            event_time: int64[n], microseconds since 1970 UTC. None reads at now, as an online read does, without an
                upper bound on event times.
            features: Feature references. Either `features` or `service` is required.
            service: Name of a feature service.
            known_at: Microseconds since 1970 UTC, "label" for the time of each row, or None for no bound.
            ttl_revisions: As of `get_online_features`.

        Returns:
            n rows in the given order, and one column per feature.

        Raises:
            FailedPrecondition: `known_at` is not settled (KNOWN_AT_NOT_SETTLED).
            Unknown: A feature or the service is not registered.
        """
        check_entity_ids(entity_ids)
        if event_time is not None:
            if len(entity_ids) != len(event_time):
                raise InvalidInput("every label row needs an entity_id and a timestamp", field="timestamp")
            for moment in (int(event_time.min()), int(event_time.max())):
                to_micros(moment, "timestamp")
        elif known_at == "label":
            raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
        selection = FeatureSelection.of(features, service, ttl_revisions)
        columns, as_of = await self._read_as_of(entity_ids, event_time, selection, known_at)
        return OnlineFeatures(entity_ids=list(entity_ids), columns=columns, as_of_time=as_of)

    async def _column_names(self, selection: FeatureSelection) -> list[str]:
        """The names of the columns of these features, with dots: see `featurama_core.frames.naming`."""
        references = selection.references
        if selection.service is not None:
            references = (await self.get_feature_service(selection.service)).features
        of_name: dict[str, set[FeatureRef]] = {}
        for each in map(FeatureRef.parse, references):
            of_name.setdefault(each.name if each.via is None else f"{each.via.name}.{each.name}", set()).add(each)
        names: list[str] = []
        for name, meant in of_name.items():
            names += [name] if len(meant) == 1 else [await self._pinned(each) for each in meant]
        return names

    async def _pinned(self, reference: FeatureRef) -> str:
        """A reference pinned to its current versions: the name of a column whose plain name is not unique."""
        steps = [reference] if reference.via is None else [reference.via, reference]
        versions = [each.version or (await self.get_feature(each.name)).version for each in steps]
        return ".".join(f"{each.name}@{version}" for each, version in zip(steps, versions, strict=True))
