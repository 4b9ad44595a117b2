"""TrainingSet: label rows with point-in-time values, as a stream, a frame, or files with a manifest.

A set is lazy, and every conversion reads it again. Its engine is a store (`SpilledRetrieval`) or servers
(`featurama.client`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from featurama_core.datasets.build import BuildFolder, Part, write_files
from featurama_core.datasets.files import Format, check_columns, format_of
from featurama_core.datasets.kept_rows import kept
from featurama_core.datasets.label_table import ROWS_ON_THE_LOOP
from featurama_core.datasets.manifest import Manifest, PartStatistics, facts_of, request_sha256
from featurama_core.datasets.plan import Plan
from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.datasets.spine_sources import (
    Keys,
    SpineSource,
    TableSource,
    one_batch,
    pandas_of,
    read_keys,
    sliced,
)
from featurama_core.frames.entities import EntityColumns
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.schemas import named_features, with_facts, with_pandas_dtypes
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.tables import arrow_fields, arrow_table, lists, numpy_arrays, pandas_frame, polars_frame
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import to_rfc3339

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray


class Engine(Protocol):
    """Finds the values of label rows."""

    @property
    def part_rows(self) -> int:
        """Rows per output part."""

    @property
    def as_of_time(self) -> int:
        """Microseconds: retention, and the age of newest values, is measured from this time."""

    @property
    def references(self) -> list[str]:
        """The references of the features, pinned if their versions are known."""

    @property
    def ttl_revisions(self) -> dict[str, int]:
        """Of each group that is read, the newest revision whose ttl applies; {} if they are not known."""

    async def prepare(
        self, source: SpineSource, columns: SpineColumns, work: BuildFolder, watcher: Watcher | None
    ) -> int | None:
        """Read ahead. Called once, before `columns`. -> number of rows, None if it is not known."""

    async def columns(self, part: int, keys: Keys) -> list[Column]:
        """A column per feature for the rows of a part. Parts are requested in order, possibly with gaps."""

    async def explain(self, source: SpineSource, columns: SpineColumns, work: BuildFolder) -> Plan:
        """An estimate of the reads."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as recorded in a manifest. known_at: RFC 3339, "label" or None."""

    features: tuple[str, ...]
    service: str | None
    known_at: str | None
    statuses: bool
    event_times: bool
    at_now: bool = False
    column_separator: str = "."

    @property
    def shown(self) -> FeatureColumns:
        """The columns per feature."""
        return FeatureColumns(self.statuses, self.event_times, self.column_separator)


class OutputBuilder(Protocol):
    """Converts the values of a run of label rows to a part of the output."""

    def check_names(self, labels: Sequence[str]) -> None:
        """Raise InvalidInput if a label column has the name of an output column."""

    def request(self) -> dict[str, Any]:
        """Additions to the request: plain JSON values."""

    async def part(self, number: int, batch: Any, keys: Keys, columns: list[Column], as_of: int) -> Part:
        """The rows of a part. batch: its label rows, an Arrow record batch. as_of: microseconds."""

    def content(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Additions to the manifest, from the facts of all parts."""


@dataclass(frozen=True, slots=True)
class Values:
    """The default answer: the label rows, and one column per feature."""

    shown: FeatureColumns

    def check_names(self, labels: Sequence[str]) -> None:
        """Nothing: `DatasetRequest.check_names` has checked the names."""

    def request(self) -> dict[str, Any]:
        """No additions."""
        return {}

    async def part(self, number: int, batch: Any, keys: Keys, columns: list[Column], as_of: int) -> Part:
        """The table of `HistoricalFeatures.to_arrow`."""
        del as_of  # the rows have their own times
        make = partial(self._table, batch, columns)
        table = make() if len(keys) <= ROWS_ON_THE_LOOP else await asyncio.to_thread(make)
        return Part(number, table, partial(facts_of, columns, keys.event_time, self.shown))

    def content(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The facts of each feature column."""
        return {"features": PartStatistics(parts).features()}

    def _table(self, batch: Any, columns: list[Column]) -> Any:
        return arrow_table(self.shown.beside(arrow_fields(batch), columns))


class TrainingDataset:
    """The label rows with one column per feature, or the output of another `OutputBuilder`. A lazy result of
    `FeatureStore.training_set`: every conversion reads the values again.
    """

    def __init__(
        self,
        begin: Callable[[], Engine],
        source: SpineSource,
        columns: SpineColumns,
        recorded: RecordedRequest,
        answer: OutputBuilder | None = None,
    ) -> None:
        """begin: creates the engine of one pass."""
        self._begin = begin
        self._references = begin().references
        self._source = source
        self._columns = columns
        self._recorded = recorded
        self._answer = answer or Values(recorded.shown)

    def __repr__(self) -> str:
        rows = "?" if self._source.rows is None else f"{self._source.rows:,}"
        return f"TrainingSet({rows} rows: {', '.join(self._references or self._recorded.features)})"

    async def batches(self, *, progress: Watcher | None = None) -> AsyncGenerator[Any, None]:
        """The rows as Arrow record batches, in the order of the label rows.

        Args:
            progress: Called with reports of the progress.

        Yields:
            Record batches. Temporary files are removed at the end of the iteration, also if it ends early.
        """
        work = BuildFolder()
        try:
            parts = self.reading().parts(work, progress, set())
            try:
                async for part in parts:
                    for batch in part.table.to_batches() or [one_batch(part.table)]:
                        yield batch
            finally:
                await parts.aclose()
        finally:
            if not work.is_empty:
                await asyncio.shield(asyncio.to_thread(work.remove))

    async def to_arrow(self, *, progress: Watcher | None = None) -> Any:
        """All rows as a pyarrow.Table in memory, with the types of `Result.to_arrow`.

        Args:
            progress: Called with reports of the progress.
        """
        import pyarrow as pa

        return pa.Table.from_batches([batch async for batch in self.batches(progress=progress)])

    async def to_pandas(self, *, progress: Watcher | None = None) -> pd.DataFrame:
        """All rows as a pandas DataFrame in memory, with the dtypes and the index of `Result.to_pandas`.

        Args:
            progress: Called with reports of the progress.
        """
        table = await self.to_arrow(progress=progress)
        dtypes, index = pandas_of(self._source)
        frame: pd.DataFrame = await asyncio.to_thread(pandas_frame, arrow_fields(table), dtypes, index)
        return frame

    async def to_polars(self, *, progress: Watcher | None = None) -> pl.DataFrame:
        """All rows as a polars DataFrame in memory, with the types of `Result.to_polars`.

        Args:
            progress: Called with reports of the progress.
        """
        table = await self.to_arrow(progress=progress)
        frame: pl.DataFrame = await asyncio.to_thread(polars_frame, arrow_fields(table))
        return frame

    async def to_numpy(self, *, progress: Watcher | None = None) -> dict[str, NDArray[Any]]:
        """All rows as numpy arrays by column name, as of `Result.to_numpy`.

        Args:
            progress: Called with reports of the progress.
        """
        return await asyncio.to_thread(numpy_arrays, arrow_fields(await self.to_arrow(progress=progress)))

    async def to_dict(self, *, progress: Watcher | None = None) -> dict[str, list[Any]]:
        """All rows as lists of Python values by column name, as of `Result.to_dict`.

        Args:
            progress: Called with reports of the progress.
        """
        return await asyncio.to_thread(lists, arrow_fields(await self.to_arrow(progress=progress)))

    async def explain(self) -> Plan:
        """The planned reads, their strategies with reasons, and estimates of values and seconds."""
        work = BuildFolder()
        try:
            return await self._begin().explain(self._source, self._columns, work)
        finally:
            await asyncio.to_thread(work.remove)

    async def write(
        self,
        out: str | Path,
        *,
        format: Format | None = None,  # noqa: A002 - the field's word
        overwrite: bool = False,
        resume: bool = False,
        progress: Watcher | None = None,
    ) -> Manifest:
        """Write files and their manifest.

        The output appears complete or not at all. An interrupted build leaves its finished work in the folder
        `.NAME.building` next to the output.

        Args:
            out: Directory for a file per part, or one file if it ends in .parquet, .csv, .arrow or .arrows.
            format: "parquet", "csv", "arrow" or "arrows" (an Arrow stream); None for that of the ending of `out`,
                parquet for a directory.
            overwrite: Whether to replace an existing output.
            resume: Whether to continue an interrupted build of the same request.
            progress: Called with reports of the progress.

        Returns:
            The manifest.

        Raises:
            Conflict: The output exists, and `overwrite` is not set, or another call is building it.
            InvalidInput: The label rows are invalid, or the format cannot hold one of their columns.
        """
        check_columns(self._source.schema, format_of(Path(out), format))
        made = self.reading(Path(out).parent)
        return await write_files(made, out, file_format=format, overwrite=overwrite, resume=resume, progress=progress)

    def reading(self, folder: Path | None = None) -> SetReading:
        """One pass over the set, for `datasets.build`. Label files are read once.

        folder: temporary copies of label rows are on the disk of this folder; None for that of temporary files.
        """
        return SetReading(self._begin(), kept(self._source, folder), self._columns, self._recorded, self._answer)


def request_of(
    source: SpineSource,
    columns: SpineColumns,
    recorded: RecordedRequest,
    references: Sequence[str],
    file_format: Format,
) -> dict[str, Any]:
    """A request as recorded in a manifest. Blocks on the label rows."""
    of_roles = {
        each.role.name: {"type": each.role.entity_type, "columns": list(each.entity.columns)} for each in columns.roles
    }
    return {
        "features": list(references or recorded.features),
        "service": recorded.service,
        "known_at": recorded.known_at,
        "at_now": recorded.at_now,
        "statuses": recorded.statuses,
        "event_times": recorded.event_times,
        "column_separator": recorded.column_separator,
        "entity_column": None if columns.roles or columns.single else columns.entity,
        **({"roles": of_roles} if of_roles else {}),
        **({"entity_keys": _keys_of(columns.single)} if columns.single else {}),
        **({"casts": dict(columns.casts)} if columns.casts else {}),
        "time_column": columns.time,
        **({"clock_column": columns.clock} if columns.clock else {}),
        "time": None if columns.moment is None else to_rfc3339(columns.moment),
        "timezone": columns.times.timezone,
        "time_unit": columns.times.unit,
        "time_format": columns.times.form,
        **({"ambiguous": columns.times.ambiguous} if columns.times.ambiguous != "refuse" else {}),
        "label_columns": list(source.schema.names),
        "labels": source.fingerprint(),
        "format": file_format,
    }


def _keys_of(entity: EntityColumns) -> dict[str, Any]:
    assert entity.keys is not None  # of ids there is a single column
    keys = {each.name: each.value_type.label for each in entity.keys.columns}
    return {"entity_type": entity.keys.entity_type, "keys": keys, "agreeing": entity.agreeing}


@dataclass(frozen=True, slots=True, eq=False)
class SetReading:
    """One pass over a set with an engine: a `PartSource`."""

    engine: Engine
    source: SpineSource
    columns: SpineColumns
    recorded: RecordedRequest
    answer: OutputBuilder

    @property
    def part_rows(self) -> int:
        """Rows of an output part."""
        return self.engine.part_rows

    async def request(self, file_format: Format) -> dict[str, Any]:
        """The request as recorded in the manifest."""
        recorded = await asyncio.to_thread(
            request_of, self.source, self.columns, self.recorded, self.engine.references, file_format
        )
        return recorded | self.answer.request()

    async def parts(self, work: BuildFolder, watcher: Watcher | None, skip: set[int]) -> AsyncGenerator[Part, None]:
        """The output parts in order, without those of `skip`."""
        rows = await self.engine.prepare(self.source, self.columns, work, watcher)
        stage = Stage("writing", rows, watcher)
        slices = sliced(self.source, self.engine.part_rows)
        number = first = 0
        # Slicing and checking a few rows takes less time than waking a thread.
        is_small = isinstance(self.source, TableSource) and (self.source.rows or 0) <= ROWS_ON_THE_LOOP
        while (batch := next(slices, None) if is_small else await asyncio.to_thread(next, slices, None)) is not None:
            if number not in skip:
                judge = partial(read_keys, batch, self.columns, first)
                yield await self._part(number, batch, judge() if is_small else await asyncio.to_thread(judge))
            number, first = number + 1, first + batch.num_rows
            stage.advance(batch.num_rows)
        if rows is not None and first != rows:
            raise InvalidInput("the label rows changed while they were read; build again", field="labels")
        if not number:
            empty = one_batch(self.source.schema.empty_table())
            yield await self._part(0, empty, read_keys(empty, self.columns, 0))

    async def _part(self, number: int, batch: Any, keys: Keys) -> Part:
        columns = await self.engine.columns(number, keys)
        part = await self.answer.part(number, batch, keys, columns, self.engine.as_of_time)
        facts, unnamed = part.facts, keys.unnamed
        return replace(part, table=self.with_dtypes(part.table), facts=lambda: facts() | {"unnamed": unnamed})

    def with_dtypes(self, table: Any) -> Any:
        """The table of a part with the pandas dtypes of its columns."""
        return with_pandas_dtypes(table, {name: str(dtype) for name, dtype in pandas_of(self.source)[0].items()})

    def described(self, table: Any, request: Mapping[str, Any]) -> Any:
        """The table of a part with the hash of the request, which stands in the manifest too."""
        pinned = self._pinned(request, named_features(table.schema))
        return with_facts(table, {"request_sha256": request_sha256(pinned)})

    def _pinned(self, request: Mapping[str, Any], features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        # Scores have no features; the versions of servers are known with their first answer.
        references = [each["reference"] for each in features] or list(self.engine.references)
        return dict(request) | {"features": references, "ttl_revisions": self.engine.ttl_revisions}

    def content(self, request: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The content of the manifest without the files."""
        facts = PartStatistics(parts)
        pinned = self._pinned(request, facts.features())
        return {
            "request": pinned,
            "request_sha256": request_sha256(pinned),
            "as_of_time": to_rfc3339(self.engine.as_of_time),
            "rows": facts.rows(),
            "time_range": facts.time_range(),
            **({"unnamed_rows": facts.unnamed()} if facts.unnamed() else {}),
        } | self.answer.content(parts)
