"""What a write is given and what it answers: its id and age, its entities' types, and what the store says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.ingest.write import write
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import WriteBatch
from featurama_core.types.column import column_of
from featurama_core.types.errors import InvalidInput, OutcomeUnknown, Reason, StoreUnavailable
from featurama_core.types.request_ids import RequestIds, ingest_time, parse_request_id
from featurama_core.types.values import UInt8Array, ValueType
from featurama_core.types.writes import Outcome, WriteMode, WriteRequest

from .standing_clock import Unique, answers, store_over

SETTINGS = StoreSettings()


def rows(ids: Sequence[str], feature: str, time: int, request_id: str = "") -> WriteRequest:
    values = np.arange(len(ids))
    return WriteRequest(ids, np.full(len(ids), time), [column_of(feature, ValueType.INT, values)], request_id)


async def test_a_request_without_an_id_gets_one(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """Its rows have the ingest time of the id that is reported."""
    tally, fry = unique("tally"), unique("fry")
    await store.register_feature(tally, "int")
    report = await write(store.space, rows([fry], tally, clock.now))
    assert 1 == report.accepted
    history = await store.get_feature_history(fry, tally)
    assert [ingest_time(parse_request_id(report.request_id))] == history.ingested_at.tolist()


def made_at(micros: int) -> str:
    return str(RequestIds(lambda: micros * 1_000).next())


async def test_a_request_may_be_as_old_as_the_retry_window_and_as_far_ahead_as_clocks_may_be(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """A millisecond beyond either it is refused as a whole."""
    tally, fry = unique("tally"), unique("fry")
    await store.register_feature(tally, "int")
    # An id counts fractions of a millisecond in steps that are not quite nanoseconds.
    clock.advance(-clock.now % 1_000)
    now = clock.now
    oldest, newest = now - SETTINGS.retry_window, now + SETTINGS.max_clock_skew
    for taken in (oldest, newest):
        assert 1 == (await write(store.space, rows([fry], tally, now, made_at(taken)))).accepted
    for micros, reason in ((oldest - 1_000, Reason.REQUEST_TOO_OLD), (newest + 1_000, Reason.REQUEST_IN_FUTURE)):
        with pytest.raises(InvalidInput) as refused:
            await write(store.space, rows([fry], tally, now, made_at(micros)))
        assert (reason, "request_id") == (refused.value.reason, refused.value.metadata["field"])


async def test_a_feature_of_a_type_takes_only_entities_of_it(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """An id that is none is refused for itself; one that is not registered is taken."""
    ship, planet, size, mars = unique("ship"), unique("planet"), unique("size"), unique("mars")
    for kind in (ship, planet):
        await store.register_entity_type(kind)
    await store.register_feature(size, "int", entity_type=ship)
    await store.register_entity(mars, planet)
    report = await write(store.space, rows([mars, "", unique("nimbus")], size, clock.now))
    assert [(0, Reason.ENTITY_TYPE_MISMATCH), (1, Reason.INVALID_ENTITY_ID)] == [
        (verdict.row, verdict.reason) for verdict in report.verdicts
    ]
    assert 1 == report.accepted


async def test_a_request_without_one_good_row_is_answered_too(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Nothing is sent to the store; a feature that is unknown is named."""
    tally = unique("tally")
    await store.register_feature(tally, "int")
    report = await write(store.space, rows(["", ""], tally, clock.now))
    assert (0, 2) == (report.accepted, report.rejected)
    report = await write(store.space, rows([unique("fry")], unique("absent"), clock.now))
    (verdict,) = report.verdicts
    assert (Reason.UNKNOWN_FEATURE, unique("absent")) == (verdict.reason, verdict.field)
    assert verdict.message.startswith(f"feature {unique('absent')!r} is not registered; ")


class Failing:
    """A storage that fails writes of values, or of layouts."""

    def __init__(self, inner: NamespaceStorage, method: str, error: Exception) -> None:
        self._inner = inner
        self._method = method
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._method else getattr(self._inner, name)

    async def _fail(self, *_: object) -> None:
        raise self._error


@pytest.mark.parametrize("method", ["write", "put_layouts"])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [(StoreUnavailable("away"), Outcome.REJECTED), (OutcomeUnknown("late"), Outcome.UNKNOWN)],
    ids=["away", "late"],
)
async def test_what_the_store_did_not_take_is_rejected_or_unknown_row_by_row(
    store: OpenedStore,
    namespace: NamespaceStorage,
    clock: FakeClock,
    unique: Unique,
    method: str,
    error: Exception,
    outcome: Outcome,
) -> None:
    """No row is lost from the report; the same request is taken later."""
    tally, ids = unique("tally"), [unique("fry"), unique("leela")]
    await store.register_feature(tally, "int")
    failing = store_over(Failing(namespace, method, error), clock)  # type: ignore[arg-type]
    sent = rows([*ids, ""], tally, clock.now, made_at(clock.now))
    report = await write(failing.space, sent)
    assert [outcome, outcome, Outcome.REJECTED] == [verdict.outcome for verdict in report.verdicts]
    assert 2 == (await write(store.space, sent)).accepted
    assert [[("PRESENT", 0), ("PRESENT", 1)]] == answers(await store.get_online_features(ids, [tally]))


async def test_types_of_entities_are_looked_up_for_features_of_a_type_alone(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """A feature of any entity is written without that read, even where it fails."""
    tally, ship, size = unique("tally"), unique("ship"), unique("size")
    await store.register_entity_type(ship)
    await store.register_feature(tally, "int")
    await store.register_feature(size, "int", entity_type=ship)
    failing = store_over(
        Failing(namespace, "get_entities", StoreUnavailable("away")),  # type: ignore[arg-type]
        clock,
    )
    assert 1 == (await write(failing.space, rows([unique("fry")], tally, clock.now))).accepted
    with pytest.raises(StoreUnavailable, match="away"):
        await write(failing.space, rows([unique("fry")], size, clock.now))


class Noting:
    """A storage that notes the batches that it takes, and how."""

    def __init__(self, inner: NamespaceStorage) -> None:
        self._inner = inner
        self.written: list[tuple[list[tuple[str, list[object]]], WriteMode]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, batch: WriteBatch, mode: WriteMode) -> UInt8Array:
        """As ever."""
        columns = [(each.definition.reference, each.column.to_list()) for each in batch.columns]
        self.written.append((columns, mode))
        return await self._inner.write(batch, mode)


@pytest.mark.parametrize("mode", list(WriteMode))
async def test_a_batch_has_its_columns_and_the_mode_of_the_request(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique, mode: WriteMode
) -> None:
    """A storage may need either; one without a good row is not sent."""
    tally = unique("tally")
    await store.register_feature(tally, "int")
    noting = Noting(namespace)
    space = store_over(noting, clock).space  # type: ignore[arg-type]
    await write(space, replace(rows([unique("fry"), unique("leela")], tally, clock.now), mode=mode))
    await write(space, replace(rows([""], tally, clock.now), mode=mode))
    assert [([(f"{tally}@1", [0, 1])], mode)] == noting.written


async def test_rows_without_ids_and_without_keys_are_refused(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """The features may be of any type."""
    tally = unique("tally")
    await store.register_feature(tally, "int")
    sent = replace(rows(["fry"], tally, clock.now), entity_ids=[])
    with pytest.raises(InvalidInput, match="send one per row, or the key columns") as refused:
        await write(store.space, sent)
    assert (Reason.EMPTY_REQUEST, "entity_ids") == (refused.value.reason, refused.value.metadata["field"])
