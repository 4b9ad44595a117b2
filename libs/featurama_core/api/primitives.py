"""The calls that a store implements. Their arguments are checked and typed by the public methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from featurama_core.frames.report import FrameSending, PreparedWrite
from featurama_core.frames.results import FeatureHistory
from featurama_core.types.column import Column
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.imports import ImportScope
from featurama_core.types.references import FeatureSelection
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.roles import RowEntities
from featurama_core.types.schema import Definition, Entity, EntityType, FeatureDefinition, Use
from featurama_core.types.times import MAX_TIME, MIN_TIME, KnownAt
from featurama_core.types.values import Int64Array
from featurama_core.types.writes import Deletion, WriteReport, WriteRequest

if TYPE_CHECKING:
    from featurama_core.datasets.dataset import Engine
    from featurama_core.datasets.request import DatasetRequest
    from featurama_core.datasets.spine_sources import SpineSource
    from featurama_core.frames.spine import SpineColumns

D = TypeVar("D", bound=Definition)

Consistency = Literal["LOCAL_QUORUM", "LOCAL_ONE"]

MAX_ENTITIES_PER_CALL = 1_000
MAX_DEFINITIONS_PER_CALL = 1_000


@dataclass(frozen=True, slots=True)
class HistoryRange:
    """start <= event time <= end, microseconds. limit: the newest N values of all pages; None for all."""

    start: int = MIN_TIME
    end: int = MAX_TIME
    limit: int | None = None
    corrections: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """How a definition is changed. expected_revision: the newest one, as the caller knows it; None for any. confirmed:
    a lower retention may remove values. dry_run: nothing is stored.
    """

    expected_revision: int | None = None
    confirmed: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """How a store answers the label rows of a dataset. begin: makes the engine of one pass; columns: the label columns
    that it needs.
    """

    begin: Callable[[], Engine]
    columns: SpineColumns


class Primitives(ABC):
    """The calls behind the public methods of `FeatureStore`, for one namespace."""

    _request_ids: RequestIds

    @property
    @abstractmethod
    def namespace(self) -> str:
        """Name of the namespace."""

    @abstractmethod
    def now(self) -> int:
        """The wall clock used for reads, microseconds since 1970 UTC."""

    # Definitions. Unknown (UNKNOWN_...) for a name that is not registered.

    @abstractmethod
    async def _define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        """Register definitions. An empty entity type or group of a feature follows from the other."""

    @abstractmethod
    async def _get_definition(self, kind: type[D], name: str, version: int | None) -> D:
        """version: of a feature; None for the newest."""

    @abstractmethod
    async def _list_definitions(self, kind: type[D]) -> list[D]:
        """Sorted by name. kind: not FeatureDefinition."""

    @abstractmethod
    async def _page_features(
        self, entity_type: str | None, group: str | None, after: str | None, limit: int, *, all_versions: bool
    ) -> tuple[list[FeatureDefinition], str | None]:
        """A page sorted by name and version, of about `limit` names, and the position of the next page, None after the
        last.
        """

    @abstractmethod
    async def _find_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        """All versions of the registered ones among at most 1,000 names, sorted by name and version."""

    @abstractmethod
    async def _types_of(self, features: FeatureSelection) -> list[EntityType]:
        """The entity types that features describe, without `entity`, sorted by name; of a path, its reference's.

        Names that are no features are left out. At most 1,000 references.
        """

    @abstractmethod
    async def _deprecate(self, kind: type[D], name: str, version: int | None) -> D:
        """Mark a definition as deprecated."""

    @abstractmethod
    async def _restore(self, kind: type[D], name: str, version: int | None) -> D:
        """Take back a deprecation."""

    @abstractmethod
    async def _delete_definition(self, kind: type[D], name: str, version: int | None) -> D:
        """Delete a definition. FailedPrecondition (DEFINITION_USED) if it is used."""

    @abstractmethod
    async def _update_definition(
        self, kind: type[D], name: str, version: int | None, changes: Mapping[str, Any], update: Update
    ) -> tuple[D, int]:
        """Append a revision with these changes. -> the definition, and the number of values that it removes."""

    @abstractmethod
    async def _uses(self, kind: type[Definition], name: str, version: int | None) -> list[Use]:
        """What uses a definition. version: of a feature; None for the newest."""

    # Entities

    @abstractmethod
    async def _put_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """At most 1,000. Conflict (ENTITY_CONFLICT) for an id that has another type."""

    @abstractmethod
    async def _get_entity(self, entity_id: str) -> Entity:
        """Unknown (UNKNOWN_ENTITY) for an entity that is not registered."""

    @abstractmethod
    async def _page_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """At most `limit` entities after a position, and the position of the next page, None after the last."""

    # Values

    @abstractmethod
    async def _begin_import(self, scope: ImportScope, import_id: str) -> int:
        """The number of an import, 0 to 999; import_id: a UUIDv7."""

    @abstractmethod
    async def _write(self, request: WriteRequest) -> WriteReport:
        """Write up to 10,000 rows."""

    async def _write_all(self, requests: Iterable[PreparedWrite], sending: FrameSending) -> None:
        """Write the requests of a frame. Each is settled with its answer."""
        for each in requests:
            try:
                sending.settle(each, await self._write(each.request))
            except FeaturamaError as error:
                sending.settle(each, error)
                sending.check()

    @abstractmethod
    async def _read_online(
        self,
        entities: RowEntities,
        features: FeatureSelection,
        *,
        consistency: Consistency | None,
        event_times: bool,
    ) -> tuple[list[Column], int]:
        """Any number of rows, with the roles of the features -> a column per feature, and the time of the read,
        microseconds.
        """

    @abstractmethod
    async def _read_all(self, entity_id: str) -> tuple[list[Column], int]:
        """The newest values of all features of an entity's type."""

    @abstractmethod
    async def _read_as_of(
        self, entities: RowEntities, event_time: Int64Array | None, features: FeatureSelection, known_at: KnownAt
    ) -> tuple[list[Column], int]:
        """Any number of label rows -> a column per feature. event_time: None reads at now."""

    @abstractmethod
    async def _page_history(
        self, entity_id: str, feature: str, wanted: HistoryRange, page_size: int, page_token: str
    ) -> FeatureHistory:
        """A page of one feature's history."""

    @abstractmethod
    async def _delete(self, entity_id: str, features: Sequence[str], deleted_through: int | None) -> Deletion:
        """Delete all values of an entity, or those of the named features."""

    # Datasets

    @abstractmethod
    async def _dataset_source(
        self, request: DatasetRequest, source: SpineSource, columns: SpineColumns, *, at_now: bool, now: int
    ) -> DatasetSource:
        """Resolve the features as far as this store can and refuse an impossible request. Reads no values."""

    # The store itself

    @abstractmethod
    async def is_serving(self, service: str = "") -> bool:
        """Whether the store answers: the database, or the health check of the online server.

        Args:
            service: A service of the server, such as "featurama.v1.OnlineService"; "" for the server as a whole. An
                embedded store ignores it and checks its database.

        Returns:
            True if it answers. Failures of the connection return False.
        """
