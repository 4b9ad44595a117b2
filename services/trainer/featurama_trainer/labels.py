"""Label rows from the store: entity, moment and outcome.

The moment of a row is the time of its prediction, which precedes the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.namespace import Namespace
from featurama_core.registry.roles import check_one_type
from featurama_core.retrieval.history import visible_history
from featurama_core.storage.records import History
from featurama_core.store import EmbeddedStore
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array, Status, ValueType
from featurama_model.engineered import NUMERIC, numbers
from featurama_model.expressions import Float64Array
from featurama_trainer.classes import TRUTH, Classes
from featurama_trainer.config import SpineSource

ENTITIES_PER_PAGE = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """n rows in order of time, then id. event_time: int64[n] microseconds; target: float64[n], finite: numbers, or
    positions in `classes`, which is () for a regression. without_target, without_time: the number of entities (of a
    file: rows) that were left out for this reason. without_entity: of rows with a target whose keys name none.
    """

    entity_ids: list[str]
    event_time: Int64Array
    target: Float64Array
    without_target: int = 0
    without_time: int = 0
    classes: tuple[str, ...] = ()
    without_entity: int = 0

    def __len__(self) -> int:
        return len(self.entity_ids)

    def take(self, rows: Int64Array) -> Labels:
        """The given rows, in the given order."""
        ids = [self.entity_ids[row] for row in rows.tolist()]
        return replace(self, entity_ids=ids, event_time=self.event_time[rows], target=self.target[rows])


class Targets:
    """The values of a target, of one type, as numbers: a text is its position among the texts seen so far.

    classes: None for a regression. Raises InvalidInput for an unsupported type.
    """

    def __init__(self, name: str, value_type: ValueType, classes: Classes | None) -> None:
        if value_type not in NUMERIC and (classes is None or value_type is not ValueType.TEXT):
            needed = "a number is needed" if classes is None else "a number or text is needed"
            raise InvalidInput(
                f"labels.target {name!r} is {value_type.label}; {needed}",
                reason=Reason.TYPE_MISMATCH,
                field="labels.target",
            )
        self._name = name
        self._type = value_type
        self._classes = classes
        self._codes: dict[str, int] = {}

    def numbers(self, column: Column) -> Float64Array:
        """float64[n], NaN where the column is not PRESENT."""
        if self._type is not ValueType.TEXT:
            return numbers(column)
        found = np.full(len(column), np.nan)
        for row in np.flatnonzero(column.status == Status.PRESENT).tolist():
            found[row] = self._codes.setdefault(column.values[row], len(self._codes))
        return found

    def encoded(self, labels: Labels) -> Labels:
        """The same rows, with targets as positions among the classes."""
        if self._classes is None:
            return labels
        texts = {ValueType.TEXT: tuple(self._codes), ValueType.BOOL: TRUTH}.get(self._type)
        target, names = self._classes.encoded(labels.target, texts, self._name)
        return replace(labels, target=target, classes=names)


async def read_labels(
    namespace: Namespace,
    source: SpineSource,
    *,
    known_at: int | None = None,
    classes: Classes | None = None,
    progress: Watcher | None = None,
) -> Labels:
    """One row per entity of the type with a present target, as known at `known_at` (microseconds; None: now).

    classes: None for a regression. Raises InvalidInput for a target that cannot be learned.
    """
    if not source.time_feature:
        raise InvalidInput(
            "labels.time_feature is missing; name the feature whose first value marks the moment of a prediction, or "
            "give the label rows as labels.file",
            field="labels.time_feature",
        )
    target, moment = await namespace.resolve([source.target, source.time_feature])
    check_one_type([target, moment], source.entity_type)
    read = Targets(source.target, target.value_type, classes)
    ids: list[str] = []
    times: list[Int64Array] = []
    targets: list[Float64Array] = []
    without_target = without_time = 0
    stage = Stage("labels", None, progress)
    after: str | None = None
    store = EmbeddedStore(namespace)
    while True:
        entities, after = await store.page_entities(source.entity_type, after, ENTITIES_PER_PAGE)
        if entities:
            entity_ids = [entity.entity_id for entity in entities]
            outcomes, moments = await visible_history(namespace, entity_ids, [target, moment], namespace.now())
            value, time = _newest(outcomes, len(entity_ids), read), _earliest(moments, len(entity_ids))
            if known_at is not None:
                known = await store.point_in_time(entity_ids, None, features=[target.reference], known_at=known_at)
                value = read.numbers(known.columns[0])
            has_value, has_time = np.isfinite(value), time != MIN_TIME
            rows = np.flatnonzero(has_value & has_time)
            ids += [entity_ids[row] for row in rows.tolist()]
            times.append(time[rows])
            targets.append(value[rows])
            without_target += int((~has_value).sum())
            without_time += int((has_value & ~has_time).sum())
            stage.advance(len(entity_ids))
        if after is None:
            break
    if not times:
        raise FailedPrecondition(
            f"there are no label rows: no entity of type {source.entity_type!r} is registered or has values; write "
            "them, or give the label rows as labels.file",
            reason=Reason.UNKNOWN_ENTITY,
            field="labels",
        )
    labels = sorted_labels(
        ids,
        np.concatenate([*times, np.zeros(0, dtype=np.int64)]),
        np.concatenate([*targets, np.zeros(0)]),
        without_target,
        without_time,
    )
    return read.encoded(labels)


def sorted_labels(
    entity_ids: list[str], time: Int64Array, target: Float64Array, without_target: int = 0, without_time: int = 0
) -> Labels:
    """The rows in order of time, then id."""
    order = label_order(entity_ids, time)
    return Labels(entity_ids, time, target, without_target, without_time).take(order)


def label_order(entity_ids: list[str], time: Int64Array) -> Int64Array:
    """The positions of the rows in order of time, then id: int64[n]."""
    return np.array(sorted(range(len(entity_ids)), key=lambda row: (time[row], entity_ids[row])), dtype=np.int64)


def _newest(history: History, entities: int, read: Targets) -> Float64Array:
    """The newest value per entity, NaN if it is absent or null: float64[entities]."""
    found = np.full(entities, np.nan)
    # The history is sorted by (entity, event time), so the last row of an entity is assigned last.
    found[history.entity] = read.numbers(history.column)
    return found


def _earliest(history: History, entities: int) -> Int64Array:
    """The earliest event time with a value, MIN_TIME without one: int64[entities]."""
    found = np.full(entities, MIN_TIME, dtype=np.int64)
    present = np.flatnonzero(history.column.status == Status.PRESENT)[::-1]
    found[history.entity[present]] = history.event_time[present]
    return found
