"""Export of a namespace to files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from featurama_cli.archive import layout
from featurama_core.frames.tables import Field, arrow_table, value_field
from featurama_core.namespace import Namespace
from featurama_core.retrieval.history_rows import history_rows
from featurama_core.retrieval.tombstones import TombstoneList
from featurama_core.retrieval.visibility import AsOf, ReadBounds
from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import History, Tombstone
from featurama_core.types.column import Column
from featurama_core.types.errors import CorruptData, InvalidInput
from featurama_core.types.schema import Entity, FeatureDefinition, FeatureGroup
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array, Status

_NAMES_PER_READ = 1_000


async def export_namespace(namespace: Namespace, folder: Path, advance: Callable[[int], None]) -> dict[str, object]:
    """Write a namespace to a new or empty folder. -> counts. advance: called with numbers of exported values."""
    _prepare(folder)
    now = namespace.now()
    as_of = ReadBounds(None, now, at_now=True).rows(None)
    storage = namespace.storage
    definitions = await storage.load_definitions()
    tombstones = await storage.list_tombstones()
    features = await _features(storage)
    types = [each for each in definitions.entity_types if not each.deleted]
    entities = [entity for each in types for entity in await _registered(storage, each.name)]
    _write_rows(folder / layout.ENTITIES, layout.ENTITY_SCHEMA, entities)
    _write_rows(folder / layout.TOMBSTONES, layout.TOMBSTONE_SCHEMA, tombstones)
    rows = values = 0
    for group in definitions.groups:
        own = [each for each in features if each.group == group.name and not each.deleted]
        if own:
            path = folder / layout.HISTORY / f"{group.name}.parquet"
            more = await _history(namespace, group, own, TombstoneList(tombstones), as_of, path, advance)
            rows, values = rows + more[0], values + more[1]
    models = await _models(namespace, folder)
    (folder / layout.DEFINITIONS).write_text(json.dumps(layout.definitions_to_json(definitions, features), indent=1))
    (folder / layout.IMPORTS).write_bytes(layout.imports_to_json(await storage.list_imports()))
    counts = {
        "entities": len(entities),
        "features": len(features),
        "rows": rows,
        "values": values,
        "marks": len(tombstones),
        "models": models,
    }
    manifest = {
        "format": layout.FORMAT,
        "namespace": namespace.name,
        "exported_at": to_rfc3339(now),
        "history_period_us": storage.options.history_period,
        "featurama": version("featurama"),
        "counts": counts,
    }
    # Written last: a folder without a manifest is an incomplete export.
    (folder / layout.MANIFEST).write_text(json.dumps(manifest, indent=1))
    return {"folder": str(folder), **counts}


async def _features(storage: NamespaceStorage) -> list[FeatureDefinition]:
    """All versions of all features, deleted ones too, by name and version."""
    found: list[FeatureDefinition] = []
    first: str | None = ""
    while first is not None:
        names = await storage.list_feature_names(None, first, _NAMES_PER_READ + 1)
        found += await storage.read_features(names[:_NAMES_PER_READ])
        first = names[_NAMES_PER_READ] if len(names) > _NAMES_PER_READ else None
    return found


async def _registered(storage: NamespaceStorage, entity_type: str) -> list[Entity]:
    """The registered entities of a type; those that have values only are in the histories."""
    found: list[Entity] = []
    after: str | None = None
    while True:
        page, after = await storage.list_entities(entity_type, after, _NAMES_PER_READ)
        found += page
        if after is None:
            return found


def _prepare(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is not empty; name a new folder", field="folder")
    (folder / layout.HISTORY).mkdir(parents=True)


def _write_rows(path: Path, schema: Any, rows: Sequence[Entity] | Sequence[Tombstone]) -> None:
    columns = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in schema]
    pyarrow.parquet.write_table(pa.Table.from_arrays(columns, schema=schema), path)


async def _models(namespace: Namespace, folder: Path) -> int:
    stored = await namespace.storage.list_models()
    if not stored:
        return 0
    models = folder / layout.MODELS
    models.mkdir()
    listed = []
    for model in stored:
        name = f"{model.name}-{model.version}.artefact"
        (models / name).write_bytes(await namespace.storage.read_artefact(model.name, model.version))
        listed.append(
            {
                "name": model.name,
                "version": model.version,
                "created_at": model.created_at,
                "manifest": model.manifest,
                "artefact": name,
            }
        )
    aliases = [
        {"model": model, "alias": alias, "version": number}
        for (model, alias), number in (await namespace.storage.list_aliases()).items()
    ]
    (models / "models.json").write_text(json.dumps({"models": listed, "aliases": aliases}, indent=1))
    return len(listed)


async def _history(
    namespace: Namespace,
    group: FeatureGroup,
    features: Sequence[FeatureDefinition],
    tombstones: TombstoneList,
    as_of: AsOf,
    path: Path,
    advance: Callable[[int], None],
) -> tuple[int, int]:
    """Write the visible stored values of a group as one file. -> (rows, values)."""
    rows = values = 0
    schema = _table([], np.zeros((3, 0), np.int64), [History.nothing(each).column for each in features]).schema
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for partition in await namespace.storage.partitions(group):
            async for block in namespace.storage.scan_history(features, group, partition):
                for column in (each.column for each in block.histories):
                    if (column.status == Status.ERROR).any():
                        raise CorruptData(f"stored values of {column.name!r} cannot be read; the export was stopped")
                keys, columns = history_rows(block, group, tombstones, as_of, corrections=True)
                if keys.shape[1]:
                    writer.write_table(_table(block.entity_ids, keys, columns))
                held = sum(int(np.count_nonzero(each.status != Status.NOT_FOUND)) for each in columns)
                rows, values = rows + keys.shape[1], values + held
                advance(held)
    return rows, values


def _table(entity_ids: Sequence[str], keys: Int64Array, columns: Sequence[Column]) -> Any:
    """Keys, then a value column and a status column per feature version."""
    ids = pa.array(entity_ids, pa.string()).take(pa.array(keys[0]))
    fields = [
        Field("entity_id", "carried", ids),
        Field("timestamp", "us", keys[1]),
        Field("ingested_at", "int", keys[2]),
    ]
    for each in columns:
        fields += [value_field(each.reference, each), Field(each.reference + layout.STATUS, "int", each.status)]
    return arrow_table(fields)
