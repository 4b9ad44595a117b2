"""The columns of a training set, with their names and order, which equal those of a single process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.frames.results import distinct, feature_columns, output_names, refuse_repeats
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.tables import arrow_table, status_field, time_field, value_field
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.values import Status, ValueType, empty_values
from featurama_trainer.ray.buckets import ROW


@dataclass(frozen=True, slots=True)
class Output:
    """labels: the caller's columns; features: as requested, in order. prefix: of the names of feature columns that are
    internal and must not collide with label columns.
    """

    labels: tuple[str, ...]
    features: tuple[ResolvedFeature, ...]
    statuses: bool
    event_times: bool
    prefix: str = ""

    def plans(self, columns: SpineColumns) -> list[tuple[str, ReadPlan]]:
        """(entity column, read plan of its entities) for every entity column that features need."""
        of_column: dict[str, list[ResolvedFeature]] = {}
        for each in self.features:
            of_column.setdefault(columns.of_type(each.entity_type), []).append(each)
        return [(name, ReadPlan.of(features)) for name, features in of_column.items()]

    def check_names(self) -> None:
        """Raise InvalidInput if two columns have the same name."""
        refuse_repeats([*self.labels, *self._feature_columns()])

    def shows(self, feature: ResolvedFeature) -> bool:
        """Whether the feature was requested; other features are only read to follow references."""
        return any(feature.reference == each.reference for each in self.features)

    def add(self, table: pa.Table, found: Sequence[tuple[ResolvedFeature, Column]]) -> pa.Table:
        """The table with the columns of these features added."""
        names = self._names()
        fields = []
        for feature, column in found:
            name = names[feature.reference]
            fields.append(value_field(name, column))
            if self.statuses:
                fields.append(status_field(f"{name}__status", column))
            if self.event_times:
                fields.append(time_field(f"{name}__event_time", column))
        made = arrow_table(fields)
        for name in made.column_names:
            table = table.append_column(name, made.column(name))
        return table

    def shaped(self, table: pa.Table) -> pa.Table:
        """The label columns, then the features', in order, and the row number."""
        return table.select([*self.labels, *self._feature_columns(), ROW])

    def columns(self, table: pa.Table) -> list[Column]:
        """The features in the requested order, from a table with their statuses; texts and vectors without values."""
        names = self._names()
        return [_column(each, table, names[each.reference]) for each in self.features]

    def _feature_columns(self) -> list[str]:
        return feature_columns(self._names().values(), statuses=self.statuses, event_times=self.event_times)

    def _names(self) -> dict[str, str]:
        """Pinned reference -> the name of its column."""
        shown = distinct(self.features)
        return {each.reference: f"{self.prefix}{name}" for each, name in zip(shown, output_names(shown), strict=True)}


_STATUSES = pa.array([status.name for status in Status])
_CODES = np.array(list(Status), dtype=np.uint8)


def _column(feature: ResolvedFeature, table: pa.Table, name: str) -> Column:
    definition, rows = feature.definition, table.num_rows
    if definition.value_type in (ValueType.TEXT, ValueType.VECTOR):
        values = empty_values(definition.value_type, rows, definition.vector_length)
    else:
        # Absent values are nulls; they become zero of the type.
        found = table.column(name)
        values = pc.fill_null(found, pa.scalar(0).cast(found.type)).to_numpy()
    status = _CODES[pc.index_in(table.column(f"{name}__status"), _STATUSES).to_numpy()]
    time = np.zeros(rows, dtype=np.int64)
    return Column(feature.name, definition.value_type, values, status, time, definition.version, feature.reference)
