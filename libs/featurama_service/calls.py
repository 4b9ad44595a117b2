"""The call object of a servicer, and the guard around every call: admission, deadline, errors, access log.

The guard is the only place that catches all exceptions. An exception other than FeaturamaError reaches the client as
INTERNAL with an incident number; its text stays in the log. Cancellation passes through.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import Message
from structlog.typing import FilteringBoundLogger

from featurama.wire import SMALL_MESSAGE
from featurama_core.types.errors import DeadlineExceeded, FeaturamaError, Reason, StoreUnavailable
from featurama_core.types.sizes import CUT_BYTES, too_large
from featurama_service.access_log import AccessLog
from featurama_service.admission import Admission
from featurama_service.first_step import Finished, first_step
from featurama_service.settings import GrpcSettings
from featurama_service.status import grpc_code, grpc_status

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Reply: TypeAlias = Message | bytes
_Answer = TypeVar("_Answer")

_SERVER_FAULTS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNKNOWN})
_STRAINS = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
)


class PeerGone(Exception):
    """The other end of a stream has disconnected."""


class Call:
    """One call, for a servicer. is_large: whether its request is; then no step that reads it whole, or makes an answer
    of its size, runs on the event loop. rows: for the access log. draining: set when the server drains; streams then
    end.
    """

    def __init__(self, method: str, context: Context, guard: Guard, *, size: int = 0) -> None:
        self._context = context
        self._guard = guard
        self.method = method
        self.is_large = size > SMALL_MESSAGE
        self.draining = guard.draining
        self.rows = 0
        self.started = time.perf_counter()

    @property
    def peer(self) -> str:
        """Address of the client."""
        return self._context.peer()

    @property
    def cut_bytes(self) -> int:
        """Bytes of the rows in a page or chunk."""
        return min(CUT_BYTES, self._guard.max_message_bytes * 7 // 8)

    def encode(self, reply: Reply) -> bytes:
        """The bytes of the reply. Raises InvalidInput if they exceed the limit of a message."""
        data = reply if isinstance(reply, bytes) else reply.SerializeToString()
        self.check_size(len(data))
        return data

    def check_size(self, size: int) -> None:
        """Raise InvalidInput if an answer of `size` bytes exceeds the limit of a message."""
        if size > self._guard.max_message_bytes:
            limit = self._guard.max_message_bytes
            raise too_large(size, limit, "request fewer rows or features", what="answer")

    async def send(self, reply: Reply) -> None:
        """Send a message of a streamed answer. Waits while the client does not read. Raises PeerGone if it left."""
        data = self.encode(reply)
        try:
            await self._context.write(data)
        except grpc.aio.InternalError as error:
            raise PeerGone from error

    async def receive(self) -> bytes | None:
        """The next message of a streamed request; None at its end, and when the server drains."""
        if self.draining.is_set():
            return None
        reading = asyncio.ensure_future(self._read())
        draining = asyncio.ensure_future(self.draining.wait())
        try:
            await asyncio.wait((reading, draining), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            reading.cancel()
            draining.cancel()

    def hold(self, size: int) -> AbstractAsyncContextManager[None]:
        """Wait for room for a streamed chunk of `size` bytes and hold it."""
        return self._guard.admission.requests.hold(size)

    def working(self, size: int) -> AbstractAsyncContextManager[None]:
        """Wait for room for work that takes about `size` bytes of memory, and hold it. Once per call: a call that holds
        some must not wait for more.
        """
        return self._guard.admission.work.hold(size)

    def refusal(self, error: Exception) -> FeaturamaError:
        """The error that the client gets for an exception."""
        return self._guard.refusal(error, self.method)

    async def _read(self) -> bytes | None:
        message: object = await self._context.read()
        return message if isinstance(message, bytes) else None  # grpc.aio.EOF otherwise


class Guard:
    """Runs the body of every call of one server. seen: the number of calls, including refused ones."""

    def __init__(self, settings: GrpcSettings, log: FilteringBoundLogger, access: AccessLog | None = None) -> None:
        self._margin = settings.deadline_margin_ms / 1_000
        self._log = log
        self._access = access
        self.max_message_bytes = settings.max_message_bytes
        self.admission = Admission(settings.max_calls, settings.max_request_bytes, settings.max_work_bytes)
        self.draining = asyncio.Event()
        self.seen = 0
        self._released = asyncio.Event()
        self._released.set()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the ends of calls back while the context is open, until their deadlines at most."""
        self._released.clear()
        try:
            yield
        finally:
            self._released.set()

    async def run(
        self,
        call: Call,
        context: Context,
        body: Callable[[Call], Coroutine[Any, Any, _Answer]],
        *,
        size: int,
        default_deadline_ms: int | None,
    ) -> _Answer:
        """Run `body`. An exception ends the call with google.rpc.Status.

        size: bytes of the request. default_deadline_ms: for clients that give no deadline; None means no deadline.
        """
        try:
            self.seen += 1
            left = self._time_left(context, default_deadline_ms)
            if left == 0:
                raise TimeoutError  # noqa: TRY301 - the client has given up: no work for it
            with self.admission.call(size):
                step = first_step(body(call))
                if isinstance(step, Finished):
                    answer = step.answer
                else:
                    async with asyncio.timeout(left):
                        answer = await step
                if not self._released.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._time_left(context, default_deadline_ms)):
                            await self._released.wait()
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            self._note(call, "CANCELLED")
            raise
        except Exception as error:
            if _peer_gone(error):
                self._note(call, "CANCELLED")
                raise asyncio.CancelledError from error
            refusal = self.refusal(error, call.method)
        else:
            self._note(call, "OK")
            return answer
        code = grpc_code(refusal)
        level = logging.ERROR if code in _SERVER_FAULTS else logging.WARNING if code in _STRAINS else logging.INFO
        self._note(call, code.name, level, refusal)
        status = grpc_status(refusal)
        return await context.abort(status.code, status.details, tuple(status.trailing_metadata or ()))

    def refusal(self, error: Exception, method: str) -> FeaturamaError:
        """The error that the client gets for an exception. Unexpected ones are logged under an incident number."""
        while isinstance(error, ExceptionGroup) and all(each is error.exceptions[0] for each in error.exceptions):
            error = error.exceptions[0]  # raised by one task of the call, and by others that waited for it
        if isinstance(error, FeaturamaError):
            return error
        if isinstance(error, TimeoutError):
            return DeadlineExceeded("the deadline ended before the answer was ready; allow more time or ask for less")
        incident = secrets.token_hex(6)
        self._log.error("incident", method=method, incident=incident, exc_info=error)
        return FeaturamaError(
            f"the server failed; its log has the details under incident {incident}",
            reason=Reason.INTERNAL,
            incident=incident,
        )

    def _time_left(self, context: Context, default_deadline_ms: int | None) -> float | None:
        # None without a deadline, which the type stub of grpc omits.
        remaining = cast("float | None", context.time_remaining())
        if remaining is None:
            return None if default_deadline_ms is None else default_deadline_ms / 1_000
        # Ends before the client's own deadline, so that the error arrives with its reason.
        return max(0.0, remaining - self._margin)

    def _note(self, call: Call, code: str, level: int = logging.INFO, refusal: FeaturamaError | None = None) -> None:
        if self._access is None:
            return
        self._access.note(
            level,
            "call",
            method=call.method,
            code=code,
            reason=None if refusal is None else refusal.reason.name,
            ms=round((time.perf_counter() - call.started) * 1_000, 2),
            rows=call.rows,
            peer=call.peer,
        )


def going_down() -> StoreUnavailable:
    """The error that ends a stream of the client when the server drains."""
    return StoreUnavailable("this server is going down; send it again, with the same ids, and another one answers")


def _peer_gone(error: BaseException) -> bool:
    """Whether the other end has left; several tasks of a call may notice it at once."""
    if isinstance(error, BaseExceptionGroup):
        return any(_peer_gone(each) for each in error.exceptions)
    return isinstance(error, (PeerGone, grpc.aio.InternalError))
