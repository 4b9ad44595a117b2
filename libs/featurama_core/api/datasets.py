"""The store's method that makes datasets of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from featurama_core.api.entities import EntityMethods
from featurama_core.api.reads import ReadingMethods
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import FeatureSelection
from featurama_core.types.times import Time, TimeUnit

if TYPE_CHECKING:
    from featurama_core.datasets.dataset import TrainingDataset
    from featurama_core.datasets.request import DatasetRequest
    from featurama_core.frames.role_columns import RolesGiven
    from featurama_core.frames.zones import Ambiguous


class DatasetMethods(ReadingMethods, EntityMethods):
    """Point-in-time datasets, streamed."""

    async def training_set(
        self,
        labels: Any = None,
        features: Sequence[str] | None = None,
        *,
        service: str | None = None,
        known_at: Time | Literal["label"] | None = None,
        entity_column: str = "entity_id",
        entity_columns: Mapping[str, str | Sequence[str]] | None = None,
        roles: RolesGiven | None = None,
        time_column: str = "timestamp",
        clock_column: str | None = None,
        timestamp: Time | None = None,
        timezone: str | None = None,
        time_unit: TimeUnit | None = None,
        time_format: str | None = None,
        ambiguous: Ambiguous = "refuse",
        rename: Mapping[str, str] | None = None,
        casts: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        quote: str = '"',
        encoding: str = "utf-8",
        null_values: Sequence[str] = (),
        decimal: str = ".",
        true_values: Sequence[str] = (),
        false_values: Sequence[str] = (),
        entity_type: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        every: str | timedelta | None = None,
        statuses: bool = False,
        event_times: bool = False,
        column_separator: str = ".",
        memory: int | str = "2GB",
        strategy: Literal["auto", "scan", "lookup", "seek"] = "auto",
    ) -> TrainingDataset:
        """Point-in-time features for any number of label rows, streamed to frames or files. Requires pyarrow.

        `get_historical_features` answers the same question for rows that fit in memory. No values are read until rows
        are requested from the returned dataset. Without `labels`, the rows are every entity of `entity_type` at start,
        start + every, ..., end; without these three they are the newest values of every entity. They have the columns
        entity_id, the keys of the type, and timestamp.

        Args:
            labels: A pandas, polars or Arrow frame, or the path of a Parquet, CSV or Arrow file or of a directory of
                such files. Columns other than entity and time are copied to the output.
            features: Feature references. Either `features` or `service` is required.
            service: Name of a feature service.
            known_at: Only values ingested by this time are used; "label" uses the time of each row. It must be older
                than the settling time.
            entity_column: Label column with entity ids.
            entity_columns: {entity type: label column, or a list of one per key}, short for roles that are named like
                their types.
            roles: {role: entity type}, for rows that name several entities: `home.rating` is the rating of the entity
                in the column `home`, and NOT_FOUND where that is null or empty. {"home": {"type": "team", "columns":
                "host"}} names other columns. A feature service may declare its own.
            time_column: Label column with the time of each row.
            clock_column: Label column with the times of day, if `time_column` has dates alone.
            timestamp: One time for all rows, for labels without a time column.
            timezone: Time zone of times and dates that have none. A date means its first instant there.
            time_unit: Unit of times that are numbers since 1970 UTC: "s", "ms", "us" or "ns".
            time_format: Form of times that are texts: "iso8601" (the default), "rfc2822" or a pattern of `strptime`.
            ambiguous: Which instant a time of `timezone` means that a change of its clocks repeats or skips, "earlier"
                or "later"; "refuse" names its row.
            rename: {column: new name} of label columns. All other arguments and the output use the new names.
            casts: {column: cast} of columns with entities or times, as of `write_features`: {"station": "text"} reads
                whole numbers as ids. The columns of the output keep their types.
            types: {column: type}: "int", "double", "bool", "text" or "vector[n]". Columns of CSV files and partition
                folders are text without it. A value that the type cannot hold without loss is refused by its row.
            delimiter: Of CSV files; None for a comma, in .tsv files a tab.
            quote: Quotation mark of CSV files, "" for none.
            encoding: Of CSV files, such as "latin-1". UTF-8 may begin with a BOM.
            null_values: Texts of CSV files that mean null, such as ["NA"], beside the empty text.
            decimal: "," if texts have a decimal comma: `1,5` is then 1.5 in columns with a number in `types`.
            true_values: Texts that mean true in columns with "bool" in `types`, such as ["yes"], beside "true" and "1".
            false_values: Texts that mean false there, such as ["no"], beside "false" and "0".
            entity_type: Type of the entities of a grid: all that are registered. An embedded store also lists
                unregistered entities with values for the type `entity`.
            start: First time of a grid.
            end: Last time of a grid, inclusive.
            every: Step of a grid: "1h", "7d" or a timedelta.
            statuses: Whether to add a column `<name>__status` per feature.
            event_times: Whether to add a column `<name>__event_time` per feature.
            column_separator: Text that stands for the dots in the names of feature columns, such as "__": a path is
                then `destination__traffic_level`.
            memory: Approximate memory limit, bytes or a text such as "2GB", at least 64 MB. Servers ignore it and
                answer 100,000 rows at a time.
            strategy: How history is read: "scan" for whole partitions, "lookup" for the entities of the rows, "seek"
                for one event per row (on CQL as "lookup"), "auto" for the one that is estimated to be the fastest. It
                does not change the rows; servers ignore it.

        Returns:
            A dataset with `to_pandas`, `to_polars`, `to_arrow`, `to_numpy`, `to_dict`, `batches`, `write` and
            `explain`. Without label rows it has no rows and all columns.

        Raises:
            FailedPrecondition: `known_at` is not settled (KNOWN_AT_NOT_SETTLED).
            InvalidInput: The label rows lack a column, or two columns would have one name.
        """
        from featurama_core.datasets.request import Build, build_request

        request = build_request(
            labels,
            FeatureSelection.of(features, service),
            Build(memory, strategy, statuses, event_times, column_separator),
            known_at=known_at,
            entity_column=entity_column,
            entity_columns=entity_columns,
            roles=roles,
            time_column=time_column,
            clock_column=clock_column,
            timestamp=timestamp,
            timezone=timezone,
            time_unit=time_unit,
            time_format=time_format,
            ambiguous=ambiguous,
            rename=rename,
            casts=casts,
            types=types,
            delimiter=delimiter,
            quote=quote,
            encoding=encoding,
            null_values=null_values,
            decimal=decimal,
            true_values=true_values,
            false_values=false_values,
            entity_type=entity_type,
            start=start,
            end=end,
            every=every,
        )
        return await self.open_dataset(request)

    async def open_dataset(self, request: DatasetRequest) -> TrainingDataset:
        """The dataset of a request.

        Args:
            request: Made by `featurama_core.datasets.request.build_request`.
        """
        from featurama_core.datasets.dataset import TrainingDataset
        from featurama_core.datasets.kept_rows import kept

        now, request = self.now(), await self.in_roles(request)
        source, columns, at_now = await request.open(now, self._entity_ids)
        request.check_names(source.schema.names, await self._column_names(request.selection))
        if request.known_at == "label":
            # The newest row is searched first; that pass over a file also serves the first build.
            source = kept(source)
        opened = await self._dataset_source(request, source, columns, at_now=at_now, now=now)
        return TrainingDataset(opened.begin, source, opened.columns, request.recorded(at_now=at_now), request.answer)

    async def in_roles(self, request: DatasetRequest) -> DatasetRequest:
        """A request with the columns of its roles, among them those that its feature service declares; without roles,
        with the entity types whose keys may name its rows.

        Args:
            request: Made by `featurama_core.datasets.request.build_request`.
        """
        roles, keys = await self._declared(request.selection)
        if roles:
            return request.in_roles(roles, keys)
        if request.rows.labels is not None:
            kinds = await self._types_of(request.selection)
        elif (entity_type := request.grid.entity_type) in (None, DEFAULT_ENTITY_TYPE):
            kinds = []
        else:
            kinds = [await self.get_entity_type(str(entity_type))]
        return replace(request, rows=replace(request.rows, kinds=kinds))

    async def _entity_ids(self, entity_type: str) -> list[str]:
        """Ids of the entities of a type, ascending, for a grid."""
        return sorted(each.entity_id for each in await self.list_entities(entity_type))
