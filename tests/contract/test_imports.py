"""Imports of old history on every storage: of two with equal times the later one is a correction, in every read."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.column import column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.times import SECOND
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode, WriteRequest
from tests.opened import OpenedStore

from .conftest import Names

# The machine's time, because the server of a CQL storage reckons the life of a row by it.
NOW = time.time_ns() // 1_000
EVENT, KNOWN = NOW - 7_200 * SECOND, NOW - 3_600 * SECOND
COLUMN_SETS = [("a",), ("a", "b"), ("a", "c"), ("a", "b", "c"), ("a", "d"), ("a", "b", "c", "d")]


def clock() -> int:
    return NOW * 1_000


class Shop:
    """A store on the shared namespace, with features a to d of the test's own."""

    def __init__(self, store: OpenedStore, names: Names) -> None:
        self.store = store
        self.names = names

    def feature(self, name: str) -> str:
        return f"{name}_{self.names.suffix}"

    async def bring(self, entities: Sequence[str], columns: Sequence[str], value: float, **options: Any) -> None:
        """An import of one event time and one ingest time; every row is accepted."""
        count = len(entities)
        frame = {
            "entity_id": [self.names.entity(each) for each in entities],
            "timestamp": [EVENT] * count,
            "ingested_at": [KNOWN] * count,
            **{self.feature(name): [value] * count for name in columns},
        }
        report = await self.store.write_features(
            frame, mode=WriteMode.BULK, ingested_at_unit="us", **options, time_unit="us"
        )
        assert (report.accepted, report.rejected, report.unknown) == (count, 0, 0), report.verdicts

    async def reads(self, entities: Sequence[str], name: str) -> list[tuple[object, ...]]:
        """Per entity: the value online, as of now, in the history, in a training set, and as of when it was known."""
        ids, feature = [self.names.entity(each) for each in entities], self.feature(name)
        online = (await self.store.get_online_features(ids, [feature])).to_dict()[feature]
        as_of = (await self.store.get_historical_features(ids, [feature])).to_dict()[feature]
        past = await self.store.get_historical_features(ids, [f"{feature}@1"], known_at=KNOWN)
        known = past.to_dict()[feature]
        labels = pa.table({"entity_id": ids, "timestamp": pa.array([NOW] * len(ids), pa.timestamp("us", "UTC"))})
        histories = [(await self.store.get_feature_history(each, feature)).to_dict()["value"] for each in ids]
        trained = (await (await self.store.training_set(labels, [feature])).to_arrow())[feature].to_pylist()
        return list(zip(online, as_of, [history[0] for history in histories], trained, known, strict=True))


@pytest.fixture
def store(namespace: NamespaceStorage, shared_namespace: str) -> OpenedStore:
    return OpenedStore(Namespace(shared_namespace, namespace, StoreSettings(registry_staleness=0.0), clock))


@pytest.fixture(params=[None, "30d"], ids=["no_retention", "retention"])
async def shop(store: OpenedStore, names: Names, request: pytest.FixtureRequest) -> Shop:
    await store.register_feature_group(names.group.name, retention=request.param)
    for name in "abcd":
        await store.register_feature(f"{name}_{names.suffix}", "double", group=names.group.name)
    return Shop(store, names)


async def test_every_read_gives_the_later_import_whatever_the_column_sets(shop: Shop) -> None:
    """Thirty pairs of column sets, the larger value first and last."""
    right: dict[str, float] = {}
    for first, second in itertools.permutations(COLUMN_SETS, 2):
        for older, newer in ((1.0, 2.0), (256.0, 1.0)):
            entity = f"e{len(right)}"
            await shop.bring([entity], first, older)
            await shop.bring([entity], second, newer)
            right[entity] = newer
    assert [(value,) * 5 for value in right.values()] == await shop.reads(list(right), "a")


async def test_the_later_import_wins_within_one_layout(shop: Shop) -> None:
    """Neither the larger value, nor the larger cell, nor the later expiry decides."""
    for value in (1.0, 256.0, 2.0, -1.0, 256.0, 1.0):
        await shop.bring(["fry", "leela"], ["a", "b"], value)
        assert [(value,) * 5] * 2 == await shop.reads(["fry", "leela"], "a")
    history = await shop.store.get_feature_history(shop.names.entity("fry"), shop.feature("b"), corrections=True)
    assert [1.0, 256.0, -1.0, 2.0, 256.0, 1.0] == history.to_dict()["value"]
    assert [KNOWN * 1_000 + number for number in (5, 4, 3, 2, 1, 0)] == history.ingested_at.tolist()


async def test_a_number_that_no_import_has_is_refused(store: OpenedStore, names: Names) -> None:
    """Its rows would take the place of those of a later import. A number that another replica gave is known."""
    await store.register_feature(f"a_{names.suffix}", "double")
    shop = Shop(store, names)
    chunk = WriteRequest(
        [names.entity("fry")],
        np.array([EVENT]),
        [column_of(shop.feature("a"), ValueType.DOUBLE, np.array([1.0]))],
        "",
        WriteMode.BULK,
        ingested_at=np.array([KNOWN * 1_000]),
        import_number=998,
    )
    with pytest.raises(InvalidInput, match="no import has the number 998; begin one"):
        await store.write(chunk)
    scope = ImportScope((shop.feature("a"),), EVENT, EVENT, KNOWN, KNOWN)
    number = await store.space.storage.take_import(str(RequestIds(clock).next()), scope)
    assert 1 == (await store.write(replace(chunk, import_number=number))).accepted


async def test_the_same_chunk_sent_again_changes_nothing(store: OpenedStore, names: Names) -> None:
    """With the request id that it had, or with a new one: at once, and after a later import."""
    await store.register_feature(f"a_{names.suffix}", "double")
    shop, ids = Shop(store, names), RequestIds(clock)
    scope = ImportScope((shop.feature("a"),), EVENT, EVENT, KNOWN, KNOWN)
    chunk = WriteRequest(
        [names.entity("fry")],
        np.array([EVENT]),
        [column_of(shop.feature("a"), ValueType.DOUBLE, np.array([1.0]))],
        str(ids.next()),
        WriteMode.BULK,
        ingested_at=np.array([KNOWN * 1_000 + 999]),
        import_number=await store.begin_import(scope),
    )

    async def send(request: WriteRequest) -> list[tuple[object, int]]:
        assert (await store.write(request)).accepted == 1
        history = await store.get_feature_history(names.entity("fry"), shop.feature("a"), corrections=True)
        return list(zip(history.to_dict()["value"], history.ingested_at.tolist(), strict=True))

    first = [(1.0, KNOWN * 1_000)]
    assert await send(chunk) == await send(chunk) == await send(replace(chunk, request_id=str(ids.next()))) == first
    await shop.bring(["fry"], ["a"], 2.0)
    assert await send(chunk) == [(2.0, KNOWN * 1_000 + 1), *first]
    assert [(2.0,) * 5] == await shop.reads(["fry"], "a")


async def test_numbers_count_the_earlier_imports_that_overlap(namespace: NamespaceStorage, names: Names) -> None:
    """One that shares no feature, event time or ingest time begins at 0."""

    async def take(features: Sequence[str], event: tuple[int, int], ingested: tuple[int, int]) -> int:
        scope = ImportScope(tuple(f"{each}_{names.suffix}" for each in features), *event, *ingested)
        return await namespace.take_import(str(RequestIds().next()), scope)

    assert await take("ab", (0, 10), (0, 10)) == 0
    assert await take("bc", (10, 20), (10, 20)) == 1
    assert await take("c", (0, 30), (0, 30)) == 2
    assert await take("a", (0, 30), (0, 30)) == 1
    assert await take("d", (0, 30), (0, 30)) == 0
    assert await take("a", (31, 40), (0, 30)) == 0
    assert await take("a", (0, 30), (31, 40)) == 0


async def test_beginning_an_import_again_gives_the_same_number(store: OpenedStore, names: Names) -> None:
    """The answer was lost. With other features or times it is another import, which needs an id of its own."""
    scope = ImportScope((f"a_{names.suffix}",), EVENT, EVENT, KNOWN, KNOWN)
    import_id = str(RequestIds(clock).next())
    assert await store.begin_import(scope, import_id) == 0
    assert await store.begin_import(scope) == 1
    assert await store.begin_import(scope, import_id) == 0
    with pytest.raises(InvalidInput) as caught:
        await store.begin_import(ImportScope(scope.features, EVENT, EVENT + 1, KNOWN, KNOWN), import_id)
    assert caught.value.reason is Reason.INVALID_REQUEST_ID


async def test_imports_that_begin_at_once_take_different_numbers(
    opening: Any, shared_namespace: str, names: Names
) -> None:
    """From two processes: each number is taken by one conditional write."""
    scope = ImportScope((f"a_{names.suffix}",), 0, 10, 0, 10)
    async with opening() as one, opening() as other:
        there = [await each.namespace(shared_namespace) for each in (one, other)]
        taken = await asyncio.gather(*(there[turn % 2].take_import(uuid.uuid4().hex, scope) for turn in range(8)))
        begun = [record for record in await there[0].list_imports() if record.scope == scope]
    assert sorted(taken) == list(range(8)) == [record.number for record in begun]


async def test_an_import_leaves_an_audit_record_before_its_first_row(shop: Shop) -> None:
    """It names the features, and the first and last event and ingest time, also where no row is accepted."""
    frame = {
        "entity_id": [shop.names.entity("fry")] * 2,
        "timestamp": [EVENT, EVENT + 5],
        "ingested_at": [KNOWN, KNOWN - 7],
        shop.feature("a"): ["no", "number"],
        shop.feature("b"): [1.0, 2.0],
    }
    report = await shop.store.write_features(frame, mode=WriteMode.BULK, ingested_at_unit="us", time_unit="us")
    assert report.rejected == 2
    features = [shop.feature("a"), shop.feature("b")]
    (record,) = [each for each in await shop.store.space.storage.list_audit(1_000) if shop.feature("a") in each.detail]
    assert (record.action, record.at) == ("import", NOW)
    assert json.loads(record.detail) == {
        "number": 0,
        "features": features,
        "first_event": EVENT,
        "last_event": EVENT + 5,
        "first_ingested": KNOWN - 7,
        "last_ingested": KNOWN,
    }


@pytest.mark.parametrize("nulls", ["write", "skip"])
async def test_two_rows_of_one_import_and_time_that_differ_are_rejected(shop: Shop, nulls: str) -> None:
    """Also where they lie in the frame further apart than a request is long, and where only digits below the
    microsecond tell their ingest times apart. Equal ones are one value; the rest of the frame is accepted.
    """
    ids = ["fry", "leela", *(f"e{each}" for each in range(10)), "fry", "leela"]
    values = [1.0, 1.0, *range(10), 2.0, 1.0]
    frame = {
        "entity_id": [shop.names.entity(each) for each in ids],
        "timestamp": [EVENT] * len(ids),
        "ingested_at": np.array([KNOWN * 1_000 + row for row in range(len(ids))]),
        shop.feature("a"): values,
    }
    report = await shop.store.write_features(
        frame, batch_size=3, mode=WriteMode.BULK, ingested_at_unit="ns", nulls=nulls, time_unit="us"
    )
    assert [(0, "CONFLICTING_DUPLICATE"), (12, "CONFLICTING_DUPLICATE")] == [
        (verdict.row, verdict.reason.name) for verdict in report.verdicts
    ]
    assert report.accepted == 12
    ids = [shop.names.entity("fry"), shop.names.entity("leela")]
    online = await shop.store.get_online_features(ids, [shop.feature("a")])
    assert [None, 1.0] == online.to_dict()[shop.feature("a")]


async def test_rows_with_ingest_times_need_the_number_of_an_import(store: OpenedStore, names: Names) -> None:
    """Without one, or with one that no import has, the request is refused as a whole; so is a number without times."""
    column = column_of(f"a_{names.suffix}", ValueType.DOUBLE, np.array([1.0]))
    for ingested_at, number in ((KNOWN, None), (KNOWN, 1_000), (KNOWN, -1), (None, 0)):
        request = WriteRequest(
            [names.entity("fry")],
            np.array([EVENT]),
            [column],
            mode=WriteMode.BULK,
            ingested_at=None if ingested_at is None else np.array([ingested_at * 1_000]),
            import_number=number,
        )
        with pytest.raises(InvalidInput) as caught:
            await store.write(request)
        assert caught.value.metadata["field"] == "import_number"
