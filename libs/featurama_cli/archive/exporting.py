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
from featurama_core.namespace import Namespace
from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.tombstones import TombstoneList
from featurama_core.retrieval.visibility import ReadBounds, admitted, horizon, per_entity
from featurama_core.storage.port import History, ScanBlock, Tombstone
from featurama_core.store import EmbeddedStore
from featurama_core.types.column import Column
from featurama_core.types.errors import CorruptData, InvalidInput
from featurama_core.types.schema import Entity, FeatureDefinition, FeatureGroup
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array, Status, ValueType, empty_values


async def export_namespace(namespace: Namespace, folder: Path, advance: Callable[[int], None]) -> dict[str, object]:
    """Write a namespace to a new or empty folder. -> counts. advance: called with numbers of exported values."""
    _prepare(folder)
    now = namespace.now()
    storage = namespace.storage
    catalogue = await storage.load_definitions()
    marks = await storage.list_tombstones()
    store = EmbeddedStore(namespace)
    types = [each for each in catalogue.entity_types if not each.deleted]
    entities = [entity for each in types for entity in await store.list_entities(each.name)]
    _write_rows(folder / layout.ENTITIES, layout.ENTITY_SCHEMA, entities)
    _write_rows(folder / layout.MARKS, layout.MARK_SCHEMA, marks)
    rows = values = 0
    for group in catalogue.groups:
        own = (each for each in catalogue.features if each.group == group.name and not each.deleted)
        features = sorted(own, key=lambda each: each.key)
        if features:
            more = await _History(namespace, group, features, marks, now).write(
                folder / layout.HISTORY / f"{group.name}.parquet", advance
            )
            rows, values = rows + more[0], values + more[1]
    models = await _models(namespace, folder)
    (folder / layout.DEFINITIONS).write_text(json.dumps(layout.definitions_to_json(catalogue), indent=1))
    (folder / layout.IMPORTS).write_text(json.dumps(layout.imports_to_json(await storage.list_imports()), indent=1))
    counts = {
        "entities": len(entities),
        "features": len(catalogue.features),
        "rows": rows,
        "values": values,
        "marks": len(marks),
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


class _History:
    """The stored values of one group, as one file."""

    def __init__(
        self,
        namespace: Namespace,
        group: FeatureGroup,
        features: Sequence[FeatureDefinition],
        marks: Sequence[Tombstone],
        now: int,
    ) -> None:
        self._storage = namespace.storage
        self._group = group
        self._features = features
        self._schema = layout.history_schema(features)
        self._as_of = ReadBounds(None, now, at_now=True).rows(None)
        self._tombstones = TombstoneList(marks)

    async def write(self, path: Path, advance: Callable[[int], None]) -> tuple[int, int]:
        """-> (rows, values)."""
        rows = values = 0
        with pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd") as writer:
            for partition in await self._storage.partitions(self._group):
                async for block in self._storage.scan_history(self._features, self._group, partition):
                    table, held = self._table(block)
                    if table.num_rows:
                        writer.write_table(table)
                    rows, values = rows + table.num_rows, values + held
                    advance(held)
        return rows, values

    def _table(self, block: ScanBlock) -> tuple[Any, int]:
        kept = [self._visible(block, history, feature) for history, feature in zip(
            block.histories, self._features, strict=True)]  # fmt: skip
        keys = np.concatenate([np.stack([each.entity, each.event_time, each.ingested_at], axis=1) for each in kept])
        distinct, where = np.unique(keys, axis=0, return_inverse=True)
        where = where.reshape(-1)
        ids = np.array(block.entity_ids, dtype=np.object_)
        arrays = [
            pa.array(ids[distinct[:, 0]], pa.string()),
            pa.array(distinct[:, 1]).cast(layout.TIME),
            pa.array(distinct[:, 2]),
        ]
        start = 0
        for history, feature in zip(kept, self._features, strict=True):
            at = where[start : start + len(history.entity)]
            start += len(history.entity)
            arrays += _value_arrays(history.column, feature, at, len(distinct))
        return pa.Table.from_arrays(arrays, schema=self._schema), start

    def _visible(self, block: ScanBlock, history: History, feature: FeatureDefinition) -> History:
        """The history without deleted values and values past retention."""
        if (history.column.status == Status.ERROR).any():
            raise CorruptData(f"stored values of {feature.name!r} cannot be read; the export was stopped")
        deleted = self._tombstones.of(block.entity_ids).through(feature.name)
        gone = horizon(self._group.retention, deleted, self._as_of.now)
        keys = HistoryKeys.of(history.entity, history.event_time, history.ingested_at)
        shown = np.flatnonzero(admitted(keys, self._as_of, per_entity(gone, history.entity)))
        return History(
            history.entity[shown], history.event_time[shown], history.ingested_at[shown], history.column.take(shown)
        )


def _value_arrays(column: Column, feature: FeatureDefinition, at: Int64Array, rows: int) -> list[Any]:
    """Values and statuses of `rows` rows. The column has the rows `at`; the others are NOT_FOUND."""
    status = np.full(rows, Status.NOT_FOUND, dtype=np.uint8)
    status[at] = column.status
    values = empty_values(feature.value_type, rows, feature.vector_length)
    values[at] = column.values
    absent = status != Status.PRESENT
    if feature.value_type is ValueType.VECTOR:
        flat = pa.array(np.ascontiguousarray(values).reshape(-1), pa.float32())
        made = pa.FixedSizeListArray.from_arrays(flat, feature.vector_length, mask=pa.array(absent))
    else:
        made = pa.array(values, layout.arrow_type(feature), mask=absent, from_pandas=False)
    return [made, pa.array(status)]
