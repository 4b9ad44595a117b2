"""Which label column names the entity of which features, where label rows have several entity columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from featurama_core.datasets.labels import LabelColumns, LabelSource, check_columns
from featurama_core.types.errors import InvalidInput


def columns_of_types(given: Any) -> tuple[tuple[str, str], ...]:
    """Entity type -> column, as `LabelColumns.of_types` has it, in the order of the types' names. InvalidInput for what
    is no such mapping.
    """
    if given is None:
        return ()
    named = isinstance(given, Mapping) and all(
        isinstance(each, str) and each for pair in given.items() for each in pair
    )
    if not named:
        raise InvalidInput(
            'entity_columns must map entity types to label columns; write {"driver": "driver_id"}',
            field="entity_columns",
        )
    return tuple(sorted(given.items()))


def needed_columns(columns: LabelColumns, entity_types: Sequence[str], source: LabelSource) -> LabelColumns:
    """The columns that features of these entity types need: without the default one if each type has its own.

    InvalidInput for a type that no feature has, and for a column that the label rows lack.
    """
    named = dict(columns.of_types)
    unused = [entity_type for entity_type in named if entity_type not in entity_types]
    if unused:
        there = ", ".join(sorted(set(entity_types)))
        raise InvalidInput(
            f"no feature that is asked for is of the entity type {unused[0]} (they are of {there}); ask for one of its "
            "features, or leave the type out",
            field="entity_columns",
        )
    if all(entity_type in named for entity_type in entity_types):
        return replace(columns, entity="")
    check_columns(source, columns)
    return columns
