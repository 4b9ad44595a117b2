"""The columns of features in a table: which there are per feature, and their names.

A column has the name of its feature, a path with dots. Columns with the same name (two versions of one feature) are
named by their references. `<name>__status` and `<name>__event_time` are added on request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from featurama_core.frames.tables import Field, status_field, time_field, value_field
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput


class Named(Protocol):
    """An object with a column in a table."""

    @property
    def name(self) -> str:
        """The name of the feature."""

    @property
    def reference(self) -> str:
        """The pinned reference, or ""."""


NamedT = TypeVar("NamedT", bound=Named)


def distinct(columns: Iterable[NamedT]) -> list[NamedT]:
    """The columns without repetition: `distance` and `distance@1` may be the same column."""
    return list({(column.name, column.reference): column for column in columns}.values())


def unique_names(columns: Sequence[Named]) -> list[str]:
    """The name of each distinct column: its own, or its pinned reference if the name is not unique."""
    times = Counter(column.name for column in columns)
    return [column.reference or column.name if times[column.name] > 1 else column.name for column in columns]


@dataclass(frozen=True, slots=True)
class FeatureColumns:
    """The columns per feature. separator: stands in names for the dots of paths."""

    statuses: bool = False
    event_times: bool = False
    separator: str = "."

    def names(self, columns: Sequence[Named]) -> list[str]:
        """The name of each distinct column."""
        return [self._shown(name) for name in unique_names(columns)]

    def all_of(self, name: str) -> list[str]:
        """The columns of a feature: its values, which have this name, and what is added to them."""
        return [name, *[f"{name}__status"] * self.statuses, *[f"{name}__event_time"] * self.event_times]

    def beside(self, labels: Sequence[Field], columns: Sequence[Column]) -> list[Field]:
        """The label columns, followed by those of features. Raises InvalidInput if two have one name."""
        features = distinct(columns)
        self.check(unique_names(features), [field.name for field in labels])
        made = [self.fields(name, each) for name, each in zip(self.names(features), features, strict=True)]
        return [*labels, *(field for fields in made for field in fields)]

    def fields(self, name: str, column: Column) -> list[Field]:
        """The columns of a feature as fields."""
        fields = [value_field(name, column)]
        if self.statuses:
            fields.append(status_field(f"{name}__status", column))
        if self.event_times:
            fields.append(time_field(f"{name}__event_time", column))
        return fields

    def check(
        self,
        names: Iterable[str],
        labels: Iterable[str] = (),
        *,
        word: str = "label column",
        fix: str = "rename the label column",
    ) -> None:
        """Raise InvalidInput if two columns of a table would have one name.

        names: of features, with dots, as of `unique_names`. labels: the other columns of the table. word, fix: what
        these columns are, and what to do about one with the name of a feature's column.
        """
        given = {label: f"the {word} {label!r}" for label in labels}
        made: dict[str, str] = {}
        for name in dict.fromkeys(names):
            for column, meaning in self._meanings(name):
                if column in given:
                    problem = f"{given[column]} and {meaning} have one name; {fix}"
                elif column in made:
                    is_renamed = made[column].startswith("the feature") and meaning.startswith("the feature")
                    do = "choose another column_separator" if is_renamed else "request the features in two calls"
                    problem = f"{made[column]} and {meaning} would both be the column {column!r}; {do}"
                else:
                    made[column] = meaning
                    continue
                raise InvalidInput(problem, field=column)

    def _meanings(self, name: str) -> Iterator[tuple[str, str]]:
        meanings = (f"the feature {name!r}", f"the status of {name!r}", f"the event time of {name!r}")
        wanted = (True, self.statuses, self.event_times)
        columns = self.all_of(self._shown(name))
        yield from zip(
            columns, (each for each, is_wanted in zip(meanings, wanted, strict=True) if is_wanted), strict=True
        )

    def _shown(self, name: str) -> str:
        return name.replace(".", self.separator)
