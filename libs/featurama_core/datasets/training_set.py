"""TrainingSet: label rows with the values as they were, as a stream, a frame, or files with a manifest.

Nothing is read before it is asked for, and each way of asking reads anew. An engine answers: a store (`StoreEngine`)
or servers (`featurama.client`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from featurama_core.datasets.files import sha256_of
from featurama_core.datasets.labels import Keys, LabelColumns, LabelSource, read_keys, sliced
from featurama_core.datasets.manifest import (
    FORMAT_VERSION,
    Facts,
    Manifest,
    code_versions,
    facts_of,
    manifest_path,
)
from featurama_core.datasets.output import Format, TableFile, format_of, new_file
from featurama_core.datasets.plan import Plan
from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.datasets.work import WorkFolder
from featurama_core.model.columns import Column
from featurama_core.model.errors import Conflict, InvalidInput, Reason
from featurama_core.model.results import HistoricalFeatures
from featurama_core.model.times import to_rfc3339

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Engine(Protocol):
    """Who answers label rows."""

    @property
    def part_rows(self) -> int:
        """Rows of an output part."""

    @property
    def as_of_time(self) -> int:
        """Microseconds: the moment from which retention, and the age of newest values, is reckoned."""

    @property
    def references(self) -> list[str]:
        """What is read, pinned where that is known."""

    async def prepare(
        self, source: LabelSource, columns: LabelColumns, work: WorkFolder, watcher: Watcher | None
    ) -> int | None:
        """Come before `columns`. -> how many rows there are, if that is known."""

    async def columns(self, part: int, keys: Keys) -> list[Column]:
        """A column a feature for the rows of a part; parts are asked for in order, some may be left out."""

    async def explain(self, source: LabelSource, columns: LabelColumns, work: WorkFolder) -> Plan:
        """What it would read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as a manifest tells it. known_at: RFC 3339, "label" or None."""

    features: tuple[str, ...]
    service: str | None
    known_at: str | None
    statuses: bool
    event_times: bool
    at_now: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A run of rows: its number, the table, and what the manifest says of it."""

    number: int
    table: Any
    facts: dict[str, Any]


class TrainingSet:
    """The label rows with a column a feature beside theirs. Made by `FeatureStore.training_set` and the clients'."""

    def __init__(self, begin: Callable[[], Engine], source: LabelSource, columns: LabelColumns, asked: Asked) -> None:
        """`begin` makes an engine for one reading of the set."""
        self._begin = begin
        self._references = begin().references
        self._source = source
        self._columns = columns
        self._asked = asked

    def __repr__(self) -> str:
        rows = "?" if self._source.rows is None else f"{self._source.rows:,}"
        return f"TrainingSet({rows} rows: {', '.join(self._references or self._asked.features)})"

    async def batches(self, *, progress: Watcher | None = None) -> AsyncGenerator[Any, None]:
        """Arrow record batches in the order of the label rows. Leaving the iteration early removes what it kept."""
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="featurama-set-")
        try:
            work = await asyncio.to_thread(WorkFolder, Path(folder), "", resume=False)
            parts = self._parts(self._begin(), work, progress, set())
            try:
                async for part in parts:
                    for batch in part.table.to_batches():
                        yield batch
            finally:
                await parts.aclose()
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    async def to_arrow(self, *, progress: Watcher | None = None) -> Any:
        """All of it as a pyarrow.Table, in memory."""
        import pyarrow as pa

        return pa.Table.from_batches([batch async for batch in self.batches(progress=progress)])

    async def to_pandas(self, *, progress: Watcher | None = None) -> pd.DataFrame:
        """All of it as a pandas frame, in memory."""
        table = await self.to_arrow(progress=progress)
        frame: pd.DataFrame = await asyncio.to_thread(table.to_pandas)
        return frame

    async def to_polars(self, *, progress: Watcher | None = None) -> pl.DataFrame:
        """All of it as a polars frame, in memory."""
        import polars as pl

        table = await self.to_arrow(progress=progress)
        frame = await asyncio.to_thread(pl.from_arrow, table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    async def explain(self) -> Plan:
        """How it would be read: what, in which way, why, and about how long that takes."""
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="featurama-set-")
        try:
            work = await asyncio.to_thread(WorkFolder, Path(folder), "", resume=False)
            return await self._begin().explain(self._source, self._columns, work)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def write(
        self,
        out: str | Path,
        *,
        format: Format | None = None,  # noqa: A002 - the field's word
        overwrite: bool = False,
        resume: bool = False,
        progress: Watcher | None = None,
    ) -> Manifest:
        """Write files and their manifest: a directory of parts, or one file where `out` ends in .parquet, .csv, .arrow.

        `out` appears complete or not at all. An interrupted build leaves its finished work in `.NAME.building` beside
        it: `resume` goes on there if the request is the same, anything else begins anew. Conflict if `out` is there,
        unless `overwrite`.
        """
        target = Path(out)
        kind = format_of(target, format)
        if await asyncio.to_thread(target.exists) and not overwrite:
            raise Conflict(f"{target.name} is there already; name another, or overwrite it", field="out")
        engine = self._begin()
        request = await self._request(kind)
        identity = hashlib.sha256(json.dumps([request, engine.part_rows]).encode()).hexdigest()
        work = await asyncio.to_thread(
            WorkFolder, target.with_name(f".{target.name}.building"), identity, resume=resume
        )
        try:
            content = await self._write_parts(engine, work, target, kind, request, progress)
        except InvalidInput:
            # Going on would fail again; after anything else it may not.
            await asyncio.to_thread(work.remove)
            raise
        await asyncio.to_thread(_put_in_place, work, target, content)
        return content

    async def _write_parts(
        self,
        engine: Engine,
        work: WorkFolder,
        target: Path,
        kind: Format,
        request: dict[str, Any],
        progress: Watcher | None,
    ) -> Manifest:
        whole = bool(target.suffix)
        folder = work.path / "parts"
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        # One file has no finished parts to go on from: it is written again from the joins.
        done: dict[str, Any] = {} if whole else dict(work.notes.get("parts", {}))
        with ExitStack() as files:
            file: TableFile | None = None
            async for part in self._parts(engine, work, progress, {int(each) for each in done}):
                if whole:
                    if file is None:
                        opening = new_file(folder / target.name, part.table.schema, kind)
                        file = await asyncio.to_thread(files.enter_context, opening)
                    await asyncio.to_thread(file.write, part.table)
                    done[str(part.number)] = part.facts
                else:
                    path = folder / f"part-{part.number:05}.{kind}"
                    done[str(part.number)] = part.facts | await asyncio.to_thread(_write_part, path, part.table, kind)
                    await asyncio.to_thread(work.note, {"parts": done})
            await asyncio.to_thread(files.close)
        facts = Facts([done[each] for each in sorted(done, key=int)])
        written = [part["file"] for part in facts.parts if "file" in part]
        if whole:
            written = [await asyncio.to_thread(_file_facts, folder / target.name, facts.rows())]
        return Manifest(
            {
                "format_version": FORMAT_VERSION,
                "request": request | {"features": [each["reference"] for each in facts.features()]},
                "as_of_time": to_rfc3339(engine.as_of_time),
                "rows": facts.rows(),
                "time_range": facts.time_range(),
                "features": facts.features(),
                "files": written,
                "code": await asyncio.to_thread(code_versions),
            }
        )

    async def _parts(
        self, engine: Engine, work: WorkFolder, watcher: Watcher | None, skip: set[int]
    ) -> AsyncGenerator[Part, None]:
        """The output parts in order, those of `skip` left out."""
        rows = await engine.prepare(self._source, self._columns, work, watcher)
        stage = Stage("writing", rows, watcher)
        slices = sliced(self._source, engine.part_rows)
        number = first = 0
        while (batch := await asyncio.to_thread(next, slices, None)) is not None:
            if number not in skip:
                keys = await asyncio.to_thread(read_keys, batch, self._columns, first)
                columns = await engine.columns(number, keys)
                table = await asyncio.to_thread(self._table, batch, columns, engine.as_of_time)
                yield Part(number, table, facts_of(columns, keys.event_time))
            number, first = number + 1, first + batch.num_rows
            stage.advance(batch.num_rows)
        if rows is not None and first != rows:
            raise InvalidInput("the label rows changed while they were read; build again", field="labels")
        if not first:
            raise InvalidInput("there are no label rows; give one", reason=Reason.EMPTY_REQUEST, field="labels")

    def _table(self, batch: Any, columns: list[Column], as_of: int) -> Any:
        labels = dict(zip(batch.schema.names, batch.columns, strict=True))
        found = HistoricalFeatures(labels, columns, as_of)
        return found.to_arrow(statuses=self._asked.statuses, event_times=self._asked.event_times)

    async def _request(self, kind: Format) -> dict[str, Any]:
        return {
            "features": list(self._references or self._asked.features),
            "service": self._asked.service,
            "known_at": self._asked.known_at,
            "at_now": self._asked.at_now,
            "statuses": self._asked.statuses,
            "event_times": self._asked.event_times,
            "entity_column": self._columns.entity,
            "time_column": self._columns.time,
            "time": None if self._columns.moment is None else to_rfc3339(self._columns.moment),
            "timezone": self._columns.timezone,
            "label_columns": list(self._source.schema.names),
            "labels": await asyncio.to_thread(self._source.fingerprint),
            "format": kind,
        }


def _write_part(path: Path, table: Any, kind: Format) -> dict[str, Any]:
    with new_file(path, table.schema, kind) as file:
        file.write(table)
    return {"file": _file_facts(path, table.num_rows)}


def _file_facts(path: Path, rows: int) -> dict[str, Any]:
    return {"name": path.name, "rows": rows, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _put_in_place(work: WorkFolder, target: Path, manifest: Manifest) -> None:
    parts = work.path / "parts"
    if target.suffix:
        (parts / target.name).replace(target)
        manifest.save(manifest_path(target))
    else:
        wanted = {each["name"] for each in manifest.files}
        for path in parts.iterdir():
            if path.name not in wanted:
                path.unlink()
        manifest.save(manifest_path(parts))
        if target.is_dir():
            shutil.rmtree(target)
        elif target.exists():
            target.unlink()
        parts.replace(target)
    work.remove()
