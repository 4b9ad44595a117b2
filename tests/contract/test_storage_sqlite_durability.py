"""What makes an acknowledged row of the embedded store durable, and a COMMIT that fails harmless."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.records import AuditRecord
from featurama_core.storage.sqlite import SqliteStorage
from featurama_core.storage.sqlite.connections import connect
from featurama_core.types.errors import OutcomeUnknown


@pytest.mark.parametrize("read_only", [False, True])
def test_a_connection_syncs_every_commit_and_a_reader_cannot_write(tmp_path: Path, read_only: bool) -> None:
    """synchronous is FULL (2): in WAL mode anything less loses acknowledged rows with the power."""
    path = tmp_path / "crew.db"
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE t (a)")
    made.close()
    connection = connect(path, read_only=read_only)
    try:
        assert (2,) == connection.execute("PRAGMA synchronous").fetchone()
        assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
        if read_only:
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("INSERT INTO t VALUES (1)")
        else:
            connection.execute("INSERT INTO t VALUES (1)")
    finally:
        connection.close()


def test_a_connection_never_makes_a_file(tmp_path: Path) -> None:
    """A namespace that is gone stays gone."""
    with pytest.raises(sqlite3.OperationalError):
        connect(tmp_path / "gone.db", read_only=False)
    assert not (tmp_path / "gone.db").exists()


async def test_a_namespaces_file_is_in_wal_mode(tmp_path: Path) -> None:
    """So that readers and the writer do not wait for each other; the mode is kept in the file."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
    assert ("wal",) == await asyncio.to_thread(_pragma, tmp_path / "crew.db", "journal_mode")


async def test_a_commit_that_fails_is_rolled_back_before_the_next_write(tmp_path: Path) -> None:
    """COMMIT itself is refused, since a reader holds the rollback journal's lock: unknown to its caller, then gone."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
    # Without the WAL a commit waits for readers, which is the only way to have SQLite refuse one that is not spent.
    assert ("delete",) == await asyncio.to_thread(_pragma, tmp_path / "crew.db", "journal_mode = DELETE")
    async with SqliteStorage.open(str(tmp_path)) as storage:
        crew = await storage.namespace("crew")
        await asyncio.to_thread(crew._writer._connection.execute, "PRAGMA busy_timeout = 20")
        reader = await asyncio.to_thread(_reading, tmp_path / "crew.db")
        try:
            with pytest.raises(OutcomeUnknown):
                await crew.append_audit(AuditRecord(1, "refused", "a"))
        finally:
            await asyncio.to_thread(reader.close)
        await crew.append_audit(AuditRecord(2, "kept", "b"))
        assert ["kept"] == [record.action for record in await crew.list_audit(10)]


def _pragma(path: Path, pragma: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {pragma}").fetchone()
    finally:
        connection.close()


def _reading(path: Path) -> sqlite3.Connection:
    """A connection with a read transaction open."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM audit_log").fetchone()
    return connection
