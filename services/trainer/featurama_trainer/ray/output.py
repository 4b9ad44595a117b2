"""The columns of a training set, with their names and order, which equal those of a single process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.frames.naming import FeatureColumns, distinct, unique_names
from featurama_core.frames.tables import arrow_table
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.roles import Role
from featurama_core.types.values import Status, ValueType, empty_values
from featurama_trainer.ray.buckets import ROW


@dataclass(frozen=True, slots=True)
class Output:
    """labels: the caller's columns; features: as requested, in order. prefix: of the names of feature columns that are
    internal and must not collide with label columns.
    """

    labels: tuple[str, ...]
    features: tuple[ResolvedFeature, ...]
    shown: FeatureColumns
    prefix: str = ""

    def plans(self) -> list[tuple[Role | None, ReadPlan]]:
        """The read plan of the entities of each role; None for rows without roles. Its features have no role."""
        of_role: dict[Role | None, list[ResolvedFeature]] = {}
        for each in self.features:
            of_role.setdefault(each.role, []).append(replace(each, role=None))
        return [(role, ReadPlan.of(features)) for role, features in of_role.items()]

    def check_names(self) -> None:
        """Raise InvalidInput if two columns would have one name."""
        if not self.prefix:
            self.shown.check(unique_names(distinct(self.features)), self.labels)

    def shows(self, feature: ResolvedFeature) -> bool:
        """Whether the feature was requested; other features are only read to follow references."""
        return any(feature.reference == each.reference for each in self.features)

    def add(self, table: pa.Table, found: Sequence[tuple[ResolvedFeature, Column]]) -> pa.Table:
        """The table with the columns of these features added."""
        names = self._names()
        fields = [self.shown.fields(names[feature.reference], column) for feature, column in found]
        made = arrow_table([each for of_feature in fields for each in of_feature])
        for name in made.column_names:
            table = table.append_column(name, made.column(name))
        return table

    def without_rows(self, labels: pa.Table) -> pa.Table:
        """What `add` makes of label rows that are none."""
        none = np.empty(0, dtype=np.int64)
        columns = []
        for feature in distinct(self.features):
            definition = feature.definition
            values = empty_values(definition.value_type, 0, definition.vector_length)
            status = np.empty(0, dtype=np.uint8)
            columns.append((feature, Column(feature.name, definition.value_type, values, status, none)))
        return self.add(labels, columns)

    def shaped(self, table: pa.Table) -> pa.Table:
        """The label columns, then the features', in order, and the row number."""
        return table.select([*self.labels, *self._feature_columns(), ROW])

    def columns(self, table: pa.Table) -> list[Column]:
        """The features in the requested order, from a table with their statuses; texts and vectors without values."""
        names = self._names()
        return [_column(each, table, names[each.reference]) for each in self.features]

    def _feature_columns(self) -> list[str]:
        return [column for name in self._names().values() for column in self.shown.all_of(name)]

    def _names(self) -> dict[str, str]:
        """Pinned reference -> the name of its column."""
        features = distinct(self.features)
        names = self.shown.names(features)
        return {each.reference: f"{self.prefix}{name}" for each, name in zip(features, names, strict=True)}


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
