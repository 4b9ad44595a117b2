"""Which label rows a request means: given ones, all entities of a type on a grid of times, or their newest values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from featurama_core.datasets.grid import GridSource
from featurama_core.datasets.labels import LabelColumns, LabelSource, label_source
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import Time, parse_duration, to_micros

Entities = Callable[[str], Awaitable[Any]]
"""All entities of a type, ids ascending: an Arrow string array."""


async def rows_asked(
    labels: Any,
    columns: LabelColumns,
    entity_type: str | None,
    start: Time | None,
    end: Time | None,
    every: str | timedelta | int | None,
    *,
    now: int,
    entities: Entities,
) -> tuple[LabelSource, LabelColumns, bool]:
    """The label rows, their columns, and whether they stand for `now` (microseconds). Raises InvalidInput."""
    given = [each is not None for each in (start, end, every)]
    if labels is not None:
        if entity_type is not None or any(given):
            raise InvalidInput("labels= and entity_type=, start=, end=, every= exclude each other", field="labels")
        return await asyncio.to_thread(label_source, labels, columns), columns, False
    if columns.of_types:
        raise InvalidInput("entity_columns= name columns of labels=; give these too", field="entity_columns")
    if entity_type is None:
        raise InvalidInput("give labels=, or entity_type= for all entities of a type", field="labels")
    if any(given) and not all(given):
        raise InvalidInput("a grid needs start=, end= and every=; none of them gives the newest values", field="every")
    entity_ids = await entities(entity_type)
    if not len(entity_ids):
        raise InvalidInput(
            f"no entity of the type {entity_type} is known", reason=Reason.EMPTY_REQUEST, field="entity_type"
        )
    if start is None or end is None:
        return GridSource(entity_ids, now, now, 1), LabelColumns(), True
    step = parse_duration(every, "every")
    assert step is not None
    return GridSource(entity_ids, to_micros(start, "start"), to_micros(end, "end"), step), LabelColumns(), False
