"""Keyspaces: creating, finding, migrating and dropping namespaces.

`namespace_info` (incarnation, history_period) is written before the other tables are created, and `schema_version`
names a schema file after its last table. `migrate` completes a namespace that a crash left incomplete.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from string import Template

from featurama_core.storage.cql.driver import Driver
from featurama_core.storage.cql.failures import TABLE_GOES, AlreadyThere, RefusedStatement
from featurama_core.storage.cql.feature_names import INTO_NAMES, STORED, enter_all
from featurama_core.storage.cql.imports import INTO_IMPORTS
from featurama_core.storage.namespaces import (
    check_options,
    check_schema_files,
    missing_files,
    namespace_exists,
    unknown_namespace,
)
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageUrl, invalid_url
from featurama_core.types.errors import (
    FeaturamaError,
    InvalidInput,
    OutcomeUnknown,
    Reason,
    StoreUnavailable,
)
from featurama_core.types.imports import UNNUMBERED
from featurama_core.types.names import check_namespace, is_namespace
from featurama_core.types.times import DAY, SECOND

KEYSPACE_LENGTH = 48
"""Limit of CQL servers."""
_DEFAULT_PREFIX = "fs_"
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,39}|")
_ADDED_COLUMN = re.compile(r"ALTER TABLE (\w+)\.(\w+) ADD (\w+) \w+")
_DATACENTRE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


async def _enter_earlier_import(driver: Driver, keyspace: str) -> None:
    await driver.decide(await driver.prepare(_in(keyspace, INTO_IMPORTS)), (1, *UNNUMBERED.row()))


async def _enter_feature_names(driver: Driver, keyspace: str) -> None:
    into, stored = [await driver.prepare(_in(keyspace, text)) for text in (INTO_NAMES, STORED)]
    await enter_all(driver, into, stored)


_ON_EARLIER_DATA: dict[str, Callable[[Driver, str], Awaitable[None]]] = {
    "0002_imports.cql": _enter_earlier_import,
    "0006_feature_lists.cql": _enter_feature_names,
}
"""Schema file -> what is done when the file is applied to an older namespace, which may have data. Repeatable."""

_OWN_TABLES = (
    "CREATE TABLE IF NOT EXISTS ks.namespace_info (key text PRIMARY KEY, value text)",
    "CREATE TABLE IF NOT EXISTS ks.schema_version (name text PRIMARY KEY, applied_at bigint)",
)


class Keyspaces:
    """The namespaces of one cluster."""

    def __init__(self, driver: Driver, url: StorageUrl, schema: Mapping[str, str]) -> None:
        """`schema`: the schema files, name -> CQL."""
        self._schema = schema
        self._driver = driver
        self._prefix = url.option("keyspace_prefix", _DEFAULT_PREFIX)
        if not _PREFIX.fullmatch(self._prefix):
            raise invalid_url("option keyspace_prefix is at most 40 of [a-z0-9_], a letter first")
        self._replication = _replication(url)

    def keyspace(self, name: str) -> str:
        """The keyspace of a namespace. InvalidInput for an invalid name or one that is too long."""
        keyspace = self._prefix + check_namespace(name)
        if len(keyspace) > KEYSPACE_LENGTH:
            raise InvalidInput(
                f"namespace {name!r} is too long: with the prefix {self._prefix!r} at most {KEYSPACE_LENGTH}",
                reason=Reason.INVALID_NAME,
                field="namespace",
            )
        return keyspace

    async def names(self) -> list[str]:
        """Names of the namespaces, sorted."""
        rows = await self._driver.look_up("SELECT keyspace_name FROM system_schema.keyspaces")
        names = [keyspace.removeprefix(self._prefix) for (keyspace,) in rows if keyspace.startswith(self._prefix)]
        return sorted(name for name in names if is_namespace(name))

    async def info(self, name: str) -> dict[str, str]:
        """The rows of namespace_info, after a check of the schema. Raises Unknown, FailedPrecondition."""
        async with self._reading(name) as keyspace:
            check_schema_files(name, await self._applied(keyspace), self._schema)
            return await self._info(keyspace)

    async def incarnation(self, name: str) -> str | None:
        """The current incarnation of a name; None if the namespace does not exist."""
        try:
            return (await self._info(self.keyspace(name))).get("incarnation")
        except StoreUnavailable as error:
            if isinstance(error.__cause__, RefusedStatement):
                return None
            raise

    async def create(self, name: str, options: NamespaceOptions) -> None:
        """Create a namespace with all tables. Conflict if it exists."""
        check_options(options)
        keyspace = self.keyspace(name)
        replication = self._replication if not options.replication else _by_datacentre(options.replication)
        await self._create_keyspace(name, keyspace, replication)
        try:
            await self._fill(keyspace, options.history_period)
        except FeaturamaError:
            await self._remove(keyspace)
            raise

    async def drop(self, name: str) -> None:
        """Drop a namespace. Unknown if it does not exist."""
        await self._driver.change_schema(f"DROP KEYSPACE IF EXISTS {await self._existing(name)}")

    async def migrate(self, name: str) -> list[str]:
        """Apply the schema files that the namespace lacks. -> their names."""
        async with self._reading(name) as keyspace:
            applied = await self._applied(keyspace)
            missing_files(name, applied, self._schema)  # refuses the schema of a newer release
            period = NamespaceOptions().history_period
            if applied:
                period = int((await self._info(keyspace)).get("history_period", period))
        return await self._fill(keyspace, period)

    async def _create_keyspace(self, name: str, keyspace: str, replication: str) -> None:
        text = f"CREATE KEYSPACE {keyspace} WITH replication = {replication}"
        try:
            if await self._is_scylla():
                # Tablets support conditional statements from 2025.4 on.
                text += " AND tablets = {'enabled': false}"
            await self._driver.change_schema(text)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, AlreadyThere):
                raise namespace_exists(name) from error
            raise

    async def _is_scylla(self) -> bool:
        return bool(
            await self._driver.look_up(
                "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system' AND table_name = 'versions'"
            )
        )

    async def _fill(self, keyspace: str, history_period: int) -> list[str]:
        for text in _OWN_TABLES:
            await self._driver.change_schema(_in(keyspace, text))
        text = "INSERT INTO ks.namespace_info (key, value) VALUES (?, ?) IF NOT EXISTS"
        note = await self._driver.prepare(_in(keyspace, text))
        for pair in (("history_period", str(history_period)), ("incarnation", uuid.uuid4().hex)):
            await self._driver.decide(note, pair)
        period = int((await self._info(keyspace))["history_period"])
        names = {"keyspace": keyspace, "history_compaction": _windows(period)}
        applied = await self._applied(keyspace)
        missing = {file: cql for file, cql in self._schema.items() if file not in applied}
        for file, cql in missing.items():
            for statement in _statements(Template(cql).substitute(names)):
                if not await self._has_column(statement):
                    await self._driver.change_schema(statement)
            if applied and file in _ON_EARLIER_DATA:
                await _ON_EARLIER_DATA[file](self._driver, keyspace)
            applied_now = _in(keyspace, "INSERT INTO ks.schema_version (name, applied_at) VALUES (?, ?)")
            await self._driver.write(await self._driver.prepare(applied_now), (file, time.time_ns() // 1_000))
        return list(missing)

    async def _has_column(self, statement: str) -> bool:
        """Whether a statement adds a column that is there: an earlier migration may have ended after it."""
        added = _ADDED_COLUMN.fullmatch(statement)
        where = "keyspace_name = ? AND table_name = ? AND column_name = ?"
        text = f"SELECT column_name FROM system_schema.columns WHERE {where}"  # noqa: S608 - our own names
        return added is not None and bool(await self._driver.look_up(text, added.groups()))

    async def _remove(self, keyspace: str) -> None:
        try:
            await self._driver.change_schema(f"DROP KEYSPACE IF EXISTS {keyspace}")
        except (StoreUnavailable, OutcomeUnknown):
            # It stays incomplete: `migrate` completes it, `drop` removes it.
            return

    @asynccontextmanager
    async def _reading(self, name: str) -> AsyncIterator[str]:
        """The keyspace of a namespace, for reading its tables. Unknown if it does not exist or is dropped meanwhile."""
        try:
            yield self.keyspace(name)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, TABLE_GOES):
                await self._existing(name)
            raise

    async def _existing(self, name: str) -> str:
        keyspace = self.keyspace(name)
        if not await self._is_there(keyspace):
            raise unknown_namespace(name, await self.names())
        return keyspace

    async def _is_there(self, keyspace: str) -> bool:
        text = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?"
        return bool(await self._driver.look_up(text, (keyspace,)))

    async def _applied(self, keyspace: str) -> list[str]:
        try:
            rows = await self._driver.look_up(_in(keyspace, "SELECT name FROM ks.schema_version"))
        except StoreUnavailable as error:
            # The process that creates the namespace has not created this table yet, or has crashed before.
            if isinstance(error.__cause__, RefusedStatement) and await self._is_there(keyspace):
                return []
            raise
        return [file for (file,) in rows]

    async def _info(self, keyspace: str) -> dict[str, str]:
        text = "SELECT key, value FROM ks.namespace_info WHERE key IN ('incarnation', 'history_period')"
        return dict(await self._driver.look_up(_in(keyspace, text)))


def _in(keyspace: str, text: str) -> str:
    return text.replace("ks.", f"{keyspace}.")


def _statements(cql: str) -> list[str]:
    lines = [line for line in cql.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def _windows(history_period: int) -> str:
    """Time windows with the length of a period: the files of a window hold the same partitions."""
    units = (("DAYS", DAY), ("HOURS", 3_600 * SECOND), ("MINUTES", 60 * SECOND))
    unit, length = next((each for each in units if history_period >= each[1]), units[-1])
    size = max(history_period // length, 1)
    return (
        "{'class': 'TimeWindowCompactionStrategy',"
        f" 'compaction_window_unit': '{unit}', 'compaction_window_size': '{size}'}}"
    )


def _replication(url: StorageUrl) -> str:
    text = url.option("replication", "1")
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise invalid_url("option replication is the number of copies, from 1")
    if dc := url.option("dc"):
        return _by_datacentre({dc: int(text)})
    return f"{{'class': 'SimpleStrategy', 'replication_factor': {int(text)}}}"


def _by_datacentre(copies: Mapping[str, int]) -> str:
    for dc, number in copies.items():
        if not _DATACENTRE.fullmatch(dc) or not 1 <= number <= 100:
            raise InvalidInput("replication names datacentres and their number of copies, from 1", field="replication")
    named = ", ".join(f"'{dc}': {number}" for dc, number in copies.items())
    return f"{{'class': 'NetworkTopologyStrategy', {named}}}"
