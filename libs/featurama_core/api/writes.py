"""The store's methods that write and delete values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Literal

from featurama_core.api.primitives import Primitives
from featurama_core.frames.report import FrameSending, Progress
from featurama_core.frames.writes import write_requests
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.names import check_entity_ids
from featurama_core.types.references import FeatureRef
from featurama_core.types.times import Time, TimeUnit, to_micros
from featurama_core.types.writes import Deletion, WriteMode, WriteReport, WriteRequest


class WritingMethods(Primitives):
    """Writing frames, requests in columns, and deleting."""

    async def write(self, request: WriteRequest) -> WriteReport:
        """Write up to 10,000 rows in columns.

        Args:
            request: without a request id it is given one, so that it can be sent again.

        Returns:
            Every row (or value) is accepted, rejected or unknown, with a reason.
        """
        if not request.request_id:
            request = replace(request, request_id=str(self._request_ids.next()))
        return await self._write(request)

    async def begin_import(self, scope: ImportScope, import_id: str = "") -> int:
        """Begin an import of old history: rows with ingest times of their own.

        `write_features` begins one for a frame by itself; the frames of one import name its number. The ingest times of
        an import end in its number, so that of imports with equal times the later one is a correction. An audit record
        names the features and times of the import before its first row.

        Args:
            scope: the features, event times and ingest times of all rows.
            import_id: a UUIDv7; beginning again with it gives the same number. "": made here.

        Returns:
            The number, 0 to 999, which every write of the import names.

        Raises:
            InvalidInput: the scope is empty or too young, or no number is left (LIMIT_EXCEEDED).
        """
        return await self._begin_import(scope, import_id or str(self._request_ids.next()))

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
        progress: Progress | None = None,
    ) -> WriteReport:
        """Write a long frame (entity_id, feature_name, value, timestamp) or a wide one (entity_id, timestamp, ...).

        Args:
            df: pandas, polars, Arrow or a mapping of columns; never changed.
            version: of every feature; None: the newest of each.
            batch_size: rows that are written at a time, at most 10,000.
            mode: BULK writes twice as fast on a cluster, for backfills.
            nulls: whether an empty cell of a wide frame is a null that is written ("write") or left out ("skip").
            timezone: of a frame whose times are naive, such as "Europe/Berlin".
            ingested_at_unit: what the numbers of a column ingested_at count. A frame with this column is an import of
                old history (mode BULK).
            import_number: of the import that the frame is a part of (`begin_import`); None: it is one itself.
            progress: called with (rows settled, rows of the frame) after every batch.

        Returns:
            A report whose verdicts name rows of the frame. What fails after a row was stored is in the report, to be
            sent again.

        Raises:
            FeaturamaError: nothing was stored, as far as is known.
        """
        frame = write_requests(
            df,
            version=version,
            batch_size=batch_size,
            mode=mode,
            nulls=nulls,
            timezone=timezone,
            ingested_at_unit=ingested_at_unit,
            request_ids=self._request_ids,
        )
        if frame.scope is not None:
            frame = frame.numbered(await self.begin_import(frame.scope) if import_number is None else import_number)
        sending = FrameSending(frame, progress)
        requests = iter(frame)
        head = list(islice(requests, 2))
        if len(head) == 1:
            sending.settle(head[0], await self._write(head[0].request))
        elif head:
            await self._write_all(chain(head, requests), sending)
        return sending.report.result()

    async def delete_entity(self, entity_id: str, deleted_through: Time | None = None) -> Deletion:
        """Delete all values of an entity for ever; it may live again with later event times.

        Args:
            entity_id: of the entity.
            deleted_through: values with this event time or an earlier one go; None: all that there are.
        """
        check_entity_ids([entity_id])
        return await self._delete(entity_id, (), _through(deleted_through))

    async def delete_feature_values(
        self, entity_id: str, features: Sequence[str], deleted_through: Time | None = None
    ) -> Deletion:
        """Delete the values of some features of an entity, all their versions, for ever.

        Args:
            entity_id: of the entity.
            features: names without version, group or path.
            deleted_through: values with this event time or an earlier one go; None: all that there are.
        """
        check_entity_ids([entity_id])
        names = [FeatureRef.parse(each) for each in ([features] if isinstance(features, str) else features)]
        if not names:
            raise InvalidInput("features is empty; name at least one", reason=Reason.EMPTY_REQUEST, field="features")
        if any(each.version is not None or each.via is not None or each.group is not None for each in names):
            raise InvalidInput(
                "features are deleted in all versions; name them without version, group or path",
                reason=Reason.INVALID_REFERENCE,
                field="features",
            )
        return await self._delete(entity_id, [each.name for each in names], _through(deleted_through))


def _through(moment: Time | None) -> int | None:
    return None if moment is None else to_micros(moment, "deleted_through_time")
