"""History: the stored values of one feature of one entity, newest first, in pages.

One winner per event time, or all corrections on request. Deletions and retention are applied, ttl is not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np

from featurama_core.api.primitives import HistoryRange
from featurama_core.frames.results import FeatureHistory
from featurama_core.namespace import Namespace
from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import (
    ReadBounds,
    admitted,
    first_kept,
    horizon,
    newest_per_event_time,
    per_entity,
)
from featurama_core.storage.port import History
from featurama_core.types.errors import InvalidInput, Reason
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
    """One page. The corrections of one event time stay together, so a page may be longer than `page_size`."""
    end, left = _unpack_token(page_token) if page_token else (wanted.end, wanted.limit)
    source = ValueSource(namespace)
    as_of = ReadBounds(None, namespace.now(), at_now=True).rows(None)
    tombstones = await source.tombstones([entity_id])
    deleted = int(np.max(tombstones.through(feature.definition.name)))
    gone = int(np.max(horizon(feature.group.retention, deleted, as_of.now)))
    size = page_size if left is None else min(page_size, left)
    # One more than a page, to detect the next page without another read.
    start = max(wanted.start, gone + 1)
    (history,) = await source.lookup([entity_id], [feature], start, end, newest=size + 1)
    keys = HistoryKeys.of(history.entity, history.event_time, history.ingested_at)
    shown = admitted(keys, as_of, gone)
    rows = (np.flatnonzero(shown) if wanted.corrections else newest_per_event_time(keys, shown))[::-1]
    count = _whole_times(history.event_time[rows], size) if wanted.corrections else size
    if left is not None:
        count = min(count, left)
    page = rows[:count]
    more = len(page) < len(rows) or len(history.event_time) > size
    left = None if left is None else left - len(page)
    has_next = more and len(page) > 0 and left != 0
    return FeatureHistory(
        entity_id=entity_id,
        column=history.column.take(page),
        ingested_at=history.ingested_at[page],
        as_of_time=as_of.now,
        next_page=_pack_token(int(history.event_time[page[-1]]) - 1, left) if has_next else "",
    )


async def visible_history(
    namespace: Namespace, entity_ids: Sequence[str], features: Sequence[ResolvedFeature], now: int
) -> list[History]:
    """The visible value of every (entity, event time): one History per feature. Codes are positions in `entity_ids`,
    which are distinct.
    """
    source = ValueSource(namespace)
    as_of = ReadBounds(None, now, at_now=True).rows(None)
    tombstones = await source.tombstones(entity_ids)
    start = first_kept([horizon(each.group.retention, MIN_TIME, now) for each in features])
    winners = []
    for feature, history in zip(features, await source.lookup(entity_ids, features, start, MAX_TIME), strict=True):
        gone = horizon(feature.group.retention, tombstones.through(feature.definition.name), now)
        keys = HistoryKeys.of(history.entity, history.event_time, history.ingested_at)
        rows = newest_per_event_time(keys, admitted(keys, as_of, per_entity(gone, history.entity)))
        column = history.column.take(rows)
        winners.append(History(keys.entity[rows], keys.time[rows], keys.ingested[rows], column))
    return winners


def _whole_times(times: Int64Array, size: int) -> int:
    """Number of these times, newest first, that contain the first `size` without splitting an event time."""
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
        "page_token is not a token of this call; send the token of the previous page, or none",
        reason=Reason.INVALID_PAGE_TOKEN,
        field="page_token",
    )
