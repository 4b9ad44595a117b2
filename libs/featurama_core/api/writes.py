"""The store's methods that write and delete values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from featurama_core.api.definitions import DefinitionMethods
from featurama_core.api.primitives import MAX_DEFINITIONS_PER_CALL
from featurama_core.frames.cells import open_frame
from featurama_core.frames.mapped_rows import check_complete
from featurama_core.frames.mapping import Mapping as ColumnMapping
from featurama_core.frames.report import FrameSending, Progress
from featurama_core.frames.writes import write_requests
from featurama_core.frames.zones import Ambiguous
from featurama_core.types.entity_keys import EntityName
from featurama_core.types.errors import InvalidInput, Reason, RowsRejected
from featurama_core.types.imports import ImportScope
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.schema import EntityType
from featurama_core.types.times import Time, TimeUnit, to_micros
from featurama_core.types.writes import Deletion, WriteMode, WriteReport, WriteRequest


class WritingMethods(DefinitionMethods):
    """Writing frames and columns, and deleting values."""

    async def write(self, request: WriteRequest) -> WriteReport:
        """Write up to 10,000 rows in columns.

        Args:
            request: The rows. A request without a request id is given one, so that it can be sent again.

        Returns:
            A verdict per row (or value): accepted, rejected or unknown, with a reason.

        Raises:
            InvalidInput: The request as a whole is refused: it is empty, too large or malformed.
        """
        if not request.request_id:
            request = replace(request, request_id=str(self._request_ids.next()))
        return await self._write(request)

    async def begin_import(self, scope: ImportScope, import_id: str = "") -> int:
        """Begin an import of old history, which is rows with ingest times of their own.

        `write_features` begins an import for a single frame. An import of several frames is begun once, and its number
        is passed with every frame. The ingest times of an import end in its number, so that among imports with equal
        times the later one is a correction. An audit record with the scope is written before the first row.

        Args:
            scope: Features, event times and ingest times of all rows.
            import_id: A UUIDv7. Beginning again with the same id returns the same number. "" makes a new id.

        Returns:
            The import number, 0 to 999, to be passed with every write of the import.

        Raises:
            InvalidInput: The scope is empty, or no number is left (LIMIT_EXCEEDED).
            FailedPrecondition: The scope is not settled (KNOWN_AT_NOT_SETTLED).
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
        entity_column: str = "entity_id",
        entity_id: str | None = None,
        time_column: str = "timestamp",
        clock_column: str | None = None,
        timestamp: Time | None = None,
        timezone: str | None = None,
        time_unit: TimeUnit | None = None,
        time_format: str | None = None,
        ambiguous: Ambiguous = "refuse",
        ingested_at_unit: TimeUnit | None = None,
        rename: Mapping[str, str] | None = None,
        only: Sequence[str] | None = None,
        ignore_extra: bool = False,
        casts: Mapping[str, str] | None = None,
        references: Mapping[str, str | Sequence[str]] | None = None,
        decimal: str = ".",
        true_values: Sequence[str] = (),
        false_values: Sequence[str] = (),
        raise_on_rejected: bool = False,
        import_number: int | None = None,
        progress: Progress | None = None,
    ) -> WriteReport:
        """Write a long frame (entity_id, feature_name, value, timestamp) or a wide one (entity_id, timestamp, ...).

        Instead of entity_id a frame may have the key columns of the entity type that its features describe.

        Args:
            df: A pandas or polars DataFrame, an Arrow table, a mapping of columns or a list of mappings. It is not
                modified.
            version: Version of every feature; None for the newest of each.
            batch_size: Rows per request, at most 10,000.
            mode: ATOMIC, or BULK for backfills, which is twice as fast on a cluster.
            nulls: Whether an empty cell is written as a null ("write") or omitted ("skip").
            entity_column: Column with the entity ids.
            entity_id: One entity for all rows, for a frame without an entity column.
            time_column: Column with the event times.
            clock_column: Column with the times of day, if `time_column` has dates alone: the texts of both, with a
                space between, are read as one time.
            timestamp: One event time for all rows, for a frame without a time column.
            timezone: Time zone of times and dates that have none, such as "Europe/Berlin". A date means its first
                instant there.
            time_unit: Unit of event times that are numbers since 1970 UTC: "s", "ms", "us" or "ns". Numbers without a
                unit are refused.
            time_format: Form of times that are texts: "iso8601" (the default), "rfc2822" or a pattern of `strptime`.
            ambiguous: Which instant a time of `timezone` means that a change of its clocks repeats or skips, "earlier"
                or "later"; "refuse" rejects its row.
            ingested_at_unit: Unit of the numbers in a column ingested_at. A frame with this column is an import of old
                history and requires mode BULK.
            rename: {column: new name}. All other arguments use the new names.
            only: The feature columns to write; others are left out.
            ignore_extra: Whether columns that are no registered features are left out.
            casts: {column: cast}. "bool" takes 0 and 1, "int" texts of whole numbers, "double" decimals and texts of
                numbers, "text" whole numbers (entity ids), also as doubles. The report counts the cells.
            references: {feature: column or columns} of a wide frame: a text feature that refers to an entity type with
                keys gets its ids from these columns, which hold the keys in their order.
            decimal: "," if texts that are cast have a decimal comma.
            true_values: Texts that the cast "bool" takes as true, such as ["yes"], beside "true" and "1".
            false_values: Texts that it takes as false, such as ["no"], beside "false" and "0".
            raise_on_rejected: Whether a rejected row raises RowsRejected, after all rows were sent.
            import_number: Number of the import that the frame belongs to (`begin_import`); None begins an import for
                this frame.
            progress: Called with (rows settled, rows of the frame) after every batch.

        Returns:
            A report whose verdicts name rows of the frame. A failure after the first stored row is part of the report,
            and its rows can be sent again.

        Raises:
            FeaturamaError: A request failed before any row of the frame was known to be stored.
            RowsRejected: A row was rejected, with `raise_on_rejected`. The error has the report.
        """
        mapping = ColumnMapping.of(
            entity_column=entity_column,
            entity_id=entity_id,
            time_column=time_column,
            clock_column=clock_column,
            timestamp=timestamp,
            timezone=timezone,
            time_unit=time_unit,
            time_format=time_format,
            ambiguous=ambiguous,
            ingested_at_unit=ingested_at_unit,
            rename=rename,
            only=only,
            ignore_extra=ignore_extra,
            casts=casts,
            references=references,
            decimal=decimal,
            true_values=true_values,
            false_values=false_values,
        )
        report = await self.write_mapped(
            df, mapping, version, batch_size, mode=mode, nulls=nulls, import_number=import_number, progress=progress
        )
        if raise_on_rejected and report.rejected:
            raise RowsRejected(f"rows were rejected: {report!r}", report)
        return report

    async def write_mapped(
        self,
        df: Any,
        mapping: ColumnMapping,
        version: int | None = None,
        batch_size: int = 1_000,
        *,
        mode: WriteMode = WriteMode.ATOMIC,
        nulls: Literal["write", "skip"] = "write",
        import_number: int | None = None,
        progress: Progress | None = None,
    ) -> WriteReport:
        """`write_features` with the meaning of the columns in one argument.

        Args:
            df: See `write_features`, also for the other arguments.
            mapping: Names, keys, times and casts.
            version: Version of every feature.
            batch_size: Rows per request.
            mode: ATOMIC or BULK.
            nulls: "write" or "skip".
            import_number: Number of an import that was begun.
            progress: Called after every batch.

        Returns:
            A report whose verdicts name rows of the frame.

        Raises:
            FeaturamaError: A request failed before any row of the frame was known to be stored.
        """
        if nulls == "write":
            check_complete(df)
        opened = open_frame(df)
        mapping = await self.with_keys(opened, mapping)
        features: set[str] | None = None
        if mapping.ignore_extra:
            names = mapping.renamed(list(opened.columns))
            features = {each.name for each in await self.find_features(names)}
        frame = write_requests(
            opened,
            version=version,
            batch_size=batch_size,
            mode=mode,
            nulls=nulls,
            mapping=mapping,
            features=features,
            request_ids=self._request_ids,
        )
        if frame.scope is not None:
            frame = frame.numbered(await self.begin_import(frame.scope) if import_number is None else import_number)
        sending = FrameSending(frame, progress)
        await self._write_all(frame, sending)
        return sending.report.result()

    async def with_keys(self, df: Any, mapping: ColumnMapping) -> ColumnMapping:
        """A mapping of a frame that may have the key columns of its entity type instead of entity ids.

        Args:
            df: See `write_features`.
            mapping: Names, keys, times and casts.

        Returns:
            The mapping, with the keys of the entity type that the features of the frame describe, and of those that
            its references name.

        Raises:
            InvalidInput: The features describe several entity types, or references do not fit the keys of a type.
            Unknown: A feature of `references` is not registered.
        """
        if mapping.keys is not None or mapping.referenced:
            return mapping
        referenced = []
        for feature, _ in mapping.references:
            target = (await self.get_feature(feature)).references
            if target is None:
                raise InvalidInput(
                    f"references names {feature!r}, which refers to no entity type; leave it out", field="references"
                )
            referenced.append(await self.get_entity_type(target))
        names = mapping.features_of(open_frame(df))
        kinds = await self._described(names)
        if len(kinds) > 1:
            # A feature of another type may be named like a key: the other columns say whose key it is.
            for each in kinds:
                keys = {key.name for key in each.keys}
                if keys and await self._described([name for name in names if name not in keys]) == [each]:
                    return mapping.with_keys([each], referenced)
        return mapping.with_keys(kinds, referenced)

    async def _described(self, names: Sequence[str]) -> list[EntityType]:
        """The entity types of the features with these names, any number of them, without `entity`."""
        kinds: dict[str, EntityType] = {}
        for at in range(0, len(names), MAX_DEFINITIONS_PER_CALL):
            selection = FeatureSelection(tuple(names[at : at + MAX_DEFINITIONS_PER_CALL]))
            kinds |= {each.name: each for each in await self._types_of(selection)}
        return list(kinds.values())

    async def delete_entity(
        self, entity_id: EntityName, deleted_through: Time | None = None, *, entity_type: str | None = None
    ) -> Deletion:
        """Delete all values of an entity permanently. Values with later event times can be written afterwards.

        Args:
            entity_id: Id of the entity, or its keys, such as {"film_id": 1}.
            deleted_through: Latest event time to delete, inclusive; None for all stored values.
            entity_type: Type of the entity, required for keys.

        Returns:
            The latest event time deleted, whether the stored bytes are removed too, and whether anything was stored.

        Raises:
            InvalidInput: `deleted_through` is in the future.
        """
        found, _ = await self._named(entity_id, entity_type=entity_type)
        return await self._delete(found, (), _through(deleted_through))

    async def delete_feature_values(
        self,
        entity_id: EntityName,
        features: Sequence[str],
        deleted_through: Time | None = None,
        *,
        entity_type: str | None = None,
    ) -> Deletion:
        """Delete the values of some features of an entity permanently, in all versions.

        Args:
            entity_id: Id of the entity, or its keys.
            features: Feature names without version, group or path.
            deleted_through: Latest event time to delete, inclusive; None for all stored values.
            entity_type: Type of the entity, for keys beside features of type `entity`; an id must be one of it.

        Returns:
            The latest event time deleted, whether the stored bytes are removed too, and whether anything was stored.

        Raises:
            InvalidInput: A name has a version, a group or a path, or `deleted_through` is in the future.
            Unknown: A feature is not registered.
        """
        names = [FeatureRef.parse(each) for each in FeatureSelection.of(features, None).references]
        if any(each.version is not None or each.via is not None or each.group is not None for each in names):
            raise InvalidInput(
                "features are deleted in all versions; name them without version, group or path",
                reason=Reason.INVALID_REFERENCE,
                field="features",
            )
        found, _ = await self._named(entity_id, [each.name for each in names], entity_type=entity_type)
        return await self._delete(found, [each.name for each in names], _through(deleted_through))


def _through(moment: Time | None) -> int | None:
    return None if moment is None else to_micros(moment, "deleted_through_time")
