"""The storage port: the operations of every adapter, in batches of columns and cells.

Adapters store bytes and rows. `retrieval.visibility` alone decides which value wins, what a tombstone covers, ttl,
retention and statuses. An adapter therefore also returns values that are covered by a tombstone or past retention,
within the bounds of the call.

Errors: `StoreUnavailable` if the operation was not carried out, `OutcomeUnknown` if a write may have been carried out,
`DeadlineExceeded` if an ambient deadline passed. Foreign exceptions never leave an adapter.
Times are int64 microseconds, `ingested_at` int64 as in storage-layout "Times".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeVar, runtime_checkable

from featurama_core.storage.layouts import Layout
from featurama_core.storage.records import (
    AuditRecord,
    Cells,
    Definitions,
    History,
    Partition,
    PartitionToPack,
    ScanBlock,
    Seeks,
    Sought,
    StoredModel,
    Tombstone,
    WriteBatch,
)
from featurama_core.types.imports import ImportRecord, ImportScope
from featurama_core.types.schema import Definition, Entity, FeatureDefinition, FeatureGroup
from featurama_core.types.times import DAY
from featurama_core.types.values import UInt8Array
from featurama_core.types.writes import WriteMode

D = TypeVar("D", bound=Definition)

MOST_CHANGES = 5_000
"""Names of changed features in one answer of `load_definitions`."""

FeaturesOf = tuple[Literal["entity_type", "feature_group", "references_type"], str]
"""Features of an entity type or a group, or those that refer to an entity type."""


Flag = Literal["deprecated", "deleted"]
"""A field of a definition that changes in place."""


class Consistency(StrEnum):
    """Number of replicas that must answer. The embedded store has one and ignores it."""

    LOCAL_ONE = "LOCAL_ONE"
    LOCAL_QUORUM = "LOCAL_QUORUM"
    QUORUM = "QUORUM"
    ONE = "ONE"


@dataclass(frozen=True, slots=True)
class NamespaceOptions:
    """Options fixed at the creation of a namespace. history_period: length of a history partition, microseconds.

    replication: copies per datacentre on CQL, {"dc1": 3}; None for the setting of the URL, else one copy by
    SimpleStrategy.
    """

    history_period: int = 30 * DAY
    replication: dict[str, int] | None = None


class NamespaceStorage(Protocol):
    """One open namespace. Created by `Storage.namespace`, closed with its Storage."""

    @property
    def options(self) -> NamespaceOptions:
        """The options fixed at its creation."""

    # Values

    async def write(self, batch: WriteBatch, mode: WriteMode) -> UInt8Array:
        """Make rows durable in history and latest. -> uint8[n] of Outcome.

        ACCEPTED: stored in every table. REJECTED: not stored completely; it may be sent again (store unavailable).
        UNKNOWN: may be stored, wholly or partly. Writing the same batch again changes nothing.
        In `latest` a cell loses to one with a newer event time, or with the same event time and larger bytes.
        """

    async def read_cells(self, entity_ids: Sequence[str], *, consistency: Consistency | None = None) -> Cells:
        """The latest partitions of distinct entities. A failure of one entity does not affect the others."""

    async def read_history(
        self,
        entity_ids: Sequence[str],
        features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
        *,
        start: int,
        end: int,
        newest: int | None = None,
    ) -> list[History]:
        """Values with start <= event time <= end of distinct entities: one History per feature, in order.

        newest: at least this number of the newest rows of each (entity, feature), as far as there are so many, and all
        corrections of every event time that is returned. None for all rows.
        """

    async def partitions(self, group: FeatureGroup) -> list[Partition]:
        """Every partition of the group that may hold data, sorted. Not cached."""

    def scan_history(
        self, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        """All stored values of features of one group in a partition, in blocks of whole entities, ids ascending
        by their UTF-8 bytes.
        """

    async def partitions_to_pack(self, group: FeatureGroup) -> list[PartitionToPack]:
        """The partitions of a group with packed history whose values may lie outside of packed cells, sorted. From this
        call on, writers of the group write packed cells only, whatever revision of it they know. Empty in the embedded
        store, which packs all history.
        """

    def scan_unpacked(
        self, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        """As `scan_history`: the values that are in no packed cell."""

    async def pack_history(self, batch: WriteBatch) -> UInt8Array:
        """Write the history of rows that are stored in packed cells. -> uint8[n] of Outcome."""

    async def end_unpacked(self, group: FeatureGroup, period: int) -> None:
        """From now on reads of a period look for its values in packed cells only."""

    async def remove_unpacked(self, group: FeatureGroup, features: Sequence[FeatureDefinition], before: int) -> int:
        """Remove the values outside of packed cells of the periods whose reads ended before a time (microseconds). ->
        number of partitions removed. Idempotent.
        """

    async def put_layouts(self, layouts: Sequence[Layout]) -> None:
        """Register layouts. They are acknowledged before a cell in them is written. Idempotent."""

    async def get_layouts(self, layout_ids: Sequence[int]) -> dict[int, Layout]:
        """The known ones among these ids."""

    async def take_import(self, import_id: str, scope: ImportScope) -> int:
        """Begin an import with one conditional write. -> its number (`next_number` after all earlier imports).

        Beginning it again with the same id returns the same number. `InvalidInput` (LIMIT_EXCEEDED) if none is left.
        """

    async def list_imports(self) -> list[ImportRecord]:
        """Every import that has begun, in the order of beginning."""

    # Deletion

    async def put_tombstone(self, tombstone: Tombstone) -> None:
        """Durably set a tombstone among the cells of the entity and in the list for scans. A lower one never replaces a
        higher one.
        """

    async def list_tombstones(self) -> list[Tombstone]:
        """All tombstones of the namespace, for scans. `read_cells` returns those of single entities."""

    async def features_to_clean(self, entity_id: str, groups: Sequence[FeatureGroup]) -> list[str]:
        """Names of the features that a tombstone of the whole entity is cleaned of: those with history of it in these
        groups, where history is kept by feature.
        """

    async def clean(self, tombstone: Tombstone, features: Sequence[tuple[FeatureDefinition, FeatureGroup]]) -> None:
        """Remove the values that the tombstone covers: history rows of `features` and, for a tombstone of a whole
        entity, its cells. It can be repeated; reads do not depend on it.
        """

    async def replace_cell(self, entity_id: str, layout_id: int, new: bytes, event_time: int) -> None:
        """Put `new` over the cell of this layout and event time in latest. The larger bytes win: `new` is larger than
        that cell, so it also wins over every resend of it, and loses against anything newer.
        """

    async def drop_cells(
        self, entity_ids: Sequence[str], layout_ids: Sequence[int], event_times: Sequence[int]
    ) -> None:
        """Remove these cells (expired values) unless a newer event time has replaced them."""

    async def list_latest_entities(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """A page of ids of entities with cells, and the position of the next page, None after the last."""

    async def purge_history(self, group: FeatureGroup, before: int) -> int:
        """Remove history with event time < before, unless the server expires it. -> number of rows removed here."""

    # Definitions and entities

    async def load_definitions(self, after: int = 0) -> Definitions:
        """The entity types, groups and services that were stored or changed after a revision, as they are now, deleted
        ones too; all of them after 0. Of features, the names of those that changed; none after 0. Revisions begin at 1.

        The definitions of an acknowledged call are among them if the load begins after it. Unchanged definitions cost
        one small read.
        """

    async def read_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        """All versions of distinct features, deleted ones too, by name and version."""

    async def list_feature_names(self, of: FeaturesOf | None, first: str, limit: int) -> list[str]:
        """The first names of features that are not less than `first`, in order. Those of deleted features, and on a
        cluster of some that were never stored, are among them.
        """

    async def known_feature_names(self, names: Sequence[str]) -> set[str]:
        """Those among the names that `list_feature_names` would list."""

    async def put_definitions(
        self, definitions: Sequence[Definition], judged_at: int | None = None
    ) -> list[Definition]:
        """Store definitions, each unless its key is taken. -> the stored ones, in order. Atomic for each definition
        between replicas; the embedded store takes all or none.

        judged_at: the newest revision of the registry that the definitions were compared with. After a later change
        nothing is stored, and nothing returned; a cluster looks for one before, so that a change at the same moment
        may be missed. InvalidInput for a retention that the database cannot express.
        """

    async def put_flag(self, definition: Definition, flag: Flag) -> None:
        """Replace one flag by that of `definition`. Unknown if it is not registered, and for `deprecated` if it is
        deleted: neither of two concurrent changes undoes the other.
        """

    async def put_revision(self, definition: Definition) -> bool:
        """Append the newest revision of a definition, atomically, unless another revision has its number: False then.

        Unknown if it is not registered. InvalidInput for a retention that the database cannot express.
        """

    async def read_definition(self, definition: D) -> D:
        """A definition as it is stored, after all changes that have begun (a serial read). Unknown if it is not
        registered.
        """

    async def put_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """Store entities, except those whose id is taken by another type. -> the stored entities, in order."""

    async def get_entities(self, entity_ids: Sequence[str]) -> dict[str, Entity]:
        """The registered ones among these ids."""

    async def list_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """A page of the entities of a type, and the position of the next page, None after the last."""

    async def remove_entity(self, entity_id: str) -> None:
        """Remove the registration (name, metadata, type). `clean` removes the values."""

    # Models and audit

    async def put_model(self, model: StoredModel, chunks: Sequence[bytes]) -> bool:
        """Store the artefact chunks, then the version. False if the version is taken; nothing changes then."""

    async def list_models(self, name: str | None = None) -> list[StoredModel]:
        """Versions of one model, or of all, sorted by name and version."""

    async def read_artefact(self, name: str, version: int) -> bytes:
        """The bytes of an artefact. `Unknown` if the version does not exist, `CorruptData` if a chunk is missing."""

    async def remove_model(self, name: str, version: int) -> None:
        """Remove a version and its chunks."""

    async def put_alias(self, model: str, alias: str, version: int, *, expected: int | None = None) -> bool:
        """Move an alias to a version, atomically, if it names `expected` (0: the alias must not exist; None: no
        condition).

        False: it names neither `expected` nor `version`; nothing changes. Of two concurrent moves one returns False.
        """

    async def list_aliases(self, model: str | None = None) -> dict[tuple[str, str], int]:
        """(model, alias) -> version."""

    async def append_audit(self, record: AuditRecord) -> None:
        """Durably append a record to the audit log."""

    async def list_audit(self, limit: int) -> list[AuditRecord]:
        """The newest records, newest first."""


@runtime_checkable
class SeekingStorage(Protocol):
    """What a `NamespaceStorage` may do besides: find single events without reading the others of a period."""

    async def seek_history(
        self, wanted: Seeks, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
    ) -> list[Sought]:
        """Per feature and row, the newest event in the partition with a correction that the row admits, in a layout
        that holds the feature. The value itself may be absent there: it was deleted.
        """


class Storage(Protocol):
    """A database: a directory of SQLite files, or a CQL cluster. Opened by `open_storage`."""

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""

    async def create_namespace(self, name: str, options: NamespaceOptions) -> None:
        """Create a namespace with all tables. `Conflict` (NAMESPACE_EXISTS) if it exists."""

    async def drop_namespace(self, name: str) -> None:
        """Delete a namespace with its content. `Unknown` (UNKNOWN_NAMESPACE) if it does not exist."""

    async def namespace(self, name: str) -> NamespaceStorage:
        """Open a namespace after checking the version of its schema. Cached during the life of its incarnation.

        `Unknown` (UNKNOWN_NAMESPACE), or `FailedPrecondition` (SCHEMA_MISMATCH).
        """

    async def migrate(self, name: str) -> list[str]:
        """Apply the numbered schema files that a namespace lacks. -> their names. Idempotent."""

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
