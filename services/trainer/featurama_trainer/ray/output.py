"""The columns of a training set: which, under which names, in which order; the same as the single-process engine's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from featurama_core.model.columns import Column
from featurama_core.model.errors import InvalidInput
from featurama_core.model.references import ResolvedFeature
from featurama_core.model.tables import arrow_table, status_field, time_field, value_field
from featurama_core.paths import PathPlan


@dataclass(frozen=True, slots=True)
class Output:
    """labels: the caller's columns; features: as asked, in order."""

    labels: tuple[str, ...]
    features: tuple[ResolvedFeature, ...]
    statuses: bool
    event_times: bool

    @property
    def plan(self) -> PathPlan:
        """What is read of whom."""
        return PathPlan.of(self.features)

    def check_names(self) -> None:
        """InvalidInput if two columns would have one name."""
        for name, times in Counter([*self.labels, *self._feature_columns()]).items():
            if times > 1:
                raise InvalidInput(f"two columns would be named {name!r}; rename the label column", field=name)

    def shows(self, feature: ResolvedFeature) -> bool:
        """Whether it was asked for, not only needed on the way."""
        return any(feature.reference == each.reference for each in self.features)

    def add(self, table: pa.Table, found: Sequence[tuple[ResolvedFeature, Column]]) -> pa.Table:
        """The table with these features beside what it has."""
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

    def final(self, table: pa.Table) -> pa.Table:
        """The label columns, then the features', in order; nothing else."""
        return table.select([*self.labels, *self._feature_columns()])

    def _feature_columns(self) -> list[str]:
        columns = []
        for name in self._names().values():
            columns += [name] + [f"{name}__status"] * self.statuses + [f"{name}__event_time"] * self.event_times
        return columns

    def _names(self) -> dict[str, str]:
        """Pinned reference -> name: the feature's own, or the reference if another has that name too."""
        distinct = {each.reference: each.name for each in self.features}
        names = Counter(distinct.values())
        return {reference: reference if names[name] > 1 else name for reference, name in distinct.items()}
