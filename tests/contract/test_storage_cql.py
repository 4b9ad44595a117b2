"""What only the cluster adapter does: batch limits, unknown outcomes, half-made namespaces, expiry, endings."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import Any

import numpy as np
import pytest

from featurama_core.storage.cql import CqlStorage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.records import Tombstone
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.errors import (
    InvalidInput,
    OutcomeUnknown,
    StoreUnavailable,
)
from featurama_core.types.schema import HISTORY_FORMS, FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import Outcome, WriteMode
from tests.contract.batches import DAY, NOW, Row, batch, listed, store
from tests.contract.cql_opened import EVER, GROUP, Faults, feature, opened
from tests.cql_server.endpoint import server_stays

pytestmark = [pytest.mark.contract, pytest.mark.cql]


@pytest.fixture(scope="session")
def name() -> str:
    return f"own_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def made(cql_endpoint: Any, name: str):
    where = f"cassandra://{cql_endpoint.host}:{cql_endpoint.port}"

    async def do(method: str, *rest: object) -> None:
        async with opened(where) as storage:
            await getattr(storage, method)(name, *rest)

    asyncio.run(do("create_namespace", NamespaceOptions()))
    yield name
    if server_stays():
        asyncio.run(do("drop_namespace"))


@pytest.mark.parametrize("form", HISTORY_FORMS)
async def test_a_row_beyond_the_batch_limit_is_written_in_several_batches(url: str, made: str, form: str) -> None:
    """2 MB of text: both history rows of a value in one batch, a packed cell alone, latest last, in both modes."""
    group = FeatureGroup(GROUP.name if form == "rows" else "group_packed", history=form)
    texts = [feature(f"t{n:03}", ValueType.TEXT) for n in range(60)]
    faults = Faults()
    async with opened(url, faults) as storage:
        namespace = await storage.namespace(made)
        for mode in WriteMode:
            fry = f"fry_{uuid.uuid4().hex}"
            values = {one.name: "x" * 8_192 for one in texts}
            faults.seen.clear()
            await store(namespace, [Row(fry, NOW, dict(values))], [texts], group, mode)
            histories = await namespace.read_history([fry], [(one, group) for one in texts], **EVER)
            assert [listed(history, [fry]) for history in histories] == [[(fry, NOW, "x" * 8_192)]] * 60
            assert len((await namespace.read_cells([fry])).cells) == 1
            if mode is WriteMode.ATOMIC:
                updates = [text.split()[1] for text in faults.seen if text.startswith("UPDATE")]
                assert form == "rows" or [each.rpartition(".")[2] for each in updates[-3:]] == [
                    "feature_values_packed",
                    "feature_values_packed_by_group",
                    "feature_latest",
                ]
                logged = [text for text in faults.seen if text.startswith("LOGGED BATCH")]
                assert len(logged) == (30 if form == "rows" else 0)
                assert all("feature_values " in text and "feature_values_by_name" in text for text in logged)
                assert not any("feature_latest" in text for text in logged)


@pytest.mark.parametrize("form", HISTORY_FORMS)
async def test_wide_rows_and_long_ids_stay_under_the_servers_default_limit(url: str, made: str, form: str) -> None:
    """500 doubles a row, ids of 256 bytes: nothing is refused."""
    group = FeatureGroup(GROUP.name if form == "rows" else "group_packed", history=form)
    wide = [feature(f"{'w' * 50}{n:03}") for n in range(500)]
    async with opened(url) as storage:
        namespace = await storage.namespace(made)
        for mode in WriteMode:
            rows = [
                Row(f"{uuid.uuid4().hex}{'ü' * 112}", NOW + n, {one.name: 1.0 if n else None for one in wide})
                for n in range(3)
            ]
            await store(namespace, rows, [wide], group, mode)


@pytest.mark.parametrize(
    ("form", "at", "skip", "outcome"),
    [
        ("packed", "UPDATE", 0, Outcome.REJECTED),
        ("packed", "UPDATE", 1, Outcome.UNKNOWN),
        ("packed", "DONE UPDATE", 0, Outcome.UNKNOWN),
        ("rows", "LOGGED BATCH", 0, Outcome.REJECTED),
        ("rows", "DONE LOGGED BATCH", 0, Outcome.UNKNOWN),
        ("rows", "LOGGED BATCH", 3, Outcome.UNKNOWN),
        ("rows", "INSERT INTO fs_own", 0, Outcome.REJECTED),
        ("rows", "UPDATE", 0, Outcome.UNKNOWN),
    ],
)
async def test_a_failed_part_decides_its_row(
    url: str, made: str, form: str, at: str, skip: int, outcome: Outcome
) -> None:
    """Nothing sent: rejected. Some of it sent, or the confirmation lost: unknown. Sent again: accepted."""
    texts = [feature(f"t{n:03}", ValueType.TEXT) for n in range(10)]
    group = FeatureGroup(f"g{uuid.uuid4().hex}", history=form)
    faults = Faults()
    fry = f"fry_{uuid.uuid4().hex}"
    write = batch([Row(fry, NOW, {one.name: "x" * 8_000 for one in texts})], [texts], group)
    async with opened(url, faults) as storage:
        namespace = await storage.namespace(made)
        known = group if form == "packed" else GROUP
        await store(namespace, [Row(f"{fry}2", NOW, {one.name: "x" * 8_000 for one in texts})], [texts], known)
        await namespace.put_layouts([write.runs[0].layout])
        faults.at, faults.skip = at, skip
        assert (await namespace.write(write, WriteMode.ATOMIC)).tolist() == [outcome]
        faults.at = ""
        assert (await namespace.write(write, WriteMode.ATOMIC)).tolist() == [Outcome.ACCEPTED]
        histories = await namespace.read_history([fry], [(one, group) for one in texts], **EVER)
        assert [len(history.entity) for history in histories] == [1] * 10


@pytest.mark.parametrize("form", HISTORY_FORMS)
async def test_a_bulk_row_whose_tables_differ_is_unknown_and_others_stand(url: str, made: str, form: str) -> None:
    """The latest cells of some entities fail: their rows are unknown, those of others are accepted."""
    group = FeatureGroup(GROUP.name if form == "rows" else "group_packed", history=form)
    speed, faults = feature("speed"), Faults()
    entities = [f"fry{number}_{uuid.uuid4().hex}" for number in range(16)]
    write = batch([Row(each, NOW, {"speed": 1.0}) for each in entities], [[speed]], group)
    async with opened(url, faults) as storage:
        namespace = await storage.namespace(made)
        await store(namespace, [Row(f"{entities[0]}2", NOW, {"speed": 1.0})], [[speed]], group)
        await namespace.put_layouts([write.runs[0].layout])
        faults.at, faults.skip = f"UNLOGGED BATCH\nUPDATE fs_{made}.feature_latest", 1
        outcomes = (await namespace.write(write, WriteMode.BULK)).tolist()
        assert outcomes == [Outcome.ACCEPTED] * 10 + [Outcome.UNKNOWN] * 6


async def test_one_failing_read_fails_only_its_entity_and_a_lost_store_all(url: str, made: str) -> None:
    """read_cells answers with `failed`; other reads raise StoreUnavailable."""
    faults = Faults()
    async with opened(url, faults) as storage:
        namespace = await storage.namespace(made)
        await namespace.read_cells(["a"])
        faults.at, faults.skip = "SELECT layout_id", 1
        cells = await namespace.read_cells(["a", "b", "c"])
        assert sorted(cells.failed.tolist()) == [False, True, True]
        faults.at, faults.skip = "SELECT", 0
        assert (await namespace.read_cells(["a", "b"])).failed.all()
        with pytest.raises(StoreUnavailable):
            await namespace.load_definitions()


async def test_an_unknown_outcome_is_told_as_such(url: str, made: str) -> None:
    """The confirmation of a mark is lost: OutcomeUnknown; before it was sent: StoreUnavailable."""
    faults = Faults()
    async with opened(url, faults) as storage:
        namespace = await storage.namespace(made)
        mark = Tombstone(uuid.uuid4().hex, "", NOW)
        for at, expected in (("DONE LOGGED", OutcomeUnknown), ("LOGGED", StoreUnavailable)):
            faults.at = at
            with pytest.raises(expected) as caught:
                await namespace.put_tombstone(mark)
            assert "broken" not in str(caught.value)


@pytest.mark.parametrize("form", HISTORY_FORMS)
async def test_history_expires_by_itself_and_latest_does_not(url: str, made: str, form: str) -> None:
    """TTL of a row = what is left of its retention and a day; none without retention."""
    kept = FeatureGroup(f"kept{uuid.uuid4().hex[:8]}", retention="10d", buckets=4, history=form)
    value, fry = FeatureDefinition(f"v{uuid.uuid4().hex}", ValueType.INT, group=kept.name), f"fry_{uuid.uuid4().hex}"
    settings = StorageSettings(url)
    async with CqlStorage.open(StorageUrl.parse(url), settings, clock=lambda: NOW * 1_000) as storage:
        namespace = await storage.namespace(made)
        await store(namespace, [Row(fry, NOW - 3 * DAY, {value.name: 1})], [[value]], kept)
        tables = ("feature_values", "feature_values_by_name")
        if form == "packed":
            tables = ("feature_values_packed", "feature_values_packed_by_group")
        for table in tables:
            column = "value_int" if form == "rows" else "packed"
            text = f"SELECT ttl({column}) FROM fs_{made}.{table} WHERE entity_id = '{fry}' ALLOW FILTERING"
            ((ttl,),) = await storage._driver.look_up(text)
            assert 8 * 86_400 - 60 <= ttl <= 8 * 86_400
        ((ttl,),) = await storage._driver.look_up(
            f"SELECT ttl(packed) FROM fs_{made}.feature_latest WHERE entity_id = '{fry}'"
        )
        assert ttl is None
        assert {one.buckets for one in await namespace.partitions(kept)} == {4}
        with pytest.raises(InvalidInput) as refused:
            await namespace.put_definitions([FeatureGroup(f"long{uuid.uuid4().hex[:8]}", retention="36500d")])
        assert refused.value.metadata["field"] == "retention"


async def test_an_erased_feature_stays_out_of_cells_that_expire(url: str, made: str) -> None:
    """Of two cells with one timestamp the later expiry wins: a resend of the original brings nothing back."""
    kept = FeatureGroup(f"kept{uuid.uuid4().hex[:8]}", retention="10d", history="packed")
    speed, mood = (FeatureDefinition(f"{name}{uuid.uuid4().hex}", ValueType.INT, group=kept.name) for name in "sm")
    fry, settings = f"fry_{uuid.uuid4().hex}", StorageSettings(url)
    async with CqlStorage.open(StorageUrl.parse(url), settings, clock=lambda: NOW * 1_000) as storage:
        namespace = await storage.namespace(made)
        write = await store(namespace, [Row(fry, NOW - DAY, {speed.name: 1, mood.name: 2})], [[speed, mood]], kept)
        await namespace.clean(Tombstone(fry, mood.name, NOW), [(mood, kept)])
        for mode in WriteMode:
            await namespace.write(write, mode)
            found = await namespace.read_history([fry], [(speed, kept), (mood, kept)], **EVER)
            assert [[(fry, NOW - DAY, 1)], []] == [listed(history, [fry]) for history in found]
            for partition in await namespace.partitions(kept):
                async for block in namespace.scan_history([mood], kept, partition):
                    assert [[]] == [listed(each, block.entity_ids) for each in block.histories]


async def test_buckets_of_a_period_never_change(url: str, made: str) -> None:
    """Another process writes with another setting: the first one's number stays."""
    one, many = (FeatureGroup(f"b{made}", buckets=buckets) for buckets in (2, 16))
    value = FeatureDefinition(f"v{uuid.uuid4().hex}", ValueType.INT, group=one.name)
    ids = [f"{uuid.uuid4().hex}" for _ in range(40)]
    for group in (one, many):
        async with opened(url) as storage:
            namespace = await storage.namespace(made)
            rows = [Row(entity, NOW + group.buckets, {value.name: n}) for n, entity in enumerate(ids)]
            await store(namespace, rows, [[value]], group)
            partitions = await namespace.partitions(group)
            assert {(each.bucket, each.buckets) for each in partitions} == {(0, 2), (1, 2)}
    found: Counter[str] = Counter()
    async with opened(url) as storage:
        namespace = await storage.namespace(made)
        for partition in await namespace.partitions(one):
            async for block in namespace.scan_history([value], one, partition):
                found.update(block.entity_ids[code] for code in block.histories[0].entity.tolist())
    assert found == dict.fromkeys(ids, 2)


@pytest.mark.parametrize("form", HISTORY_FORMS)
async def test_long_scans_and_slices_cross_pages(url: str, made: str, form: str) -> None:
    """12,000 values of one feature, one entity holding more than a page; another feature is sparse."""
    group = FeatureGroup(f"p{uuid.uuid4().hex[:8]}", history=form)
    dense, sparse = (
        FeatureDefinition(f"{kind}{uuid.uuid4().hex}", ValueType.INT, group=group.name) for kind in ("d", "s")
    )
    rows = [Row("big", NOW + n, {dense.name: n}) for n in range(7_000)]
    rows += [Row(f"e{n:05}", NOW, {dense.name: n, **({sparse.name: n} if n % 100 == 0 else {})}) for n in range(5_000)]
    async with opened(url) as storage:
        namespace = await storage.namespace(made)
        for first in range(0, len(rows), 4_000):
            part = rows[first : first + 4_000]
            whole = [row for row in part if sparse.name in row.values]
            plain = [row for row in part if sparse.name not in row.values]
            await store(namespace, plain, [[dense]], group, WriteMode.BULK)
            if whole:
                await store(namespace, whole, [[dense, sparse]], group, WriteMode.BULK)
        counts = [0, 0]
        order: list[str] = []
        for partition in await namespace.partitions(group):
            async for block in namespace.scan_history([sparse, dense], group, partition):
                order += block.entity_ids
                for at, history in enumerate(block.histories):
                    counts[at] += len(history.entity)
        assert counts == [50, 12_000]
        assert order == sorted(set(order))
        (history,) = await namespace.read_history(["big"], [(dense, group)], **EVER)
        assert history.column.values.tolist() == list(range(7_000))
        (history,) = await namespace.read_history(["big"], [(dense, group)], **EVER, newest=6_000)
        newest = history.column.values.tolist()
        assert newest[-6_000:] == list(range(1_000, 7_000))
        assert form == "packed" or len(newest) == 6_000


async def test_settings_that_cannot_work_are_refused_and_secrets_stay_secret(url: str) -> None:
    """Wrong port, wrong TLS files, bad options; no password in any text."""
    nowhere = "cassandra://fry:sesame@127.0.0.1:1"
    settings = StorageSettings(nowhere, password="sesame", connect_timeout_ms=500)
    with pytest.raises(StoreUnavailable) as down:
        async with CqlStorage.open(StorageUrl.parse(nowhere), settings):
            pass
    assert "sesame" not in str(down.value)
    assert "sesame" not in repr(StorageUrl.parse(nowhere))
    for bad, more in (
        (f"{url}/?tls=1", {}),
        (f"{url}/?tls=maybe", {}),
        (f"{url}/?tls=1", {"tls_ca": "/nowhere.pem"}),
        (f"{url}/?keyspace_prefix=A-", {}),
        (f"{url}/?replication=many", {}),
    ):
        with pytest.raises(InvalidInput):
            async with opened(bad, **more):
                pass
    with pytest.raises(StoreUnavailable):
        async with opened(f"{url}/?tls=1", tls_verify=False, connect_timeout_ms=1_000):
            pass
    async with opened(f"{url}/?keyspace_prefix=a234567890_") as storage:
        with pytest.raises(InvalidInput):
            await storage.namespace("n" * 40)


async def test_after_its_end_the_storage_answers_unavailable(url: str, made: str) -> None:
    """And opens again in the same loop."""
    async with opened(url) as storage:
        namespace = await storage.namespace(made)
    assert (await namespace.read_cells(["fry"])).failed.all()
    async with opened(url) as storage:
        await storage.ping()


async def test_a_cancelled_write_leaves_the_session_usable(url: str, made: str) -> None:
    """The caller's deadline ends in the middle; sent again the rows are accepted."""
    speed = feature("speed")
    rows = [Row(f"{uuid.uuid4().hex}", NOW, {"speed": float(n)}) for n in range(2_000)]
    async with opened(url) as storage:
        namespace = await storage.namespace(made)
        write = batch(rows, [[speed]], GROUP)
        await namespace.put_layouts([write.runs[0].layout])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await namespace.write(write, WriteMode.BULK)
        assert (await namespace.write(write, WriteMode.BULK) == np.uint8(1)).all()
        assert not (await namespace.read_cells([row.entity_id for row in rows])).failed.any()
