"""The embedded store's files: several owners of one directory, replaced and damaged files, schema versions."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from featurama_core.storage.namespaces import read_schema
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.records import StoredModel, Tombstone
from featurama_core.storage.sqlite import SqliteStorage
from featurama_core.storage.sqlite.migrations import apply_missing
from featurama_core.types.errors import CorruptData, FailedPrecondition, Reason, StoreUnavailable, Unknown
from featurama_core.types.imports import UNNUMBERED, ImportScope
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode

from .batches import DAY, NOW, Row, batch, definition, listed, store

GROUP = FeatureGroup("crew")
SPEED, MOOD = definition("speed", group="crew"), definition("mood", ValueType.TEXT, group="crew")
EVER = {"start": -(2**62), "end": 2**62}


def change(path: Path, sql: str) -> None:
    """What another process might do to the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


async def test_two_owners_of_a_directory_write_and_read_each_others_rows(tmp_path: Path) -> None:
    """A server and a command line: both write at once, nothing is lost, both see all."""
    async with SqliteStorage.open(str(tmp_path)) as one, SqliteStorage.open(str(tmp_path)) as other:
        await one.create_namespace("crew", NamespaceOptions())
        sides = [await one.namespace("crew"), await other.namespace("crew")]
        rows = [[Row(f"e{side}_{n}", NOW, {"speed": float(n)}) for n in range(50)] for side in (0, 1)]
        await asyncio.gather(*(store(sides[side], [row], [[SPEED]], GROUP) for side in (0, 1) for row in rows[side]))
        ids = [row.entity_id for side in rows for row in side]
        for namespace in sides:
            assert len((await namespace.read_cells(ids)).cells) == 100
            (history,) = await namespace.read_history(ids, [(SPEED, GROUP)], **EVER)
            assert len(history.entity) == 100


async def test_a_namespace_that_another_owner_dropped_is_unknown_to_old_hands(tmp_path: Path) -> None:
    """Reads, scans and writes through the old handle, before and after it is made again; the new one is untouched."""
    fry = Row("fry", NOW, {"speed": 1.0})
    async with SqliteStorage.open(str(tmp_path)) as one, SqliteStorage.open(str(tmp_path)) as other:
        await one.create_namespace("crew", NamespaceOptions())
        old = await one.namespace("crew")
        await store(old, [fry], [[SPEED]], GROUP)
        await other.drop_namespace("crew")
        for again in (False, True):
            if again:
                await other.create_namespace("crew", NamespaceOptions())
            for attempt in (
                old.read_cells(["fry"]),
                old.read_history(["fry"], [(SPEED, GROUP)], **EVER),
                old.partitions(GROUP),
                old.load_definitions(),
                old.write(batch([fry], [[SPEED]], GROUP), WriteMode.ATOMIC),
                old.put_tombstone(Tombstone("fry", "", NOW)),
            ):
                with pytest.raises(Unknown) as caught:
                    await attempt
                assert caught.value.reason is Reason.UNKNOWN_NAMESPACE
            if not again:
                with pytest.raises(Unknown):
                    await one.namespace("crew")
        # The old handle was closed by the failed opening above; its files must not take the new ones along.
        new = await other.namespace("crew")
        await store(new, [Row("leela", NOW, {"speed": 2.0})], [[SPEED]], GROUP)
        reopened = await one.namespace("crew")
        assert reopened is not old
        assert len((await reopened.read_cells(["fry", "leela"])).cells) == 1
    async with SqliteStorage.open(str(tmp_path)) as third:
        cells = await (await third.namespace("crew")).read_cells(["fry", "leela"])
        assert cells.entity.tolist() == [1]


async def test_closing_an_old_handle_keeps_what_was_written_to_its_successor(tmp_path: Path) -> None:
    """SQLite removes a WAL by its name; the successor's WAL has the same name."""
    async with SqliteStorage.open(str(tmp_path)) as other:
        async with SqliteStorage.open(str(tmp_path)) as one:
            await one.create_namespace("crew", NamespaceOptions())
            old = await one.namespace("crew")
            await store(old, [Row("fry", NOW, {"speed": 1.0})], [[SPEED]], GROUP)
            assert len((await old.read_cells(["fry"])).cells) == 1
            await other.drop_namespace("crew")
            await other.create_namespace("crew", NamespaceOptions())
            new = await other.namespace("crew")
            await store(new, [Row("leela", NOW, {"speed": 2.0})], [[SPEED]], GROUP)
        await store(new, [Row("amy", NOW, {"speed": 3.0})], [[SPEED]], GROUP)
        async with SqliteStorage.open(str(tmp_path)) as third:
            cells = await (await third.namespace("crew")).read_cells(["fry", "leela", "amy"])
            assert sorted(cells.entity.tolist()) == [1, 2]


async def test_a_schema_of_another_release_is_refused_by_name(tmp_path: Path) -> None:
    """Newer: update this installation; older: migrate the namespace."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        for name, sql, said in (
            ("newer", "INSERT INTO schema_version VALUES ('9999_future.sql', 1)", "update this installation"),
            ("older", "DELETE FROM schema_version", "lacks schema .*; migrate the namespace"),
        ):
            await storage.create_namespace(name, NamespaceOptions())
            await asyncio.to_thread(change, tmp_path / f"{name}.db", sql)
            with pytest.raises(FailedPrecondition, match=said) as caught:
                await storage.namespace(name)
            assert caught.value.reason is Reason.SCHEMA_MISMATCH
        with pytest.raises(FailedPrecondition):
            await storage.migrate("newer")


@pytest.mark.parametrize(("rows", "first"), [([], 0), ([Row("fry", NOW, {"speed": 1.0})], 1)], ids=["empty", "data"])
async def test_a_namespace_without_a_table_of_imports_gets_it_and_keeps_its_data(
    tmp_path: Path, rows: list[Row], first: int
) -> None:
    """Imports had no numbers then: where there is data, the first one after the migration takes 1."""
    scope = ImportScope(("speed",), NOW, NOW, NOW, NOW)
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        if rows:
            await store(await storage.namespace("crew"), rows, [[SPEED]], GROUP)
    await asyncio.to_thread(change, tmp_path / "crew.db", "DROP TABLE imports")
    await asyncio.to_thread(change, tmp_path / "crew.db", "DELETE FROM schema_version WHERE name = '0002_imports.sql'")
    async with SqliteStorage.open(str(tmp_path)) as storage:
        with pytest.raises(FailedPrecondition, match="0002_imports"):
            await storage.namespace("crew")
        assert await storage.migrate("crew") == ["0002_imports.sql"]
        assert await storage.migrate("crew") == []
        namespace = await storage.namespace("crew")
        assert await namespace.list_imports() == [UNNUMBERED] * first
        taken = [await namespace.take_import(each, scope) for each in ("a", "b", "a")]
        assert taken == [first, first + 1, first]
        (history,) = await namespace.read_history(["fry"], [(SPEED, GROUP)], **EVER)
        assert len(history.entity) == len(rows)


async def test_definitions_from_before_revisions_are_kept(tmp_path: Path) -> None:
    """They are at revision 1, and what comes after at the next."""
    tables = ("entity_types", "feature_groups", "feature_metadata", "feature_services")
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        await (await storage.namespace("crew")).put_definitions([GROUP, SPEED])
    for table in tables:
        await asyncio.to_thread(change, tmp_path / "crew.db", f"DROP INDEX {table}_by_revision")
        for column in ("revision", "deleted"):
            await asyncio.to_thread(change, tmp_path / "crew.db", f"ALTER TABLE {table} DROP COLUMN {column}")
    forgotten = "DELETE FROM schema_version WHERE name = '0003_registry_revisions.sql'"
    await asyncio.to_thread(change, tmp_path / "crew.db", forgotten)
    async with SqliteStorage.open(str(tmp_path)) as storage:
        assert await storage.migrate("crew") == ["0003_registry_revisions.sql"]
        namespace = await storage.namespace("crew")
        found = await namespace.load_definitions()
        assert (found.revision, list(found.groups)) == (1, [GROUP])
        assert await namespace.read_features([SPEED.name]) == [SPEED]
        await namespace.put_definitions([replace(SPEED, version=2)])
        assert (await namespace.load_definitions(1)).changed_features == {SPEED.name}


def test_missing_schema_files_are_applied_once_and_together() -> None:
    """All of them, then none; a failing file leaves nothing behind."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        assert apply_missing(connection, "new") == list(read_schema("sqlite", ".sql"))
        assert apply_missing(connection, "new") == []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE audit_log (number INTEGER)")
        with pytest.raises(sqlite3.OperationalError):
            apply_missing(connection, "broken")
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("audit_log",)]


async def test_a_file_that_is_no_database_is_damaged_not_unknown(tmp_path: Path) -> None:
    """Never taken for an empty namespace; the text tells no path."""
    await asyncio.to_thread((tmp_path / "crew.db").write_bytes, b"not a database" * 1_000)
    await asyncio.to_thread((tmp_path / "empty.db").touch)
    async with SqliteStorage.open(str(tmp_path)) as storage:
        with pytest.raises(CorruptData) as caught:
            await storage.namespace("crew")
        assert str(tmp_path) not in str(caught.value)
        with pytest.raises(FailedPrecondition):
            await storage.namespace("empty")
        await storage.migrate("empty")
        with pytest.raises(CorruptData):
            await storage.namespace("empty")


async def test_a_directory_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    await asyncio.to_thread((tmp_path / "file").touch)
    with pytest.raises(StoreUnavailable) as caught:
        async with SqliteStorage.open(str(tmp_path / "file" / "below")):
            pytest.fail("opened")
    assert str(tmp_path) not in str(caught.value)


async def test_a_making_that_was_cut_short_leaves_no_namespace(tmp_path: Path) -> None:
    """Its draft is no namespace, and is swept up when the name is used."""
    draft = tmp_path / ".crew.0011.new"
    await asyncio.to_thread(draft.touch)
    await asyncio.to_thread((tmp_path / "crew.db-wal").write_bytes, b"of a dropped one")
    async with SqliteStorage.open(str(tmp_path)) as storage:
        assert await storage.list_namespaces() == []
        await storage.create_namespace("crew", NamespaceOptions())
        assert not await asyncio.to_thread(draft.exists)
        assert (await (await storage.namespace("crew")).load_definitions()).incarnation


async def test_an_unreadable_cell_is_an_error_at_the_time_of_its_key(tmp_path: Path) -> None:
    """Truncated, of another codec version, or of other times than its key: ERROR, its neighbours stand."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        namespace = await storage.namespace("crew")
        made = batch([Row("fry", NOW + n, {"speed": 1.5, "mood": "calm"}) for n in range(5)], [[SPEED, MOOD]], GROUP)
        (run,) = made.runs
        run.cells[0] = run.cells[0][:20]
        run.cells[1] = run.cells[1][:16] + b"\xee" + run.cells[1][17:]
        run.cells[2] = bytes([run.cells[2][0] ^ 1]) + run.cells[2][1:]
        run.cells[3] = b""
        await namespace.put_layouts([run.layout])
        await namespace.write(made, WriteMode.ATOMIC)
        speeds, moods = await namespace.read_history(["fry"], [(SPEED, GROUP), (MOOD, GROUP)], **EVER)
        errors = [("fry", NOW + n, "ERROR") for n in range(4)]
        assert listed(speeds, ["fry"]) == [*errors, ("fry", NOW + 4, 1.5)]
        assert listed(moods, ["fry"]) == [*errors, ("fry", NOW + 4, "calm")]
        assert speeds.column.values.tolist() == [0.0] * 4 + [1.5]
        await namespace.clean(Tombstone("fry", "speed", NOW + 4), [(SPEED, GROUP)])
        (moods,) = await namespace.read_history(["fry"], [(MOOD, GROUP)], **EVER)
        assert listed(moods, ["fry"])[-1] == ("fry", NOW + 4, "calm")


async def test_a_scan_larger_than_a_block_comes_in_several_whole_entities_each(tmp_path: Path) -> None:
    """80,000 rows of 16,000 entities, some between blocks; every row once, ids ascending throughout."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        namespace = await storage.namespace("crew")
        for part in range(16):
            rows = [
                Row(f"e{(n * 7919) % 16_000:05}", NOW + at, {"speed": float(at)})
                for n in range(part * 1_000, part * 1_000 + 1_000)
                for at in range(5)
            ]
            await store(namespace, rows, [[SPEED]], GROUP)
        (partition,) = await namespace.partitions(GROUP)
        blocks = [block async for block in namespace.scan_history([SPEED], GROUP, partition)]
    assert len(blocks) > 1
    assert [entity for block in blocks for entity in block.entity_ids] == [f"e{n:05}" for n in range(16_000)]
    for block in blocks:
        (history,) = block.histories
        assert history.entity.tolist() == [code for code in range(len(block.entity_ids)) for _ in range(5)]
        assert history.column.values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0] * len(block.entity_ids)


async def test_columns_of_one_cell_share_their_keys(tmp_path: Path) -> None:
    """The as-of join sorts and searches them once."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        namespace = await storage.namespace("crew")
        rows = [Row(f"e{n}", NOW + n, {"speed": 1.0, "mood": "calm"}) for n in range(10)]
        await store(namespace, rows, [[SPEED, MOOD]], GROUP)
        ids = ["nobody", *(row.entity_id for row in rows)]
        speeds, moods = await namespace.read_history(ids, [(SPEED, GROUP), (MOOD, GROUP)], **EVER)
        assert speeds.entity is moods.entity
        assert speeds.event_time is moods.event_time
        assert speeds.ingested_at is moods.ingested_at


async def test_purging_removes_history_before_the_bound_and_counts_it(tmp_path: Path) -> None:
    """Whole periods and a part of one; other groups and the latest cells stay."""
    other = FeatureGroup("other")
    rank = definition("rank", group="other")
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        namespace = await storage.namespace("crew")
        times = [NOW - 90 * DAY, NOW - 31 * DAY, NOW - 1, NOW, NOW + 1]
        rows = [Row(who, at, {"speed": 1.0}) for who in ("fry", "leela") for at in times]
        await store(namespace, rows, [[SPEED]], GROUP)
        await store(namespace, [Row("fry", NOW - 90 * DAY, {"rank": 1.0})], [[rank]], other)
        assert await namespace.purge_history(GROUP, NOW) == 6
        assert await namespace.purge_history(GROUP, NOW) == 0
        wanted = [(SPEED, GROUP), (rank, other)]
        speeds, ranks = await namespace.read_history(["fry", "leela"], wanted, **EVER)
        assert speeds.event_time.tolist() == [NOW, NOW + 1] * 2
        assert len(ranks.entity) == 1
        assert len((await namespace.read_cells(["fry", "leela"])).cells) == 3


async def test_a_missing_artefact_chunk_is_corrupt(tmp_path: Path) -> None:
    """Never a shorter artefact."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        namespace = await storage.namespace("crew")
        await namespace.put_model(StoredModel("m", 1, "{}", 1, 6), [b"abc", b"def"])
        await asyncio.to_thread(change, tmp_path / "crew.db", "DELETE FROM model_chunks WHERE position = 0")
        with pytest.raises(CorruptData):
            await namespace.read_artefact("m", 1)


async def test_a_batch_may_hold_no_rows_or_several_of_one_entity(tmp_path: Path) -> None:
    """Of several the newest event is the latest, of its corrections the last, in whatever order they stand."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        namespace = await storage.namespace("crew")
        assert (await namespace.write(batch([], [[SPEED]], GROUP), WriteMode.BULK)).tolist() == []
        rows = [Row("fry", NOW + at, {"speed": float(-known)}, known) for at, known in ((3, 9), (9, 5), (9, 4), (1, 8))]
        made = await store(namespace, rows, [[SPEED]], GROUP)
        assert [bytes(cell) for cell in (await namespace.read_cells(["fry"])).cells] == [made.runs[0].cells[1]]


async def test_the_successor_is_opened_without_a_failing_call_first(tmp_path: Path) -> None:
    """Dropped and made again by another owner between two requests: the next request sees the new one."""
    async with SqliteStorage.open(str(tmp_path)) as one, SqliteStorage.open(str(tmp_path)) as other:
        await one.create_namespace("crew", NamespaceOptions())
        old = await one.namespace("crew")
        await store(old, [Row("fry", NOW, {"speed": 1.0})], [[SPEED]], GROUP)
        await other.create_namespace("bystander", NamespaceOptions())
        assert await one.namespace("crew") is old
        await other.drop_namespace("crew")
        await other.create_namespace("crew", NamespaceOptions())
        new = await one.namespace("crew")
        assert new is not old
        assert len((await new.read_cells(["fry"])).cells) == 0


async def test_a_file_that_was_removed_by_hand_is_an_unknown_namespace(tmp_path: Path) -> None:
    """No call of ours told of it: the first use notices, and later openings too."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        namespace = await storage.namespace("crew")
        await asyncio.to_thread((tmp_path / "crew.db").unlink)
        with pytest.raises(Unknown):
            await namespace.read_cells(["fry"])
        with pytest.raises(Unknown):
            await storage.namespace("crew")
