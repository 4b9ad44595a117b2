"""The store's reads of stored values: the history of one feature of one entity, whole or in pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featurama_core.api.definitions import DefinitionMethods
from featurama_core.api.primitives import HistoryRange
from featurama_core.frames.results import FeatureHistory
from featurama_core.types.column import concatenate
from featurama_core.types.entity_keys import EntityName
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.references import FeatureRef
from featurama_core.types.times import MAX_TIME, MIN_TIME, Time, to_micros

MAX_HISTORY_PAGE = 10_000


class HistoryMethods(DefinitionMethods):
    """Reading the stored values of one namespace."""

    async def get_feature_history(
        self,
        entity_id: EntityName,
        feature_name: str,
        start_time: Time | None = None,
        end_time: Time | None = None,
        limit: int | None = None,
        *,
        corrections: bool = False,
        entity_type: str | None = None,
    ) -> FeatureHistory:
        """The stored values of one feature of one entity, newest first. The ttl is not applied.

        Args:
            entity_id: Id of the entity, or its keys, such as {"film_id": 1}.
            feature_name: Feature reference. Paths are refused.
            start_time: Earliest event time, inclusive.
            end_time: Latest event time, inclusive.
            limit: Maximum number of values, counted from the newest; None for all.
            corrections: Whether every correction of an event time is returned, or only the visible value.
            entity_type: Type of the entity, for keys beside a feature of type `entity`; an id must be one of it.

        Returns:
            One row per value, with event time and ingest time.

        Raises:
            Unknown: The feature is not registered.
        """
        found, keys = await self._named(entity_id, [feature_name], entity_type=entity_type)
        pages: list[FeatureHistory] = []
        token = ""
        while not pages or token:
            page = await self.page_feature_history(
                found,
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
            # A token is of one version, and a newer one may be registered meanwhile.
            feature_name = f"{FeatureRef.parse(feature_name).name}@{page.column.version}"
        return FeatureHistory(
            entity_id=found,
            column=concatenate([page.column for page in pages]),
            ingested_at=np.concatenate([page.ingested_at for page in pages]),
            as_of_time=pages[0].as_of_time,
            keys=keys,
        )

    async def page_feature_history(
        self,
        entity_id: EntityName,
        feature_name: str,
        *,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
        corrections: bool = False,
        page_size: int = 1_000,
        page_token: str = "",
        entity_type: str | None = None,
    ) -> FeatureHistory:
        """One page of `get_feature_history`.

        Args:
            entity_id: Id of the entity, or its keys.
            feature_name: Feature reference. Paths are refused.
            start: Earliest event time, inclusive.
            end: Latest event time, inclusive.
            limit: Maximum number of values of all pages together, counted from the newest; None for all.
            corrections: Whether every correction of an event time is returned, or only the visible value.
            page_size: Values per page, at most 10,000. A page has fewer values if more could exceed 4 MiB.
            page_token: `next_page` of the previous page, with the same other arguments but for `page_size`; "" for the
                first page.
            entity_type: As in `get_feature_history`.

        Returns:
            The page. Its `next_page` is "" after the last page.

        Raises:
            InvalidInput: The page token is not one of these arguments (INVALID_PAGE_TOKEN), or an argument is out of
                bounds.
            Unknown: The feature is not registered.
        """
        found, keys = await self._named(entity_id, [feature_name], entity_type=entity_type)
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
        page = await self._page_history(found, feature_name, wanted, page_size, page_token)
        return replace(page, keys=keys) if keys else page
