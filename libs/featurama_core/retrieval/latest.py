"""Features of entities at now, from their latest cells, in the blocks in which they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np

from featurama_core.retrieval.answer import answer, unread
from featurama_core.retrieval.entity_rows import distinct_ids
from featurama_core.retrieval.online import newest_cells
from featurama_core.retrieval.plan import Features
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.tombstones import Tombstones
from featurama_core.retrieval.visibility import AsOf
from featurama_core.storage.records import NO_CELLS, Cells
from featurama_core.types.block import Answer
from featurama_core.types.errors import StoreUnavailable


async def latest_values(
    source: ValueSource,
    wanted: Sequence[tuple[Features, Sequence[str]]],
    as_of: AsOf,
    *,
    errors_as_status: bool,
    may_fail: bool = False,
) -> list[Answer]:
    """Features of entities, which are read at once. wanted: features, and the ids of the entities of the rows.

    errors_as_status: whether an entity that the store does not answer for has status ERROR; StoreUnavailable otherwise,
    and if it answers for none. may_fail: whether it may answer for none.
    """
    ids = wanted[0][1] if len(wanted) == 1 else list(chain.from_iterable(ids for _, ids in wanted))
    distinct = list(dict.fromkeys(ids))
    count = len(distinct)
    try:
        cells, layouts = await source.latest(distinct) if distinct else (NO_CELLS, {})
        _check_answered(cells, some=errors_as_status)
    except StoreUnavailable:
        if not may_fail:
            raise
        read = [answer(each, [unread(each, count)], Tombstones(count), as_of) for each, _ in wanted]
    else:
        tombstones = Tombstones.of_cells(cells, count)
        read = [answer(each, newest_cells(cells, layouts, each, count, as_of), tombstones, as_of) for each, _ in wanted]
    if len(wanted) == 1 and count == len(ids):
        return read
    _, entity = distinct_ids(ids)
    ends = np.cumsum([len(each) for _, each in wanted]).tolist()
    runs = [entity[first:end] for first, end in pairwise([0, *ends])]
    return [each.take(run) for each, run in zip(read, runs, strict=True)]


def _check_answered(cells: Cells, *, some: bool) -> None:
    if cells.failures and (cells.failures == len(cells.failed) or not some):
        raise StoreUnavailable("the store did not answer for every entity; try again")
