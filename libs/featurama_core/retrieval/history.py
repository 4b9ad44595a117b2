"""History: the stored values of one feature of one entity, newest first, in pages.

One winner per event time, or all corrections on request. Deletions and retention are applied, ttl is not. A page is
below `CUT_BYTES`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.api.primitives import HistoryRange
from featurama_core.frames.results import FeatureHistory
from featurama_core.namespace import Namespace
from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.plan import groups_of
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import (
    ReadBounds,
    admitted,
    first_kept,
    horizon,
    newest_per_event_time,
    per_entity,
)
from featurama_core.storage.records import History
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.sizes import CUT_BYTES, fitting, row_bytes
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array, ValueType

_INGEST_TIME_BYTES = 8
_DIGEST_LETTERS = 16
_SLOT_BYTES = 25
"""Bytes of a number in a page, with its times and its status. A vector takes the numbers in addition."""
_TEXTS = 2_048


async def read_page(
    namespace: Namespace,
    entity_id: str,
    feature: ResolvedFeature,
    wanted: HistoryRange,
    page_size: int,
    page_token: str,
) -> FeatureHistory:
    """One page, of at most `page_size` values. It has fewer if more could exceed `CUT_BYTES`."""
    digest = _digest(entity_id, feature, wanted)
    place = _Place.read(page_token, digest) if page_token else _Place(wanted.end, wanted.limit)
    source = ValueSource(namespace)
    as_of = ReadBounds(None, namespace.now(), at_now=True).rows(None)
    tombstones = await source.tombstones([entity_id])
    deleted = int(np.max(tombstones.through(feature.definition.name)))
    gone = int(np.max(horizon(feature.group, deleted, as_of.now)))
    size = min(page_size, _most_values(feature), page_size if place.left is None else place.left)
    # One more than a page, to detect the next page without another read.
    start = max(wanted.start, gone + 1)
    (history,) = await source.lookup([entity_id], [feature], start, place.end, newest=size + 1)
    keys = HistoryKeys.of(history.entity, history.event_time, history.ingested_at)
    shown = admitted(keys, as_of, gone)
    if place.ingested is not None:
        shown &= (keys.time < place.end) | (keys.ingested < place.ingested)
    rows = (np.flatnonzero(shown) if wanted.corrections else newest_per_event_time(keys, shown))[::-1]
    column = history.column.take(rows[:size])
    count = fitting(row_bytes([column], len(column)) + _INGEST_TIME_BYTES)
    page = rows[:count]
    more = count < len(rows) or len(history.event_time) > size
    return FeatureHistory(
        entity_id=entity_id,
        column=column.take(np.arange(count)),
        ingested_at=history.ingested_at[page],
        as_of_time=as_of.now,
        next_page=place.after(keys, rows, count).token(digest) if more and count and place.left != count else "",
    )


def _most_values(feature: ResolvedFeature) -> int:
    """Values that are read for a page. Of long texts more than a page is read."""
    definition = feature.definition
    if definition.value_type is ValueType.TEXT:
        return _TEXTS
    return max(1, CUT_BYTES // (_SLOT_BYTES + 4 * definition.vector_length))


async def visible_history(
    namespace: Namespace, entity_ids: Sequence[str], features: Sequence[ResolvedFeature], now: int
) -> list[History]:
    """The visible value of every (entity, event time): one History per feature. Codes are positions in `entity_ids`,
    which are distinct.
    """
    source = ValueSource(namespace)
    as_of = ReadBounds(None, now, at_now=True).rows(None)
    tombstones = await source.tombstones(entity_ids)
    start = first_kept([horizon(each, MIN_TIME, now) for each in groups_of(features)])
    winners = []
    for feature, history in zip(features, await source.lookup(entity_ids, features, start, MAX_TIME), strict=True):
        gone = horizon(feature.group, tombstones.through(feature.definition.name), now)
        keys = HistoryKeys.of(history.entity, history.event_time, history.ingested_at)
        rows = newest_per_event_time(keys, admitted(keys, as_of, per_entity(gone, history.entity)))
        column = history.column.take(rows)
        winners.append(History(keys.entity[rows], keys.time[rows], keys.ingested[rows], column))
    return winners


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: the newest event time, and at that time the values with ingest times below `ingested`, None
    for all. left: values of this and all later pages, None for no limit.
    """

    end: int
    left: int | None
    ingested: int | None = None

    @classmethod
    def read(cls, token: str, digest: str) -> _Place:
        """The place in a token. InvalidInput for a token of another request, or of another kind."""
        try:
            made_for, *texts = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().split(":")
            end, left, ingested = (int(text) if text else None for text in texts)
        except (ValueError, binascii.Error) as error:
            raise _bad_token() from error
        if made_for != digest or end is None or not MIN_TIME <= end <= MAX_TIME or (left is not None and left < 1):
            raise _bad_token()
        if ingested is not None and not -(2**63) <= ingested < 2**63:
            raise _bad_token()
        return cls(end, left, ingested)

    def after(self, keys: HistoryKeys, rows: Int64Array, count: int) -> _Place:
        """The place after `count` of these rows, newest first."""
        left = None if self.left is None else self.left - count
        end = int(keys.time[rows[count - 1]])
        if count < len(rows) and end == keys.time[rows[count]]:
            return _Place(end, left, int(keys.ingested[rows[count - 1]]))
        return _Place(end - 1, left)

    def token(self, digest: str) -> str:
        """The page token of this place."""
        text = ":".join("" if each is None else str(each) for each in (digest, self.end, self.left, self.ingested))
        return base64.urlsafe_b64encode(text.encode()).decode()


def _digest(entity_id: str, feature: ResolvedFeature, wanted: HistoryRange) -> str:
    """Of what all pages of a request have in common."""
    common = entity_id, feature.reference, wanted.start, wanted.end, wanted.limit, wanted.corrections
    return hashlib.sha256(repr(common).encode()).hexdigest()[:_DIGEST_LETTERS]


def _bad_token() -> InvalidInput:
    return InvalidInput(
        "page_token is not a token of this call with these arguments; send the token of the previous page and change"
        " nothing else, or send none",
        reason=Reason.INVALID_PAGE_TOKEN,
        field="page_token",
    )
