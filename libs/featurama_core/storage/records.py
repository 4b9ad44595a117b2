"""What the storage port takes and gives: rows and cells in columns, tombstones, definitions, models, audit records.

Times are int64 microseconds, `ingested_at` int64 as in storage-layout "Times".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from featurama_core.storage.layouts import Layout
from featurama_core.types.column import Column
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.values import BoolArray, Int64Array, UInt8Array, ValueArray, all_false, empty_values
from featurama_core.types.writes import StoredColumn


@dataclass(frozen=True, slots=True, eq=False)
class CellRun:
    """Packed cells of one layout: `cells[i]` holds row `rows[i]` of the batch (rows: int64[k], ascending)."""

    group: FeatureGroup
    layout: Layout
    rows: Int64Array
    cells: list[bytes]


@dataclass(frozen=True, slots=True, eq=False)
class WriteBatch:
    """Validated rows, both as columns and as packed cells. Every written value is in exactly one run.

    Each (entity, event time, ingested_at) appears once. event_time, ingested_at: int64[n]. The layouts of the runs are
    registered (`put_layouts`) before the batch is written.
    """

    entity_ids: Sequence[str]
    event_time: Int64Array
    ingested_at: Int64Array
    columns: Sequence[StoredColumn]
    runs: Sequence[CellRun]


TOMBSTONE_BYTES = 8


@lru_cache(maxsize=64)
def _positions(count: int) -> tuple[int, ...]:
    return tuple(range(count))


class Cells:
    """All cells of the latest partitions of n entities, flat and unordered, tombstones (`pack_tombstone`) among them.

    entities: c positions in the requested ids. layout_ids: c ids. cells: c blobs. failed: bool[n], entities whose
    partition could not be read (they have no cells here). failures: their number. may_hold_tombstones: whether a cell
    is so short that it may be one. layouts: ids of the layouts of the cells that are no tombstones.
    """

    __slots__ = ("cells", "entities", "failed", "failures", "layout_ids", "layouts", "may_hold_tombstones")

    def __init__(
        self, entities: Sequence[int], layout_ids: Sequence[int], cells: Sequence[bytes], failed: BoolArray
    ) -> None:
        self.entities = entities
        self.layout_ids = layout_ids
        self.cells = cells
        self.failed = failed
        self.failures = 0 if failed is all_false(len(failed)) else int(np.count_nonzero(failed))
        self.may_hold_tombstones = TOMBSTONE_BYTES in map(len, cells)
        self.layouts = frozenset(
            layout_ids
            if not self.may_hold_tombstones
            else (each for each, deleted in zip(layout_ids, self.is_tombstone.tolist(), strict=True) if not deleted)
        )

    @property
    def entity(self) -> Int64Array:
        """int64[c], the positions as an array."""
        return np.array(self.entities, dtype=np.int64)

    @property
    def layout_id(self) -> Int64Array:
        """int64[c], the ids as an array."""
        return np.array(self.layout_ids, dtype=np.int64)

    @property
    def one_each(self) -> bool:
        """Whether every entity has one cell, in the order of the entities."""
        return self.entities == _positions(len(self.failed))

    @property
    def is_tombstone(self) -> BoolArray:
        """bool[c], True where a cell is a tombstone."""
        if not self.may_hold_tombstones:
            return np.zeros(len(self.cells), dtype=np.bool_)
        found = (len(cell) == TOMBSTONE_BYTES and cell[0] < 0x80 for cell in self.cells)
        return np.fromiter(found, np.bool_, len(self.cells))


NO_CELLS = Cells((), (), (), np.zeros(0, dtype=np.bool_))
"""Of no entities."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Stored values of one feature version, sorted ascending by (entity, event time, ingested_at).

    entity: int64[h], a code: the position in the requested ids, or in `entity_ids` of a scan. The statuses of `column`
    are PRESENT, NULL_VALUE or ERROR (an unreadable cell). Features of one cell may share their entity, event_time and
    ingested_at arrays (the same objects).
    """

    entity: Int64Array
    event_time: Int64Array
    ingested_at: Int64Array
    column: Column

    @classmethod
    def of(
        cls,
        feature: FeatureDefinition,
        entity: Int64Array,
        event_time: Int64Array,
        ingested_at: Int64Array,
        values: ValueArray,
        status: UInt8Array,
    ) -> History:
        """The history of a feature from sorted arrays."""
        name, kind = feature.name, feature.value_type
        column = Column(name, kind, values, status, event_time, feature.version, feature.reference)
        return cls(entity, event_time, ingested_at, column)

    @classmethod
    def nothing(cls, feature: FeatureDefinition) -> History:
        """No rows, of the feature's type."""
        none, values = np.empty(0, dtype=np.int64), empty_values(feature.value_type, 0, feature.vector_length)
        return cls.of(feature, none, none, none, values, np.empty(0, dtype=np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class Seeks:
    """n rows, for each of which the newest event of an entity is sought.

    entity_ids: distinct. entity: int64[n], positions among them. event_time, ingested_at: int64[n], the largest that a
    row admits.
    """

    entity_ids: Sequence[str]
    entity: Int64Array
    event_time: Int64Array
    ingested_at: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Sought:
    """The events of n rows for one feature. event_time: int64[n], MIN_TIME for none; features of one cell may share it.
    history: all stored values at these event times, coded by the positions of the entities.
    """

    event_time: Int64Array
    history: History


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a group's history that one scan reads: a period and one of its buckets."""

    period: int
    bucket: int
    buckets: int


@dataclass(frozen=True, slots=True)
class PartitionToPack:
    """A partition, and since when writers of its period are bound to write packed cells only, microseconds."""

    partition: Partition
    packed_since: int


@dataclass(frozen=True, slots=True, eq=False)
class ScanBlock:
    """A run of whole entities of a scan: their ids (ascending), and one History per feature, coded by position."""

    entity_ids: Sequence[str]
    histories: Sequence[History]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Values of the entity (of one feature if it is named) with event time <= deleted_through are deleted."""

    entity_id: str
    feature_name: str
    deleted_through: int


@dataclass(frozen=True, slots=True)
class Definitions:
    """Definitions of a namespace other than features, and its incarnation, which is new after every creation of it.

    revision: number of the newest change of a definition among them, or before them. changed_features: names of the
    features that were changed too; None if there are too many to name.
    """

    incarnation: str
    entity_types: Sequence[EntityType]
    groups: Sequence[FeatureGroup]
    services: Sequence[FeatureService]
    revision: int = field(default=0, kw_only=True)
    changed_features: frozenset[str] | None = field(default=frozenset(), kw_only=True)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A record of the audit log. at: microseconds. detail: a JSON object as text."""

    at: int
    action: str
    subject: str
    detail: str = "{}"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A version of a model. manifest: a JSON object as text. The artefact is stored separately, in chunks."""

    name: str
    version: int
    manifest: str
    created_at: int
    artefact_bytes: int
