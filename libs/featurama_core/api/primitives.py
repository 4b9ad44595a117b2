"""What a store implements: the calls that all public methods are made of. Arguments are checked and typed already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from featurama_core.frames.report import FrameSending, PreparedWrite
from featurama_core.frames.results import FeatureHistory
from featurama_core.types.column import Column
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.imports import ImportScope
from featurama_core.types.references import FeatureSelection
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.schema import Definition, Entity
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array
from featurama_core.types.writes import Deletion, WriteReport, WriteRequest

if TYPE_CHECKING:
    from featurama_core.datasets.dataset import Engine
    from featurama_core.datasets.labels import LabelColumns, LabelSource
    from featurama_core.datasets.request import DatasetRequest

D = TypeVar("D", bound=Definition)

KnownAt = int | Literal["label"] | None
"""Microseconds; "label": each row's own time; None: all that is known."""
Consistency = Literal["LOCAL_QUORUM", "LOCAL_ONE"]

MAX_ENTITIES_PER_CALL = 1_000


@dataclass(frozen=True, slots=True)
class HistoryRange:
    """start <= event time <= end, microseconds; `limit`: the newest N in all, None for all."""

    start: int = MIN_TIME
    end: int = MAX_TIME
    limit: int | None = None
    corrections: bool = False


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """How a store answers the label rows of a dataset. begin: makes an engine for one reading; columns: the label
    columns that are needed.
    """

    begin: Callable[[], Engine]
    columns: LabelColumns


class Primitives(ABC):
    """The calls that the public methods of `FeatureStore` are made of, for one namespace."""

    _request_ids: RequestIds

    @property
    @abstractmethod
    def namespace(self) -> str:
        """Name of the namespace."""

    @abstractmethod
    def now(self) -> int:
        """The wall clock by which this store reads, microseconds since 1970 UTC."""

    # Definitions. Unknown (UNKNOWN_...) where there is none of the name.

    @abstractmethod
    async def _define(self, definition: D) -> D:
        """Register it; an empty entity type or group of a feature is the other's, or the default."""

    @abstractmethod
    async def _get_definition(self, kind: type[D], name: str, version: int | None) -> D:
        """version: of a feature; None: the newest."""

    @abstractmethod
    async def _list_definitions(
        self, kind: type[D], *, entity_type: str | None, group: str | None, all_versions: bool
    ) -> list[D]:
        """By name and version. The filters are for features."""

    @abstractmethod
    async def _deprecate(self, kind: type[D], name: str, version: int | None) -> D:
        """Mark it."""

    # Entities

    @abstractmethod
    async def _put_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """At most 1,000. Conflict (ENTITY_CONFLICT) for an id that has another type."""

    @abstractmethod
    async def _get_entity(self, entity_id: str) -> Entity:
        """Unknown (UNKNOWN_ENTITY) without it."""

    @abstractmethod
    async def _page_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """At most `limit` entities after a position, and the position of the next page (None: there is none)."""

    # Values

    @abstractmethod
    async def _begin_import(self, scope: ImportScope, import_id: str) -> int:
        """The number of an import, 0 to 999; import_id: a UUIDv7."""

    @abstractmethod
    async def _write(self, request: WriteRequest) -> WriteReport:
        """Write up to 10,000 rows."""

    async def _write_all(self, requests: Iterable[PreparedWrite], sending: FrameSending) -> None:
        """Write the requests of a frame, each settled when it is answered."""
        for each in requests:
            try:
                sending.settle(each, await self._write(each.request))
            except FeaturamaError as error:
                sending.settle(each, error)

    @abstractmethod
    async def _read_online(
        self,
        entity_ids: Sequence[str],
        features: FeatureSelection,
        *,
        consistency: Consistency | None,
        event_times: bool,
    ) -> tuple[list[Column], int]:
        """Any number of ids -> a column per feature, and the moment of the read, microseconds."""

    @abstractmethod
    async def _read_all(self, entity_id: str) -> tuple[list[Column], int]:
        """The newest values of all features of an entity's type."""

    @abstractmethod
    async def _read_as_of(
        self, entity_ids: Sequence[str], event_time: Int64Array | None, features: FeatureSelection, known_at: KnownAt
    ) -> tuple[list[Column], int]:
        """Any number of label rows -> a column per feature; event_time None: at now."""

    @abstractmethod
    async def _page_history(
        self, entity_id: str, feature: str, wanted: HistoryRange, page_size: int, page_token: str
    ) -> FeatureHistory:
        """A page of one feature's history."""

    @abstractmethod
    async def _delete(self, entity_id: str, features: Sequence[str], deleted_through: int | None) -> Deletion:
        """Delete all values, or those of the named features."""

    # Datasets

    @abstractmethod
    async def _dataset_source(
        self, request: DatasetRequest, source: LabelSource, columns: LabelColumns, *, at_now: bool, now: int
    ) -> DatasetSource:
        """Resolve the features as far as this store can, refuse what cannot work, and read no value yet."""

    # The store itself

    @abstractmethod
    async def is_serving(self, service: str = "") -> bool:
        """Whether the store answers: the database, or the online server by its health check.

        Args:
            service: a service of the server, such as "featurama.v1.OnlineService"; "": the server as a whole. An
                embedded store has no services and looks at its database.

        Returns:
            False also when nothing answers.
        """
