"""Rows of an export that are written to a new namespace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.ingest.write import restore
from featurama_core.types.column import column_of
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteRequest

from .standing_clock import SETTLING, Unique


def rows(
    who: str, feature: str, times: Sequence[int], ingested_at: Sequence[int] | None, import_number: int | None = None
) -> WriteRequest:
    return WriteRequest(
        [who] * len(times),
        np.array(times, dtype=np.int64),
        [column_of(feature, ValueType.INT, np.arange(len(times)))],
        ingested_at=None if ingested_at is None else np.array(ingested_at, dtype=np.int64),
        import_number=import_number,
    )


async def test_restored_rows_keep_their_ingest_times_to_the_nanosecond(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Up to the newest microsecond that is settled, wherever its row stands."""
    tally, fry, now = unique("tally"), unique("fry"), clock.now
    await store.register_feature(tally, "int")
    settled = (now - SETTLING) * 1_000
    times, ingested = [now - 30, now - 20, now - 10], [settled - 12_345, settled + 999, settled - 1]
    report = await restore(store.space, rows(fry, tally, times, ingested))
    assert (3, 0, 0) == (report.accepted, report.rejected, report.unknown)
    history = await store.get_feature_history(fry, tally)
    assert ([2, 1, 0], ingested[::-1]) == (history.column.to_list(), history.ingested_at.tolist())
    with pytest.raises(FailedPrecondition, match="not settled") as refused:
        await restore(store.space, rows(fry, tally, times, [0, settled + 1_000, 0]))
    assert (Reason.KNOWN_AT_NOT_SETTLED, "ingested_at") == (refused.value.reason, refused.value.metadata["field"])


async def test_what_has_no_ingest_times_or_takes_new_ones_is_not_restored(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Nor is a request of a wrong shape."""
    tally, fry, now = unique("tally"), unique("fry"), clock.now
    await store.register_feature(tally, "int")
    for sent in (rows(fry, tally, [now], None), rows(fry, tally, [now], [5], 3), rows(fry, tally, [now], None, 3)):
        with pytest.raises(InvalidInput, match="exported") as refused:
            await restore(store.space, sent)
        assert "ingested_at" == refused.value.metadata["field"]
    with pytest.raises(InvalidInput) as refused:
        await restore(store.space, rows(fry, tally, [now], [5, 6]))
    assert "ingested_at holds 2 elements for 1 rows; send one per row" == refused.value.message
