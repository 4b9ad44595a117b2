"""Key columns in a write: columns that are named like the keys of the entity type of the other columns.

Such a column holds keys, and no feature of the type has its name. The keys make the entity ids of the rows, or agree
with those that the request has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from featurama_core.frames.cells import Cells
from featurama_core.frames.entities import EntityColumns, coded_entities
from featurama_core.ingest.convert import RowError, RowErrors
from featurama_core.types.column import Column
from featurama_core.types.entity_keys import EntityKeys
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import Status
from featurama_core.types.writes import WriteRequest


def with_ids(request: WriteRequest, kinds: Mapping[str, EntityKeys]) -> tuple[WriteRequest, RowErrors]:
    """(the request with the ids of its key columns, which hold no values any more; the rows that name no entity).

    kinds: the types with keys that the columns describe. InvalidInput for a part of the keys, or of two types.
    """
    names = {column.name for column in request.columns}
    found = [keys for keys in kinds.values() if names & set(keys.names)]
    if not found:
        return request, {}
    if len(found) > 1:
        raise InvalidInput(
            f"the columns are keys of {' and '.join(each.entity_type for each in found)}, and a row has one entity",
            field=found[0].names[0],
        )
    (keys,) = found
    for name in keys.names:
        if name not in names:
            raise InvalidInput(f"the column {name}, a key of {keys.entity_type}, is missing", field=name)
    rows = len(request)
    cells = [_cells(request.columns, name, rows) for name in keys.names]
    agreeing = "entity_id" if request.entity_ids else ""
    if agreeing:
        cells.append(Cells(np.array(request.entity_ids, dtype=object)))
    coded = coded_entities(cells, EntityColumns(keys.names, keys, agreeing))
    problems = {row: RowError(each.reason, each.column, each.message) for row, each in coded.problems.items()}
    # The columns stay, so that verdicts keep their positions.
    nothing = np.full(rows, Status.NOT_FOUND, dtype=np.uint8)
    columns = [replace(each, status=nothing) if each.name in keys.names else each for each in request.columns]
    return replace(request, entity_ids=request.entity_ids or coded.ids.rows().tolist(), columns=columns), problems


def _cells(columns: Sequence[Column], name: str, rows: int) -> Cells:
    """The cells of a key. A column of several types arrives as one column per type."""
    named = [each for each in columns if each.name == name]
    if len(named) == 1 and (named[0].status == Status.PRESENT).all():
        return Cells(named[0].values)
    values = np.full(rows, None, dtype=object)
    for each in named:
        there = each.status == Status.PRESENT
        values[there] = each.values[there].tolist() if each.values.ndim > 1 else each.values[there]
    return Cells(values)
