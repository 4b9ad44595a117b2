"""Import of exported files into a new namespace.

Ingest times are restored to the nanosecond, and begun imports with their numbers, so that a later import of the same
times is a correction there too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from featurama_cli.archive import layout
from featurama_core.datasets.written import read_column
from featurama_core.ingest.write import restore
from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.records import StoredModel, Tombstone
from featurama_core.stores import Stores
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, FeaturamaError, InvalidInput, OutcomeUnknown, Reason
from featurama_core.types.imports import UNNUMBERED
from featurama_core.types.schema import Entity, FeatureDefinition
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array, Status
from featurama_core.types.writes import WriteMode, WriteReport, WriteRequest

ROWS_PER_WRITE = 5_000
CHUNK_BYTES = 256 * 1024


async def import_namespace(
    stores: Stores, name: str, folder: Path, advance: Callable[[int], None]
) -> dict[str, object]:
    """Create namespace `name` from an export. -> counts. On failure the namespace is removed."""
    manifest = _manifest(folder)
    definitions = layout.definitions_from_json(_read(folder / layout.DEFINITIONS))
    features = {each.reference: each for each in definitions if isinstance(each, FeatureDefinition)}
    files = sorted((folder / layout.HISTORY).glob("*.parquet"))
    _check_settled(files)
    options = NamespaceOptions(history_period=int(manifest["history_period_us"]))
    await stores.storage.create_namespace(name, options)
    try:
        namespace = await stores.namespace(name)
        # Stored directly: versions keep their time of registration, which known_at uses.
        await namespace.storage.put_definitions(definitions)
        entities = await _entities(namespace, folder / layout.ENTITIES)
        await _imports(namespace, manifest, folder)
        rows = values = expired = 0
        for file in files:
            for request in _requests(file, features):
                report = await restore(namespace, request)
                _check(file, report)
                kept = np.ones(len(request), dtype=np.bool_)
                kept[[verdict.row for verdict in report]] = False
                held = [each.status != Status.NOT_FOUND for each in request.columns]
                values += sum(int(np.count_nonzero(each & kept)) for each in held)
                rows, expired = rows + report.accepted, expired + report.rejected
                advance(sum(map(np.count_nonzero, held)))
        tombstones = await _tombstones(namespace, folder / layout.TOMBSTONES)
        models = await _models(namespace, folder / layout.MODELS)
    except BaseException:
        with suppress(FeaturamaError):
            await stores.storage.drop_namespace(name)
        raise
    return {
        "namespace": name,
        "entities": entities,
        "features": len(features),
        "rows": rows,
        "values": values,
        "expired_rows": expired,
        "marks": tombstones,
        "models": models,
    }


def _check(file: Path, report: WriteReport) -> None:
    """Raise unless every row was accepted or has expired since the export."""
    for verdict in report:
        if verdict.reason is not Reason.PAST_RETENTION:
            raise OutcomeUnknown(f"{file.name}: {verdict.message}", reason=verdict.reason)


def _manifest(folder: Path) -> Mapping[str, Any]:
    if not (folder / layout.MANIFEST).is_file():
        raise InvalidInput(f"{folder} is not a complete export: it has no {layout.MANIFEST}", field="folder")
    manifest = _read(folder / layout.MANIFEST)
    if manifest.get("format") not in (layout.WITHOUT_IMPORTS, layout.FORMAT):
        raise InvalidInput(f"{folder} has format {manifest.get('format')!r}, not {layout.FORMAT}", field="folder")
    return manifest


async def _imports(namespace: Namespace, manifest: Mapping[str, Any], folder: Path) -> None:
    """Begin the exported imports again, in order, so that they get their numbers."""
    if manifest["format"] == layout.WITHOUT_IMPORTS:
        begun = [UNNUMBERED]
    else:
        begun = layout.imports_from_json((folder / layout.IMPORTS).read_bytes())
    for record in begun:
        if await namespace.storage.take_import(record.import_id, record.scope) != record.number:
            raise InvalidInput(f"{layout.IMPORTS} does not have its imports in order", field="folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read as JSON", field="folder") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{path} does not hold a JSON object", field="folder")
    return found


def _check_settled(files: list[Path]) -> None:
    """Values keep their ingest times, which must be settled."""
    newest = 0
    for file in files:
        metadata = pyarrow.parquet.ParquetFile(file).metadata
        statistics = [metadata.row_group(at).column(2).statistics for at in range(metadata.num_row_groups)]
        newest = max([newest, *(int(each.max) for each in statistics if each is not None and each.has_min_max)])
    settled = time.time_ns() // 1_000 - StoreSettings().settling_time
    if newest // 1_000 > settled:
        ready = to_rfc3339(newest // 1_000 + StoreSettings().settling_time)
        raise FailedPrecondition(
            f"the newest exported value was written recently and is not settled; import it after {ready}",
            reason=Reason.KNOWN_AT_NOT_SETTLED,
            field="folder",
        )


async def _entities(namespace: Namespace, path: Path) -> int:
    listed = [Entity(**row) for row in pyarrow.parquet.read_table(path).to_pylist()]
    # Earlier archives list entities that have values only, as created at 0: these are no registrations.
    entities = [each for each in listed if each.created_at]
    for start in range(0, len(entities), 1_000):
        await namespace.storage.put_entities(entities[start : start + 1_000])
    return len(entities)


async def _tombstones(namespace: Namespace, path: Path) -> int:
    tombstones = [Tombstone(**row) for row in pyarrow.parquet.read_table(path).to_pylist()]
    for each in tombstones:
        await namespace.storage.put_tombstone(each)
    return len(tombstones)


async def _models(namespace: Namespace, folder: Path) -> int:
    listed = _read(folder / "models.json") if folder.is_dir() else {"models": [], "aliases": []}  # noqa: ASYNC240
    for each in listed["models"]:
        content = (folder / Path(each["artefact"]).name).read_bytes()
        model = StoredModel(each["name"], each["version"], each["manifest"], each["created_at"], len(content))
        chunks = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
        await namespace.storage.put_model(model, chunks)
    for alias in listed["aliases"]:
        await namespace.storage.put_alias(alias["model"], alias["alias"], alias["version"])
    return len(listed["models"])


def _requests(file: Path, features: Mapping[str, FeatureDefinition]) -> Iterator[WriteRequest]:
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=ROWS_PER_WRITE):
        table = pa.Table.from_batches([batch])
        event_time = table.column("timestamp").cast(pa.int64()).to_numpy()
        ingested_at = table.column("ingested_at").to_numpy()
        ids = np.array(table.column("entity_id").to_pylist(), dtype=np.object_)
        named = [name for name in table.column_names if name in features]
        columns = [_column(table, features[name]) for name in named]
        for rows in _without_corrections(ids, event_time, ingested_at):
            yield WriteRequest(
                entity_ids=ids[rows].tolist(),
                event_time=event_time[rows],
                columns=[column.take(rows) for column in columns],
                mode=WriteMode.BULK,
                ingested_at=ingested_at[rows],
            )


def _without_corrections(ids: Any, event_time: Int64Array, ingested_at: Int64Array) -> Iterator[Int64Array]:
    """Rows in parts with distinct (entity, event time), because a repetition in one request is a conflict."""
    _, entity = np.unique(ids.astype(str), return_inverse=True)
    order = np.lexsort((ingested_at, event_time, entity))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (entity[order][1:] != entity[order][:-1]) | (event_time[order][1:] != event_time[order][:-1])
    starts = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    rank = np.arange(len(order)) - starts
    for each in range(int(rank.max()) + 1 if len(rank) else 0):
        yield np.sort(order[rank == each])


def _column(table: Any, feature: FeatureDefinition) -> Column:
    stored = table.column(feature.reference).combine_chunks()
    status = table.column(feature.reference + layout.STATUS).to_numpy()
    column = read_column(stored, feature.type_text, feature.name, feature.reference)
    return replace(column, status=status, version=feature.version)
