"""The storage port: what every adapter can do, batch-first, in columns and cells.

Adapters keep bytes and rows; meaning is decided above them, once: which value wins, what a deletion mark covers,
ttl, retention and statuses (`storage/latest.py`, `store.py`). So every adapter returns what is stored, also what is
covered by a mark or past retention, unless told a bound.

Errors: `StoreUnavailable` when it surely was not done, `OutcomeUnknown` when a write may have been done,
`DeadlineExceeded` when an ambient deadline ended. Foreign exceptions never leave an adapter.
Times are int64 microseconds, `ingested_at` int64 as in storage-layout "Times".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from featurama_core.storage.layouts import Layout
from featurama_core.types.column import Column
from featurama_core.types.imports import ImportRecord, ImportScope
from featurama_core.types.schema import (
    Definition,
    Entity,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import DAY
from featurama_core.types.values import BoolArray, Int64Array, UInt8Array, empty_values
from featurama_core.types.writes import StoredColumn, WriteMode


class Consistency(StrEnum):
    """How many replicas answer; the embedded store has one and ignores it."""

    LOCAL_ONE = "LOCAL_ONE"
    LOCAL_QUORUM = "LOCAL_QUORUM"
    QUORUM = "QUORUM"
    ONE = "ONE"


@dataclass(frozen=True, slots=True)
class NamespaceOptions:
    """Fixed when a namespace is made. `history_period`: length of a history partition, microseconds.

    `replication` (CQL): {"dc1": 3}; empty: the URL's setting, else one replica by SimpleStrategy.
    """

    history_period: int = 30 * DAY
    replication: dict[str, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CellRun:
    """Packed cells of one layout: `cells[i]` holds row `rows[i]` of the batch (rows: int64[k], ascending)."""

    group: FeatureGroup
    layout: Layout
    rows: Int64Array
    cells: list[bytes]


@dataclass(frozen=True, slots=True, eq=False)
class WriteBatch:
    """Validated rows, both as columns and as packed cells; every written value is in exactly one run.

    An (entity, event time, ingested_at) appears once. event_time, ingested_at: int64[n].
    The layouts of the runs are registered (`put_layouts`) before a batch is written.
    """

    entity_ids: Sequence[str]
    event_time: Int64Array
    ingested_at: Int64Array
    columns: Sequence[StoredColumn]
    runs: Sequence[CellRun]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """All cells of the latest partitions of n entities, flat and unordered, deletion marks (`pack_mark`) among them.

    entity: int64[c], position in the asked ids; layout_id: int64[c]; cells: c blobs; failed: bool[n], entities whose
    partition could not be read (they have no cells here).
    """

    entity: Int64Array
    layout_id: Int64Array
    cells: Sequence[bytes]
    failed: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Stored values of one feature version, sorted ascending by (entity, event time, ingested_at).

    entity: int64[h], a code: the position in the asked ids, or in `entity_ids` of a scan; values see `ValueArray`;
    status: uint8[h], PRESENT, NULL_VALUE or ERROR (an unreadable cell).
    Columns of one cell may share their entity, event_time and ingested_at arrays (the same objects).
    """

    entity: Int64Array
    event_time: Int64Array
    ingested_at: Int64Array
    column: Column

    @classmethod
    def nothing(cls, feature: FeatureDefinition) -> History:
        """No rows, of the feature's type."""
        none, status = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint8)
        values = empty_values(feature.value_type, 0, feature.vector_length)
        column = Column(feature.name, feature.value_type, values, status, none, feature.version, feature.reference)
        return cls(none, none, none, column)


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a group's history that one scan reads: a period and one of its buckets."""

    period: int
    bucket: int
    buckets: int


@dataclass(frozen=True, slots=True, eq=False)
class ScanBlock:
    """A part of a scan, whole entities of it: their ids (ascending) and a History a feature, coded by position."""

    entity_ids: Sequence[str]
    histories: Sequence[History]


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything of the entity (of its feature, when named) with event time <= deleted_through is gone."""

    entity_id: str
    feature_name: str
    deleted_through: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All definitions of a namespace, with the incarnation they belong to (a new one each time it is made)."""

    incarnation: str
    entity_types: Sequence[EntityType]
    groups: Sequence[FeatureGroup]
    features: Sequence[FeatureDefinition]
    services: Sequence[FeatureService]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what when. `detail` is a JSON object, as text."""

    at: int
    action: str
    subject: str
    detail: str = "{}"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model version: its manifest (a JSON object, as text); the artefact lies in chunks beside it."""

    name: str
    version: int
    manifest: str
    created_at: int
    artefact_bytes: int


class NamespaceStorage(Protocol):
    """One namespace, open. Made by `Storage.namespace`, closed with its Storage."""

    @property
    def options(self) -> NamespaceOptions:
        """What was fixed at its creation."""

    # Values

    async def write(self, batch: WriteBatch, mode: WriteMode) -> UInt8Array:
        """Make rows durable in history and latest. -> uint8[n] of Outcome.

        ACCEPTED: in every table. REJECTED: surely not complete, may be sent again (store unavailable).
        UNKNOWN: may be stored, wholly or partly. Writing the same batch again changes nothing.
        In `latest` a cell loses against one with newer event time, or equal event time and larger bytes.
        """

    async def read_cells(self, entity_ids: Sequence[str], *, consistency: Consistency | None = None) -> Cells:
        """The latest partitions of distinct entities, concurrently; one failing entity fails only itself."""

    async def read_history(
        self,
        entity_ids: Sequence[str],
        features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
        *,
        start: int,
        end: int,
        newest: int | None = None,
    ) -> list[History]:
        """Values with start <= event time <= end of distinct entities; a History a feature, in order.

        With `newest` at least that many newest stored rows of each (entity, feature), if there are so many,
        and always every correction of an event time that is returned.
        """

    async def partitions(self, group: FeatureGroup) -> list[Partition]:
        """Every partition of the group that may hold data, sorted; read from the store each time."""

    def scan_history(
        self, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        """All stored values of features of one group in a partition, in blocks of whole entities, ids ascending
        by their UTF-8 bytes.
        """

    async def put_layouts(self, layouts: Sequence[Layout]) -> None:
        """Make layouts readable; acknowledged before a cell of theirs is written. Idempotent."""

    async def get_layouts(self, layout_ids: Sequence[int]) -> dict[int, Layout]:
        """The known ones among these ids."""

    async def take_import(self, import_id: str, scope: ImportScope) -> int:
        """Begin an import, by one conditional write. -> its number (`next_number` of all that began before it).

        Beginning it again with the same id gives the same number. `InvalidInput` (LIMIT_EXCEEDED) if none is left.
        """

    async def list_imports(self) -> list[ImportRecord]:
        """Every import that has begun, in that order."""

    # Deletion

    async def put_mark(self, mark: Mark) -> None:
        """Durably set a mark among the entity's cells and in the list for scans; a lower mark never replaces a
        higher one.
        """

    async def list_marks(self) -> list[Mark]:
        """All marks of the namespace, for scans; those of single entities come with `read_cells`."""

    async def clean(self, mark: Mark, features: Sequence[tuple[FeatureDefinition, FeatureGroup]]) -> None:
        """Remove what the mark covers: history rows of `features` (those the mark is about) and, for a mark of a
        whole entity, its cells. Resumable; a mark never depends on it.
        """

    async def replace_cell(self, entity_id: str, layout_id: int, new: bytes, event_time: int) -> None:
        """Put `new` over the cell of this layout and event time in latest. The larger bytes win: `new` is larger than
        that cell, so it also wins over every resend of it, and loses against anything newer.
        """

    async def drop_cells(
        self, entity_ids: Sequence[str], layout_ids: Sequence[int], event_times: Sequence[int]
    ) -> None:
        """Remove these cells if they still are of that event time or an earlier one (expired values)."""

    async def list_latest_entities(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """A page of entity ids that have cells, and where to go on (None at the end). For housekeeping."""

    async def purge_history(self, group: FeatureGroup, before: int) -> int:
        """Remove history with event time < before where the server does not do so itself. -> rows removed, if known."""

    # Definitions and entities

    async def load_catalogue(self) -> Catalogue:
        """All definitions."""

    async def put_definition(self, definition: Definition) -> Definition:
        """Store it unless its key is taken. -> what is stored now. Atomic between replicas."""

    async def update_definition(self, definition: Definition) -> None:
        """Replace what may change: deprecated; a group's retention, buckets, description. Unknown without it."""

    async def put_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """Store each; an id that is taken by another type keeps what it has. -> what is stored now, in order."""

    async def get_entities(self, entity_ids: Sequence[str]) -> dict[str, Entity]:
        """The registered ones among these ids."""

    async def list_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """A page of the entities of a type, and where to go on (None at the end)."""

    async def remove_entity(self, entity_id: str) -> None:
        """Forget the registration (name, metadata, type); its values are `clean`'s business."""

    # Models and audit

    async def put_model(self, model: StoredModel, chunks: Sequence[bytes]) -> bool:
        """Store artefact chunks, then the version; False if the version is taken (nothing changed)."""

    async def list_models(self, name: str | None = None) -> list[StoredModel]:
        """Versions of one model, or of all, by name and version."""

    async def read_artefact(self, name: str, version: int) -> bytes:
        """The artefact's bytes, chunks joined. `Unknown` without it, `CorruptData` when a chunk is missing."""

    async def remove_model(self, name: str, version: int) -> None:
        """Remove a version and its chunks."""

    async def put_alias(self, model: str, alias: str, version: int, *, expected: int | None = None) -> bool:
        """Point an alias at a version, atomically: if it names `expected` now (0: nothing; None: whatever it names).

        False: it names neither that nor `version`, and nothing changed. Of two moves from one version one is told so.
        """

    async def list_aliases(self, model: str | None = None) -> dict[tuple[str, str], int]:
        """(model, alias) -> version."""

    async def append_audit(self, record: AuditRecord) -> None:
        """Durably append."""

    async def list_audit(self, limit: int) -> list[AuditRecord]:
        """The newest first."""


class Storage(Protocol):
    """A database: a directory of SQLite files, or a CQL cluster. Opened by `open_storage`."""

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""

    async def create_namespace(self, name: str, options: NamespaceOptions) -> None:
        """Make it with all tables. `Conflict` (NAMESPACE_EXISTS) if it is there."""

    async def drop_namespace(self, name: str) -> None:
        """Delete it with all it holds. `Unknown` (UNKNOWN_NAMESPACE) if it is not there."""

    async def namespace(self, name: str) -> NamespaceStorage:
        """Open one, after checking that its schema is of this code's version. Cached while its incarnation lives.

        `Unknown` (UNKNOWN_NAMESPACE), or `FailedPrecondition` (SCHEMA_MISMATCH: run `featurama migrate`).
        """

    async def migrate(self, name: str) -> list[str]:
        """Apply the numbered schema files that a namespace lacks. -> their names. Safe to repeat."""

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
