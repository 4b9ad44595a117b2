"""The sample world, written to files or to a store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import featurama_world
from featurama_cli.definitions_file import read_definitions
from featurama_cli.progress import bar
from featurama_core.datasets.files import format_of, new_file
from featurama_core.types.errors import InvalidInput, OutcomeUnknown, StoreUnavailable
from featurama_core.types.schema import Entity
from featurama_core.types.writes import WriteMode, WriteReport
from featurama_world import World, WorldConfig, WorldSize

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

ROWS_PER_FRAME = 10_000
ENTITIES_PER_CALL = 1_000


@dataclass(frozen=True, slots=True)
class Ingested(WorldSize):
    """The size of the written world, and the seconds of writing its values."""

    seconds: float


def world_of(**sizes: Any) -> World:
    """A world of the given sizes. Raises InvalidInput for an impossible size."""
    try:
        return featurama_world.generate(WorldConfig(**sizes))
    except ValueError as error:
        raise InvalidInput(str(error), field="world") from error


def write_files(world: World, folder: Path, file_format: str) -> list[Path]:
    """Write `entities`, `labels`, one file per feature group, definitions and training config, in bounded memory."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: list[tuple[str, Iterable[pa.Table]]] = [("entities", world.entities()), ("labels", world.labels())]
    tables += [(group, (batch.table for batch in world.batches(groups=[group]))) for group in featurama_world.GROUPS]
    written: list[Path] = []
    for name, parts in tables:
        path = folder / f"{name}.{file_format}"
        if _write(parts, path):
            written.append(path)
    for source in (featurama_world.definitions_path(), featurama_world.training_path()):
        written.append(folder / source.name)
        written[-1].write_bytes(source.read_bytes())
    return written


def _write(parts: Iterable[pa.Table], path: Path) -> bool:
    arriving = iter(parts)
    first = next(arriving, None)
    if first is None:
        return False
    with new_file(path, first.schema, format_of(path, None)) as write:
        for table in chain([first], arriving):
            write(table)
    return True


async def define_world(store: FeatureStore) -> int:
    """Register the world's definitions. -> how many."""
    from featurama_cli.plan import plan, registered

    wanted = read_definitions(featurama_world.definitions_path())
    steps = plan(await registered(store, wanted), wanted)
    for step in steps:
        if step.effect == "conflict":
            raise InvalidInput(f"the world's {step.kind} {step.name} does not fit: {step.problem}", field="definitions")
    await store.register([step.definition for step in steps])
    return len(steps)


async def register_world(store: FeatureStore, world: World) -> int:
    """Register the world's entities. -> how many."""
    count = 0
    with bar("Registering entities", world.size().entities, unit="entities") as advance:
        for chunk in _entities(world):
            await store.register_entities(chunk)
            count += len(chunk)
            advance(len(chunk))
    return count


async def write_values(store: FeatureStore, world: World, mode: WriteMode = WriteMode.BULK) -> tuple[int, int, float]:
    """Write all values. -> (rows, values, seconds). Raises if a row was not accepted."""
    rows = values = 0
    began = time.perf_counter()
    with bar("Writing values", world.size().values, unit="values") as advance:
        for batch in world.batches(rows_per_batch=ROWS_PER_FRAME):
            report = await store.write_features(batch.table, mode=mode)
            _check(report)
            held = batch.table.num_rows * (batch.table.num_columns - 2)
            rows, values = rows + report.accepted, values + held
            advance(held)
    return rows, values, time.perf_counter() - began


async def write_world(store: FeatureStore, world: World, mode: WriteMode = WriteMode.BULK) -> Ingested:
    """Write definitions, entities and values."""
    await define_world(store)
    entities = await register_world(store, world)
    return Ingested(entities, *await write_values(store, world, mode))


def _entities(world: World) -> Iterator[list[Entity]]:
    entities = (Entity(**row) for table in world.entities() for row in table.to_pylist())
    while chunk := list(islice(entities, ENTITIES_PER_CALL)):
        yield chunk


def _check(report: WriteReport) -> None:
    if report.rejected:
        verdict = report.verdicts[0]
        raise StoreUnavailable(f"row {verdict.row} was rejected: {verdict.message}", reason=verdict.reason)
    if report.unknown:
        raise OutcomeUnknown(
            "some rows have an unknown outcome; run the command again", reason=report.verdicts[0].reason
        )
