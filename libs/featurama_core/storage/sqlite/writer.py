"""The writer of a namespace: one thread, one connection, group commit.

Requests that wait during a commit form the next transaction, each under its own savepoint, so that a failing request
never fails another. A caller is answered after COMMIT. The request of a cancelled caller is dropped if it has not
begun.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

from featurama_core.storage.sqlite.connections import OnStatement, Transaction
from featurama_core.storage.sqlite.failures import closed, translated, unknown_outcome
from featurama_core.types.errors import FeaturamaError

_T = TypeVar("_T")

MAX_WAITING = 256
"""Requests in the queue of the writer. Further callers wait on the event loop."""
GROUP_WEIGHT = 20_000
"""Rows after which a transaction accepts no further request. It bounds the waiting time of a caller."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    work: Callable[[Transaction], object]
    weight: int
    answer: asyncio.Future[object]


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class Writer:
    """Runs write requests in its thread. Owned and closed by the namespace; belongs to one event loop."""

    def __init__(
        self,
        name: str,
        connection: sqlite3.Connection,
        check: Callable[[], None],
        on_statement: OnStatement | None,
    ) -> None:
        """check: raises if the namespace was dropped; called inside each transaction."""
        self._connection = connection
        self._transaction = Transaction(connection, on_statement)
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(MAX_WAITING)
        # A SimpleQueue: its put takes no lock that could block the event loop. Bounded by `_places`.
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self._ended: FeaturamaError | None = None
        self._thread = threading.Thread(target=self._serve, name=f"featurama-writer-{name}", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Transaction], _T], *, weight: int = 1) -> _T:
        """Run `work` in a transaction. Returns its result after the commit.

        Raises StoreUnavailable if it was not stored, OutcomeUnknown if COMMIT failed.
        """
        await self._places.acquire()
        if self._ended is not None:
            self._places.release()
            raise self._ended.again()
        answer: asyncio.Future[object] = self._loop.create_future()
        self._queue.put(_Request(work, weight, answer))
        # The place is released with the answer: the request of a cancelled caller is still in the queue.
        return await answer  # type: ignore[return-value]  # what `work` returned

    async def close(self, ended: FeaturamaError) -> None:
        """Finish waiting requests, then close the connection. Later calls raise `ended`."""
        if self._ended is None:
            self._ended = ended
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        last = False
        while not last:
            group, last = self._next_group()
            if group:
                self._answer(group, self._commit(group))
        self._connection.close()

    def _next_group(self) -> tuple[list[_Request], bool]:
        group: list[_Request] = []
        weight = 0
        try:
            while weight < GROUP_WEIGHT:
                request = self._queue.get() if not group else self._queue.get_nowait()
                if request is None:
                    return group, True
                group.append(request)
                weight += request.weight
        except Empty:
            pass
        return group, False

    def _commit(self, group: Sequence[_Request]) -> list[object]:
        results = self._attempt(group)
        if results is not None:
            return results
        # SQLite rolled back the whole transaction (disk full, I/O error): nothing of the group was stored.
        alone: list[object] = []
        for request in group:
            result = self._attempt([request])
            alone.append(result[0] if result is not None else _Failed(closed()))
        return alone

    def _attempt(self, group: Sequence[_Request]) -> list[object] | None:
        """One transaction. -> the result of each request or `_Failed`; None if it was rolled back as a whole and the
        requests are to be tried one by one.
        """
        try:
            self._transaction.announce("BEGIN")
            self._connection.execute("BEGIN IMMEDIATE")
            self._check()
        except Exception as error:  # noqa: BLE001 - a thread's outermost frame: the error is the callers' answer
            self._roll_back()
            return [_Failed(translated(error)) for _ in group]
        results: list[object] = []
        for request in group:
            result = self._within_savepoint(request)
            if not self._connection.in_transaction:
                return None if len(group) > 1 else [result]
            results.append(result)
        try:
            self._transaction.announce("COMMIT")
        except Exception as error:  # noqa: BLE001 - as above
            self._roll_back()
            return [_Failed(translated(error)) for _ in group]
        try:
            self._connection.execute("COMMIT")
            self._transaction.announce("COMMITTED")
        except Exception as error:  # noqa: BLE001 - as above
            # Its frames may be in the WAL, and a crash before the next commit would restore them.
            self._roll_back()
            return [result if isinstance(result, _Failed) else _Failed(unknown_outcome(error)) for result in results]
        return results

    def _within_savepoint(self, request: _Request) -> object:
        if request.answer.cancelled():
            return None
        try:
            self._connection.execute("SAVEPOINT request")
            result = request.work(self._transaction)
            self._connection.execute("RELEASE request")
        except Exception as error:  # noqa: BLE001 - as above
            if self._connection.in_transaction:
                try:
                    self._connection.execute("ROLLBACK TO request")
                    self._connection.execute("RELEASE request")
                except sqlite3.Error:
                    self._roll_back()
            return _Failed(translated(error))
        return result

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _answer(self, group: Sequence[_Request], results: Sequence[object]) -> None:
        # The loop may have ended without the storage being closed; then no caller is waiting.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, group, results)

    def _deliver(self, group: Sequence[_Request], results: Sequence[object]) -> None:
        for request, result in zip(group, results, strict=True):
            self._places.release()
            if request.answer.done():
                continue
            if isinstance(result, _Failed):
                request.answer.set_exception(result.error)
            else:
                request.answer.set_result(result)
