"""The sample world, written to files or to a store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet

import featurama_world
from featurama_cli.definitions_file import read_definitions
from featurama_cli.frame_files import write_table
from featurama_cli.progress import bar
from featurama_core.types.errors import InvalidInput, OutcomeUnknown, StoreUnavailable
from featurama_core.types.schema import Entity
from featurama_core.types.writes import WriteMode, WriteReport
from featurama_world import World, WorldConfig, WorldSize

if TYPE_CHECKING:
    from featurama_cli.session import Session

ROWS_PER_FRAME = 10_000
ENTITIES_A_CALL = 1_000


@dataclass(frozen=True, slots=True)
class Ingested(WorldSize):
    """What was written, and in which time (definitions and entities not counted)."""

    seconds: float


def world_of(**sizes: Any) -> World:
    """A world of some size; InvalidInput for one that cannot be."""
    try:
        return featurama_world.generate(WorldConfig(**sizes))
    except ValueError as error:
        raise InvalidInput(str(error), field="world") from error


def write_files(world: World, folder: Path, file_format: str) -> list[Path]:
    """`entities`, `labels` and a file a feature group; memory is bounded for Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: list[tuple[str, Iterable[pa.Table]]] = [("entities", world.entities()), ("labels", world.labels())]
    tables += [(group, (batch.table for batch in world.batches(groups=[group]))) for group in featurama_world.GROUPS]
    written: list[Path] = []
    for name, parts in tables:
        path = folder / f"{name}.{file_format}"
        if _write(parts, path):
            written.append(path)
    (folder / "definitions.yaml").write_bytes(featurama_world.definitions_path().read_bytes())
    return [*written, folder / "definitions.yaml"]


def _write(parts: Iterable[pa.Table], path: Path) -> bool:
    arriving = iter(parts)
    first = next(arriving, None)
    if first is None:
        return False
    if path.suffix != ".parquet":
        write_table(pa.concat_tables([first, *arriving]), path)
        return True
    with ExitStack() as open_files:
        writer = open_files.enter_context(pyarrow.parquet.ParquetWriter(path, first.schema))
        for table in chain([first], arriving):
            writer.write_table(table)
    return True


async def define_world(session: Session) -> int:
    """Register the world's definitions. -> how many."""
    from featurama_cli.plan import define, plan, registered

    steps = await plan(await registered(session), read_definitions(featurama_world.definitions_path()))
    for step in steps:
        if step.effect == "conflict":
            raise InvalidInput(f"the world's {step.kind} {step.name} does not fit: {step.problem}", field="definitions")
    for step in steps:
        if step.effect != "unchanged":
            await define(session, step.definition)
    return len(steps)


async def register_world(session: Session, world: World) -> int:
    """Register the world's entities. -> how many."""
    count = 0
    with bar("Registering entities", world.size().entities, unit="entities") as advance:
        for chunk in _entities(world):
            await session.register_entities(chunk)
            count += len(chunk)
            advance(len(chunk))
    return count


async def write_values(session: Session, world: World, mode: WriteMode = WriteMode.BULK) -> tuple[int, int, float]:
    """Write all values. -> (rows, values, seconds). An error if one row was not accepted."""
    rows = values = 0
    began = time.perf_counter()
    with bar("Writing values", world.size().values, unit="values") as advance:
        for batch in world.batches(rows_per_batch=ROWS_PER_FRAME):
            report = await session.write_features(batch.table, mode=mode)
            _check(report)
            held = batch.table.num_rows * (batch.table.num_columns - 2)
            rows, values = rows + report.accepted, values + held
            advance(held)
    return rows, values, time.perf_counter() - began


async def write_world(session: Session, world: World, mode: WriteMode = WriteMode.BULK) -> Ingested:
    """Definitions, entities, values."""
    await define_world(session)
    entities = await register_world(session, world)
    return Ingested(entities, *await write_values(session, world, mode))


def _entities(world: World) -> Iterator[list[Entity]]:
    each = (Entity(**row) for table in world.entities() for row in _rows(table))
    while chunk := list(islice(each, ENTITIES_A_CALL)):
        yield chunk


def _rows(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _check(report: WriteReport) -> None:
    if report.rejected:
        verdict = report.verdicts[0]
        raise StoreUnavailable(f"row {verdict.row} was rejected: {verdict.message}", reason=verdict.reason)
    if report.unknown:
        raise OutcomeUnknown("some rows have an unknown outcome; run it again", reason=report.verdicts[0].reason)
