"""One session, shared by all namespaces: bounded statements in flight, retries, translation of errors.

A statement runs at most three times, within the request timeout from its first attempt. The deadline of the caller
cancels it at any point. Once an attempt may have had an effect, the outcome stays unknown whatever a later one raises.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import acsylla

from featurama_core.storage.cql.connection import connected, consistency
from featurama_core.storage.cql.failures import DriverError, is_passing, surely_not_done, translated
from featurama_core.storage.port import Consistency
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.errors import FeaturamaError, OutcomeUnknown, StoreUnavailable

OnStatement = Callable[[str], Awaitable[None] | None]
"""Fault injection; see `CqlStorage.open`."""

SERIAL: Literal["LOCAL_SERIAL"] = "LOCAL_SERIAL"
"""The level of a read that settles conditional statements under way."""
ReadLevel = Consistency | Literal["LOCAL_SERIAL"]

PAGE_ROWS = 5_000
_SCHEMA_TIMEOUT = 60.0
_PAUSES = (0.05, 0.2)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared statement and its text."""

    text: str
    statement: Any


NextRows = Callable[[list[Any]], int]

Bound = tuple[Prepared, Sequence[object]]
"""A prepared statement and its values. Omitted trailing values stay unset."""


class Driver:
    """A session, opened and closed by `open`."""

    def __init__(self, session: Any, settings: StorageSettings, on_statement: OnStatement | None) -> None:
        self._session = session
        self._budget = max(settings.request_timeout_ms, 1) / 1_000
        self._batch_timeout_ms = max(settings.request_timeout_ms, 1)
        self._batch_consistency = consistency(settings.consistency)
        # Completions wake the loop through one small socket: more concurrent statements are not faster.
        self.width = max(settings.max_in_flight, 1)
        self._slots = asyncio.Semaphore(self.width)
        self._on_statement = on_statement

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: StorageUrl, settings: StorageSettings, on_statement: OnStatement | None
    ) -> AsyncIterator[Driver]:
        """Connect; leaving the context closes the session."""
        async with connected(url, settings) as session:
            yield cls(session, settings, on_statement)

    async def prepare(self, text: str) -> Prepared:
        """Prepare on the servers."""
        return Prepared(text, await self._run(lambda: self._session.create_prepared(text), text, reading=True))

    async def read(self, prepared: Prepared, values: Sequence[object], level: ReadLevel | None = None) -> list[Any]:
        """All rows of all pages, as tuples. Raises StoreUnavailable."""
        rows: list[Any] = []
        async for page in self.pages(prepared, values, level=level):
            rows += page
        return rows

    async def pages(
        self,
        prepared: Prepared,
        values: Sequence[object],
        page_rows: int = PAGE_ROWS,
        level: ReadLevel | None = None,
        next_rows: NextRows | None = None,
    ) -> AsyncIterator[list[Any]]:
        """Rows as tuples, a page at a time, read on demand. A page may be empty. Raises StoreUnavailable.

        next_rows: a page -> the rows of the next one.
        """
        statement = prepared.statement.bind(values, page_size=page_rows)
        if level is not None:
            statement.set_consistency(consistency(level))
        more = True
        while more:
            rows, more = await self._page(statement, prepared.text)
            if next_rows is not None:
                statement.set_page_size(next_rows(rows))
            yield rows

    async def pages_ahead(
        self, prepared: Prepared, values: Sequence[object], page_rows: int, next_rows: NextRows | None = None
    ) -> AsyncIterator[list[Any]]:
        """As `pages`; the next page is read while the caller works on one."""
        statement = prepared.statement.bind(values, page_size=page_rows)
        coming = asyncio.ensure_future(self._page(statement, prepared.text))
        try:
            more = True
            while more:
                rows, more = await coming
                if more:
                    if next_rows is not None:
                        statement.set_page_size(next_rows(rows))
                    coming = asyncio.ensure_future(self._page(statement, prepared.text))
                yield rows
        finally:
            coming.cancel()
            await asyncio.wait([coming])
            if not coming.cancelled():
                coming.exception()  # of a page that is not wanted any more

    async def _page(self, statement: Any, text: str) -> tuple[list[Any], bool]:
        """(the rows of a page, whether another follows, at which the statement then stands)."""
        result = await self._run(lambda: self._session.execute(statement), text, reading=True)
        more = result.has_more_pages()
        if more:
            statement.set_page_state(result.page_state())
        return [row.as_tuple() for row in result], more

    async def write(self, prepared: Prepared, values: Sequence[object]) -> None:
        """Run one idempotent statement. Raises StoreUnavailable, OutcomeUnknown."""
        statement = prepared.statement.bind(values)
        await self._run(lambda: self._session.execute(statement), prepared.text)

    async def decide(self, prepared: Prepared, values: Sequence[object]) -> dict[str, Any] | None:
        """Run a conditional statement. -> None if it was applied, else the row that did not fulfil the condition.

        A statement that is repeated after an unknown outcome may find its own row: callers compare it.
        """
        statement = prepared.statement.bind(values)
        result = await self._run(lambda: self._session.execute(statement), prepared.text)
        found: dict[str, Any] = result.first().as_dict()
        return None if found.pop("[applied]") else found

    async def write_batch(self, statements: Sequence[Bound], *, logged: bool) -> None:
        """Run idempotent statements together. Raises StoreUnavailable, OutcomeUnknown."""
        if not statements:
            return
        if len(statements) == 1:
            await self.write(*statements[0])
            return
        batch = acsylla.create_batch_logged() if logged else acsylla.create_batch_unlogged()
        batch.set_consistency(self._batch_consistency)
        batch.set_request_timeout(self._batch_timeout_ms)
        for prepared, values in statements:
            batch.add_statement(prepared.statement.bind(values))
        label = f"{'LOGGED' if logged else 'UNLOGGED'} BATCH"
        if self._on_statement is not None:
            label = "\n".join([label, *dict.fromkeys(prepared.text for prepared, _ in statements)])
        await self._run(lambda: self._session.execute_batch(batch), label)

    async def look_up(self, text: str, values: Sequence[str] = ()) -> list[Any]:
        """Rows of an unprepared query. Raises StoreUnavailable."""
        statement = acsylla.create_statement(text, parameters=len(values))
        statement.bind_list(list(values))
        result = await self._run(lambda: self._session.execute(statement), text, reading=True)
        return [row.as_tuple() for row in result]

    async def change_schema(self, text: str) -> None:
        """Run a repeatable statement that creates or removes tables. It may take a minute."""
        statement = acsylla.create_statement(text)
        statement.set_timeout(_SCHEMA_TIMEOUT)
        await self._run(lambda: self._session.execute(statement), text)

    async def _run(self, attempt: Callable[[], Awaitable[Any]], text: str, *, reading: bool = False) -> Any:
        if self._on_statement is None:
            return await self._attempts(attempt, reading=reading)
        await self._announce(text, StoreUnavailable("the statement was not sent; send the request again"))
        result = await self._attempts(attempt, reading=reading)
        if reading:
            await self._announce(f"DONE {text}", StoreUnavailable("the answer was lost; try again"))
        else:
            lost = OutcomeUnknown("the confirmation was lost; it may be done: send the same request again")
            await self._announce(f"DONE {text}", lost)
        return result

    async def _attempts(self, attempt: Callable[[], Awaitable[Any]], *, reading: bool) -> Any:
        now = asyncio.get_running_loop().time
        end = now() + self._budget
        maybe_done = False
        for pause in (*_PAUSES, math.inf):
            async with self._slots:
                try:
                    return await attempt()
                except (DriverError, RuntimeError) as error:
                    failure = error
            maybe_done |= not reading and not surely_not_done(failure)
            if now() + pause > end or not is_passing(failure):
                raise translated(failure, maybe_done=maybe_done) from failure
            # Outside of the slot, which others may use meanwhile.
            await asyncio.sleep(pause)
        raise AssertionError

    async def _announce(self, text: str, failure: FeaturamaError) -> None:
        assert self._on_statement is not None
        try:
            answer = self._on_statement(text)
            if inspect.isawaitable(answer):
                await answer
        except FeaturamaError:
            raise
        except Exception as error:
            raise failure from error
