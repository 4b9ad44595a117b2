"""The store's reads: newest values, history, and values as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from featurama_core.api.definitions import DefinitionMethods
from featurama_core.api.primitives import Consistency, HistoryRange, KnownAt
from featurama_core.frames.results import FeatureHistory, HistoricalFeatures, OnlineFeatures
from featurama_core.frames.spine import label_rows
from featurama_core.types.column import concatenate
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_entity_ids
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.times import MAX_TIME, MIN_TIME, Time, to_known_at, to_micros
from featurama_core.types.values import Int64Array

MAX_HISTORY_PAGE = 10_000


class ReadingMethods(DefinitionMethods):
    """What can be read of one namespace."""

    async def get_online_features(
        self,
        entity_ids: Sequence[str],
        feature_names: Sequence[str] | None = None,
        *,
        service: str | None = None,
        consistency: Consistency | None = None,
        event_times: bool = True,
    ) -> OnlineFeatures:
        """The newest values of any number of entities.

        Args:
            entity_ids: the rows of the result, in this order; an id may stand several times.
            feature_names: references; or give `service`.
            service: a feature service.
            consistency: how many replicas must answer, on a cluster; None: as the server or the storage is set.
            event_times: False leaves the event times out of an answer of servers (they read as 1970), which makes it
                smaller.

        Returns:
            A row per id and a column per feature, each value with its status and event time.

        Raises:
            Unknown: a feature or the service is not registered.
        """
        check_entity_ids(entity_ids)
        if consistency not in (None, "LOCAL_QUORUM", "LOCAL_ONE"):
            raise InvalidInput("consistency must be LOCAL_QUORUM, LOCAL_ONE or None", field="consistency")
        ids = list(entity_ids)
        selection = FeatureSelection.of(feature_names, service)
        columns, as_of = await self._read_online(ids, selection, consistency=consistency, event_times=event_times)
        return OnlineFeatures(entity_ids=ids, columns=columns, as_of_time=as_of)

    async def get_all_features(self, entity_id: str) -> OnlineFeatures:
        """The newest values of all features of an entity's type; of one that is not registered, of all it has.

        Raises:
            Unknown: the entity is neither registered nor has any value (UNKNOWN_ENTITY).
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
        """The stored values of one feature of one entity, newest first. ttl is not applied.

        Args:
            entity_id: of the entity.
            feature_name: a reference, no path.
            start_time: the earliest event time, included.
            end_time: the latest event time, included.
            limit: the newest N; None: all.
            corrections: every value of an event time, not only the one that wins.
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
        """One page of `get_feature_history`, whose arguments it takes.

        Args:
            limit: the newest N of all pages together.
            page_size: values of a page, at most 10,000; the corrections of one event time are never cut.
            page_token: `next_page` of the page before; "": the first page.

        Returns:
            The page; its `next_page` is "" at the end.
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
                "history is kept of a feature, not of a path; ask for the target entity's feature",
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
    ) -> HistoricalFeatures:
        """Values as they were, for label rows that fit in memory; `training_set` asks the same of any number of rows.

        Args:
            labels: entity ids (all at `timestamp`, default now), or a frame with the columns entity_id and timestamp;
                further columns are carried through.
            features: references; or give `service`.
            timestamp: one moment for labels without a time.
            service: a feature service.
            known_at: only values known at that time, or with "label" at each row's own time; it must be settled.
            timezone: of a frame whose times are naive.

        Returns:
            The label rows, in their order, with a column per feature beside theirs.

        Raises:
            FailedPrecondition: known_at is too young (KNOWN_AT_NOT_SETTLED).
            InvalidInput: a label row has no good id or time, or a label column has the name of a feature's.
        """
        rows = label_rows(labels, timestamp, now=self.now(), timezone=timezone)
        bound = to_known_at(known_at)
        selection = FeatureSelection.of(features, service)
        carried = [name for name in rows.carried if name not in ("entity_id", "timestamp")]
        rows.refuse_names(await self._column_names(selection) if carried else ())
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
        known_at: KnownAt = None,
    ) -> OnlineFeatures:
        """`get_historical_features` in columns.

        Args:
            entity_ids: of n label rows.
            event_time: int64[n], microseconds since 1970 UTC; None reads at now: what an online read answers, with no
                upper bound on event times.
            features: references; or give `service`.
            service: a feature service.
            known_at: microseconds, "label" or None.

        Returns:
            n rows in the order given, and a column per feature.
        """
        check_entity_ids(entity_ids)
        if event_time is not None:
            if len(entity_ids) != len(event_time):
                raise InvalidInput("every label row needs an entity_id and a timestamp", field="timestamp")
            for moment in (int(event_time.min()), int(event_time.max())):
                to_micros(moment, "timestamp")
        elif known_at == "label":
            raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
        columns, as_of = await self._read_as_of(
            entity_ids, event_time, FeatureSelection.of(features, service), known_at
        )
        return OnlineFeatures(entity_ids=list(entity_ids), columns=columns, as_of_time=as_of)

    async def _column_names(self, selection: FeatureSelection) -> list[str]:
        """The names that the columns of these features have in a table, before anything is read."""
        references = selection.references
        if selection.service is not None:
            references = (await self.get_feature_service(selection.service)).features
        parsed = [FeatureRef.parse(each) for each in references]
        names = [each.name if each.via is None else f"{each.via.name}.{each.name}" for each in parsed]
        times = Counter(names)
        return [
            name if times[name] == 1 else await self._pinned(reference)
            for name, reference in zip(names, parsed, strict=True)
        ]

    async def _pinned(self, reference: FeatureRef) -> str:
        """A reference with the versions that it means now, as columns of one name are named by it."""
        steps = [reference] if reference.via is None else [reference.via, reference]
        versions = [each.version or (await self.get_feature(each.name)).version for each in steps]
        return ".".join(f"{each.name}@{version}" for each, version in zip(steps, versions, strict=True))
