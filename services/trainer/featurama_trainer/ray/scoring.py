"""Batch scoring by many tasks: a task that joins a block of label rows also scores it, by `scoring.scored`.

The caller reads and checks the model once; tasks get its bytes and load them by their hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import pyarrow as pa
import ray.data

from featurama_core.datasets.build import BuildFolder, Part, write_files
from featurama_core.datasets.dataset import SetReading, TrainingDataset
from featurama_core.datasets.files import Format
from featurama_core.datasets.manifest import Manifest
from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.datasets.request import Build, RowOptions, build_request
from featurama_core.datasets.spine_sources import one_batch, read_keys
from featurama_core.frames.naming import FeatureColumns
from featurama_core.namespace import Namespace
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.times import to_known_at, to_rfc3339
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.checked_model import CheckedModel, ModelReference, checked_model
from featurama_model.score_table import check_label_names, facts_of, score_table
from featurama_model.scoring import role_options, scored
from featurama_trainer.ray.buckets import ROW
from featurama_trainer.ray.output import Output
from featurama_trainer.ray.store_location import StoreLocation, in_own_loop, own_loop
from featurama_trainer.ray.training_set import (
    BROADCAST_ENTITIES,
    TASKS_AT_ONCE,
    Cutting,
    SetRequest,
    SpineRows,
    dataset,
    partitioned,
    spine_rows,
)

_HIDDEN = "__feature."
"""Prefix of the names of feature columns, which must not collide with label columns."""


def score(
    storage: str | StorageSettings | StoreLocation,
    labels: Any,
    model: str,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    artefacts: ArtefactDirectory | None = None,
    ordered: bool = True,
    work: str | Path | None = None,
    tasks: int | None = None,
    concurrency: int = TASKS_AT_ONCE,
    broadcast: int = BROADCAST_ENTITIES,
    **rows: Unpack[RowOptions],
) -> ray.data.Dataset:
    """`featurama_model.scoring.scores` as a lazy `ray.data.Dataset`: the same rows, in the same order.

    This call reads and checks the model; the other arguments are those of `training_set`.
    """
    place = StoreLocation.of(storage, namespace)
    cutting = Cutting(ordered, work, tasks, concurrency, broadcast)
    with own_loop(place) as (loop, opened):
        checked = loop.run(checked_model(opened, ModelReference.parse(model), artefacts=artefacts))
        request = build_request(
            labels,
            checked.manifest.selection,
            Build(),
            **loop.run(role_options(opened, checked.manifest, rows)),
        )
        spine = loop.run(spine_rows(opened, request))
        check_label_names(spine.source.schema.names)
        return loop.run(_scores(opened, place, spine, checked, cutting))


async def write_scores(
    scores: TrainingDataset,
    namespace: Namespace,
    place: StoreLocation,
    model: CheckedModel,
    out: str | Path,
    *,
    cutting: Cutting | None = None,
    format: Format | None = None,  # noqa: A002 - the field's word
    overwrite: bool = False,
    resume: bool = False,
    progress: Watcher | None = None,
) -> Manifest:
    """Write the files and the manifest of `scores.write`, by tasks that open `place`.

    This process writes the files, as rows arrive in order. resume: finished files are kept, and their rows are not read
    again. With `cutting.work` None the label rows are kept beside `out` during the run.
    """
    source = _ByTasks(scores.reading(Path(out).parent), namespace, place, model, cutting or Cutting())
    return await write_files(source, out, file_format=format, overwrite=overwrite, resume=resume, progress=progress)


async def _scores(
    namespace: Namespace, place: StoreLocation, spine: SpineRows, model: CheckedModel, cutting: Cutting
) -> ray.data.Dataset:
    """Partition the label rows on disk. -> the dataset of their scores."""
    roles = tuple(each.role for each in spine.columns.roles)
    hidden = partial(Output, shown=FeatureColumns(statuses=True), prefix=_HIDDEN)
    resolve = partial(namespace.resolve, replace(model.manifest.selection, roles=roles))
    request, buckets = await partitioned(namespace, place, spine, resolve, hidden, cutting)
    return await asyncio.to_thread(dataset, request, buckets, cutting, _Score(request, model))


@dataclass(frozen=True, slots=True)
class _Score:
    """A stage of a dataset: joined rows in, the label columns with their scores out."""

    request: SetRequest
    model: CheckedModel

    def __call__(self, table: pa.Table) -> pa.Table:
        """One block of rows."""
        (made,) = in_own_loop(self.request.place, partial(self._scored, table=table.combine_chunks()))
        return made

    async def _scored(self, namespace: Namespace, *, table: pa.Table) -> AsyncIterator[pa.Table]:
        output = self.request.output
        labels = table.select([*output.labels, ROW])
        keys = read_keys(one_batch(labels), self.request.columns, 0)
        found = await scored(self.model.load(), namespace, keys.entity_ids, output.columns(table), keys.event_time)
        yield score_table(labels, self.model.manifest, found)


class _ByTasks:
    """The parts of a set of scores, computed by tasks: a `PartSource`."""

    def __init__(
        self, reading: SetReading, namespace: Namespace, place: StoreLocation, model: CheckedModel, cutting: Cutting
    ) -> None:
        self._reading = reading
        self._namespace = namespace
        self._place = place
        self._model = model
        self._cutting = cutting
        self._now = reading.engine.as_of_time

    @property
    def part_rows(self) -> int:
        return self._reading.part_rows

    async def request(self, file_format: Format) -> dict[str, Any]:
        return await self._reading.request(file_format)

    async def parts(self, work: BuildFolder, watcher: Watcher | None, skip: set[int]) -> AsyncGenerator[Part, None]:
        reading = self._reading
        self._now = int(work.notes.get("as_of", self._now))
        await asyncio.to_thread(work.note, {"as_of": self._now})
        # Parts are finished in order, so the remaining rows follow them.
        number = len(skip)
        known_at, first = to_known_at(reading.recorded.known_at), number * self.part_rows
        spine = SpineRows(reading.source, reading.columns, reading.recorded.at_now, known_at, self._now, first)
        if spine.rows != 0:
            async with aclosing(self._by_tasks(spine, number, work, watcher)) as parts:
                async for part in parts:
                    yield part
                    number += 1
        if not number:
            # Without label rows there are no tasks.
            async with aclosing(reading.parts(work, watcher, skip)) as parts:
                async for part in parts:
                    yield part

    async def _by_tasks(
        self, spine: SpineRows, number: int, work: BuildFolder, watcher: Watcher | None
    ) -> AsyncGenerator[Part, None]:
        cutting = self._cutting if self._cutting.work is not None else replace(self._cutting, work=work.path / "labels")
        rows = await _scores(self._namespace, self._place, spine, self._model, cutting)
        stage = Stage("writing", spine.rows, watcher)
        tables = rows.iter_batches(batch_size=self.part_rows, batch_format="pyarrow")
        coming = await asyncio.to_thread(iter, tables)
        try:
            while (table := await asyncio.to_thread(next, coming, None)) is not None:
                yield await asyncio.to_thread(self._part, number, table)
                number += 1
                stage.advance(table.num_rows)
        finally:
            # Closed before Ray ends. ValueError: its thread is running; it ends with Ray.
            with suppress(ValueError):
                await asyncio.shield(asyncio.to_thread(coming.close))

    def described(self, table: pa.Table, request: Mapping[str, Any]) -> pa.Table:
        return self._reading.described(table, request)

    def content(self, request: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return self._reading.content(request, parts) | {"as_of_time": to_rfc3339(self._now)}

    def _part(self, number: int, table: pa.Table) -> Part:
        whole = self._reading.with_dtypes(table.combine_chunks())
        (batch,) = whole.to_batches()
        keys = read_keys(batch, self._reading.columns, 0)
        return Part(number, whole, partial(facts_of, whole, keys.event_time))
