"""Namespaces of the cluster adapter that are half made, migrated, dropped or made anew meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
from acsylla import errors as driver_errors

from featurama_core.storage.namespaces import read_schema
from featurama_core.storage.port import NamespaceOptions
from featurama_core.types.errors import (
    FailedPrecondition,
    Reason,
    StoreUnavailable,
    Unknown,
)
from featurama_core.types.imports import UNNUMBERED, ImportScope
from tests.contract.batches import DAY, NOW, Row, listed, store
from tests.contract.cql_opened import EVER, GROUP, Faults, feature, opened
from tests.cql_server.endpoint import server_stays

pytestmark = [pytest.mark.contract, pytest.mark.cql]


@pytest.fixture
async def name(url: str) -> AsyncIterator[str]:
    """A namespace that the test makes."""
    name = f"own_{uuid.uuid4().hex[:12]}"
    yield name
    if server_stays():
        async with opened(url) as storage:
            with suppress(Unknown):
                await storage.drop_namespace(name)


async def test_a_half_made_namespace_is_refused_completed_and_keeps_its_options(url: str, name: str) -> None:
    """The process that made it died half-way."""
    faults = Faults()
    async with opened(url, faults) as storage, opened(url) as other:
        faults.at, faults.error = f"CREATE TABLE IF NOT EXISTS fs_{name}", KeyboardInterrupt()
        faults.skip = 6
        with pytest.raises(KeyboardInterrupt):
            await storage.create_namespace(name, NamespaceOptions(history_period=7 * DAY))
        with pytest.raises(FailedPrecondition) as refused:
            await other.namespace(name)
        assert refused.value.reason is Reason.SCHEMA_MISMATCH
        assert await other.migrate(name) == list(await asyncio.to_thread(read_schema, "cql", ".cql"))
        assert (await other.namespace(name)).options.history_period == 7 * DAY


async def test_a_namespace_without_a_table_of_imports_gets_it_and_keeps_its_data(url: str, name: str) -> None:
    """Imports had no numbers then: the first one after the migration takes 1, in a namespace made now 0."""
    scope = ImportScope(("speed",), NOW, NOW, NOW, NOW)
    speed = feature("speed")
    async with opened(url) as storage:
        await storage.create_namespace(name, NamespaceOptions())
        namespace = await storage.namespace(name)
        await store(namespace, [Row("fry", NOW, {"speed": 1.0})], [[speed]], GROUP)
        assert await namespace.take_import("first", scope) == 0
        await storage._driver.change_schema(f"DROP TABLE fs_{name}.imports")
        await storage._driver.change_schema(f"DELETE FROM fs_{name}.schema_version WHERE name = '0002_imports.cql'")
        async with opened(url) as other:
            with pytest.raises(FailedPrecondition, match="0002_imports"):
                await other.namespace(name)
            assert await other.migrate(name) == ["0002_imports.cql"]
            assert await other.migrate(name) == []
            migrated = await other.namespace(name)
            assert await migrated.list_imports() == [UNNUMBERED]
            assert [await migrated.take_import(each, scope) for each in ("a", "b", "a")] == [1, 2, 1]
            (history,) = await migrated.read_history(["fry"], [(speed, GROUP)], **EVER)
            assert listed(history, ["fry"]) == [("fry", NOW, 1.0)]


async def test_definitions_from_before_revisions_are_kept(url: str, name: str) -> None:
    """Also where an earlier migration has ended after the first of the added columns."""
    speed = feature("speed")
    added = "0003_registry_changes.cql"
    async with opened(url) as storage:
        await storage.create_namespace(name, NamespaceOptions())
        await (await storage.namespace(name)).put_definitions([GROUP, speed])
        for statement in (
            f"DROP TABLE fs_{name}.registry_changes",
            f"ALTER TABLE fs_{name}.feature_groups DROP deleted",
            f"ALTER TABLE fs_{name}.feature_metadata DROP deleted",
            f"DELETE FROM fs_{name}.schema_version WHERE name = '{added}'",
        ):
            await storage._driver.change_schema(statement)
        async with opened(url) as other:
            assert await other.migrate(name) == [added]
            migrated = await other.namespace(name)
            found = await migrated.load_definitions()
            assert (found.revision, list(found.groups)) == (1, [GROUP])
            assert await migrated.read_features([speed.name]) == [speed]
            await migrated.put_definitions([replace(speed, version=2)])
            assert (await migrated.load_definitions(1)).changed_features == {speed.name}


async def test_features_from_before_lists_are_listed(url: str, name: str) -> None:
    """A migration enters them into the lists."""
    features = [feature(f"f{number}") for number in range(20)]
    async with opened(url) as storage:
        await storage.create_namespace(name, NamespaceOptions())
        await (await storage.namespace(name)).put_definitions([GROUP, *features])
        for statement in (
            f"DROP TABLE fs_{name}.feature_names",
            f"DELETE FROM fs_{name}.schema_version WHERE name = '0006_feature_lists.cql'",
        ):
            await storage._driver.change_schema(statement)
        async with opened(url) as other:
            assert await other.migrate(name) == ["0006_feature_lists.cql"]
            migrated = await other.namespace(name)
            of = ("feature_group", features[0].group)
            assert sorted(each.name for each in features) == await migrated.list_feature_names(of, "", 100)


@pytest.mark.parametrize(("door", "fails"), [("namespace", False), ("namespace", True), ("migrate", False)])
async def test_a_namespace_that_goes_while_it_is_opened_is_unknown(url: str, name: str, door: str, fails: bool) -> None:
    """Dropped by another process meanwhile: a server that starts goes on without it.

    fails: inside of a statement, which the CQL server then cannot do ("Unknown CF").
    """
    faults = Faults()
    async with opened(url, faults) as other:
        faults.at, faults.skip, faults.error = f"CREATE TABLE IF NOT EXISTS fs_{name}", 2, KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            await other.create_namespace(name, NamespaceOptions())

        async def drop(text: str) -> None:
            if text.startswith("SELECT name FROM"):
                await other.drop_namespace(name)
                if fails:
                    raise driver_errors.CassErrorServerServerError

        async with opened(url, drop) as storage:
            with pytest.raises(Unknown) as caught:
                await getattr(storage, door)(name)
            assert caught.value.reason is Reason.UNKNOWN_NAMESPACE


async def test_a_failed_creation_leaves_nothing(url: str, name: str) -> None:
    """A statement in the middle fails: the keyspace goes again."""
    faults = Faults()
    async with opened(url, faults) as storage:
        faults.at, faults.skip = f"CREATE TABLE IF NOT EXISTS fs_{name}", 5
        with pytest.raises(StoreUnavailable):
            await storage.create_namespace(name, NamespaceOptions())
        faults.at = ""
        assert name not in await storage.list_namespaces()


async def test_a_namespace_that_another_process_made_anew_is_noticed(url: str, name: str) -> None:
    """The old object answers Unknown soon, and its caches never reach the new one."""
    speed = feature("speed")
    async with opened(url) as mine, opened(url) as other:
        await mine.create_namespace(name, NamespaceOptions())
        first = await mine.namespace(name)
        await store(first, [Row("fry", NOW, {"speed": 1.0})], [[speed]], GROUP)
        await other.drop_namespace(name)
        await other.create_namespace(name, NamespaceOptions())
        with pytest.raises(Unknown):
            await first.read_cells(["fry"])
        second = await mine.namespace(name)
        assert second is not first
        await store(second, [Row("fry", NOW, {"speed": 2.0})], [[speed]], GROUP)
        assert len(await second.partitions(GROUP)) == 1
