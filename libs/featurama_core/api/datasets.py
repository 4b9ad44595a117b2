"""The store's method that makes datasets of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from featurama_core.api.entities import EntityMethods
from featurama_core.api.reads import ReadingMethods
from featurama_core.types.references import FeatureSelection
from featurama_core.types.times import Time

if TYPE_CHECKING:
    from featurama_core.datasets.dataset import TrainingSet
    from featurama_core.datasets.request import DatasetRequest


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

        Nothing is read before the dataset is asked for rows. Without `labels`: every entity of `entity_type` at start,
        start + every, ... end, or, without these three, the newest values of all.

        Args:
            labels: a pandas, polars or Arrow frame, or the path of a Parquet, CSV or Arrow file or of a directory of
                them; the columns beside entity and time are carried through.
            features: references; or give `service`.
            service: a feature service.
            known_at: only values known at that time, or with "label" at each row's own time; it must be settled.
            entity_column: the label column that names the entity.
            entity_columns: where rows name several entities, {entity type: column}. The features of a type are those
                of the entity in its column (none where that is null or empty); entity_column serves all other types.
            time_column: the label column that names the moment.
            timestamp: one moment for labels without a time column.
            timezone: of times that name no zone.
            entity_type: of all registered entities; of the type `entity` also those that merely have values, where the
                store can list them (servers do not).
            start: the first moment of a grid.
            end: the last moment of a grid, included.
            every: the step of a grid: "1h", "7d", a timedelta or microseconds.
            statuses: add a column `<name>__status` per feature.
            event_times: add a column `<name>__event_time` per feature.
            memory: what a build may use, about; servers answer 100,000 rows at a time whatever it says.
            reading: how history is read; the rows are the same either way, and servers choose for themselves.

        Returns:
            A dataset with `to_pandas`, `to_polars`, `to_arrow`, `batches`, `write` and `explain`.

        Raises:
            FailedPrecondition: known_at is too young (KNOWN_AT_NOT_SETTLED).
            InvalidInput: the label rows lack a column, or one has the name of a feature's.
        """
        from featurama_core.datasets.request import Build, build_request

        request = build_request(
            labels,
            FeatureSelection.of(features, service),
            Build(memory, reading, statuses=statuses, event_times=event_times),
            known_at=known_at,
            entity_column=entity_column,
            entity_columns=entity_columns,
            time_column=time_column,
            timestamp=timestamp,
            timezone=timezone,
            entity_type=entity_type,
            start=start,
            end=end,
            every=every,
        )
        return await self.open_dataset(request)

    async def open_dataset(self, request: DatasetRequest) -> TrainingSet:
        """The dataset of a request (`featurama_core.datasets.request`), such as one whose values become scores."""
        from featurama_core.datasets.dataset import TrainingSet
        from featurama_core.datasets.kept_rows import kept

        now = self.now()
        source, columns, at_now = await request.open(now, self._entity_ids)
        request.refuse_names(source.schema.names, await self._column_names(request.selection))
        if request.known_at == "label":
            # The newest row is looked for first; that pass over a file serves the first build too.
            source = kept(source)
        opened = await self._dataset_source(request, source, columns, at_now=at_now, now=now)
        return TrainingSet(opened.begin, source, opened.columns, request.asked(at_now=at_now), request.answer)

    async def _entity_ids(self, entity_type: str) -> list[str]:
        """Ids of a type for a dataset of all its entities, ascending."""
        return sorted(each.entity_id for each in await self.list_entities(entity_type))
