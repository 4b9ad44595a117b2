"""The history walk: the stored values of one feature of one entity, newest first, in pages.

One winner per event time unless corrections are asked for. ttl is not applied; marks and retention are.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np

from featurama_core.api.primitives import HistoryRange
from featurama_core.frames.results import FeatureHistory
from featurama_core.namespace import Namespace
from featurama_core.storage.latest import deleted_through
from featurama_core.types.errors import InvalidInput, Reason, StoreUnavailable
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array


async def read_page(
    namespace: Namespace,
    entity_id: str,
    feature: ResolvedFeature,
    wanted: HistoryRange,
    page_size: int,
    page_token: str,
) -> FeatureHistory:
    """One page. The values of one event time are never cut, so with many corrections a page may be longer."""
    end, left = _unpack_token(page_token) if page_token else (wanted.end, wanted.limit)
    now = namespace.now()
    cells, _ = await namespace.read_cells([entity_id])
    if cells.failed.any():
        raise StoreUnavailable("the store did not answer for this entity; try again")
    start = max(wanted.start, int(deleted_through(cells, 1, feature.definition.name)[0]) + 1)
    if feature.group.retention is not None:
        start = max(start, now - feature.group.retention)
    size = page_size if left is None else min(page_size, left)
    # One more than a page: that there is a next one is seen without another read.
    history = (
        await namespace.storage.read_history(
            [entity_id], [(feature.definition, feature.group)], start=start, end=end, newest=size + 1
        )
    )[0]
    rows = np.arange(len(history.event_time))[::-1]
    times = history.event_time[rows]
    if wanted.corrections:
        count = _whole_times(times, size) if left is None else min(_whole_times(times, size), left)
    else:
        # Newest first, so the winner of an event time stands before the values it corrects.
        rows = rows[np.diff(times, prepend=MAX_TIME) != 0]
        count = size
    page = rows[:count]
    more = len(page) < len(rows) or len(history.event_time) > size
    left = None if left is None else left - len(page)
    goes_on = more and len(page) > 0 and left != 0
    return FeatureHistory(
        entity_id=entity_id,
        column=history.column.take(page),
        ingested_at=history.ingested_at[page],
        as_of_time=now,
        next_page=_pack_token(int(history.event_time[page[-1]]) - 1, left) if goes_on else "",
    )


def _whole_times(times: Int64Array, size: int) -> int:
    """How many of these times, newest first, hold the first `size` without cutting an event time."""
    if len(times) <= size:
        return len(times)
    return int(np.searchsorted(-times, -times[size - 1], side="right"))


def _pack_token(end: int, left: int | None) -> str:
    return base64.urlsafe_b64encode(f"{end}:{'' if left is None else left}".encode()).decode()


def _unpack_token(token: str) -> tuple[int, int | None]:
    try:
        end, left = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().split(":")
        unpacked = int(end), int(left) if left else None
    except (ValueError, binascii.Error) as error:
        raise _bad_token() from error
    if not MIN_TIME <= unpacked[0] <= MAX_TIME or (unpacked[1] is not None and unpacked[1] < 1):
        raise _bad_token()
    return unpacked


def _bad_token() -> InvalidInput:
    return InvalidInput(
        "page_token was not made by this call; send the token of the page before, or none",
        reason=Reason.INVALID_PAGE_TOKEN,
        field="page_token",
    )
