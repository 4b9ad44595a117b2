"""Several processes that serve one address: their parent starts them, restarts those that die, and drains all together.

Every worker is a process of its own (spawned, never forked) with its own event loop, stores and listener; the kernel
distributes connections (SO_REUSEPORT). The standard input of a worker is a socket to the parent: the worker writes a
byte once it serves, and drains at its end, which means that the parent has died.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from structlog.typing import FilteringBoundLogger

from featurama_service.settings import WORKER, SettingsError, WorkerSettings

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0
_WELL_AFTER_S: Final = 60.0


async def supervise(module: str, settings: WorkerSettings, listen_variable: str, log: FilteringBoundLogger) -> int:
    """Run the workers of a service until SIGTERM or SIGINT and the end of their drain. -> exit code.

    module: `python -m` runs it as a worker. A worker that ends before all have started ends the others, and its exit
    code is returned. Raises SettingsError if the address is taken.
    """
    with _reserved(settings.listen) as address:
        workers = _Workers(module, {**os.environ, listen_variable: address}, log)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, workers.stop, number)
        # The first one alone: what keeps it from starting is said once, and it makes an embedded storage.
        code = await workers.start(range(1))
        if code is None:
            code = await workers.start(range(1, settings.workers))
        if code is None:
            log.info("serving", address=address, workers=settings.workers)
        elif not workers.stopping.is_set():
            workers.stop(signal.SIGTERM)
        ended = await workers.ended()
    log.info("stopped")
    return code if code is not None and code > 0 else ended


class _Workers:
    def __init__(self, module: str, environment: dict[str, str], log: FilteringBoundLogger) -> None:
        self._module = module
        self._environment = environment
        self._log = log
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[int]] = []
        self.stopping = asyncio.Event()

    def stop(self, number: int) -> None:
        """Pass a signal on. The first one drains the workers, a second one ends them."""
        if not self.stopping.is_set():
            self._log.info("draining")
        self.stopping.set()
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(number)

    async def start(self, numbers: range) -> int | None:
        """Start workers and keep them running. -> None when all serve, the exit code of one that ended before."""
        loop = asyncio.get_running_loop()
        started: list[asyncio.Future[int | None]] = [loop.create_future() for _ in numbers]
        self._tasks += [asyncio.create_task(self._keep(*each)) for each in zip(numbers, started, strict=True)]
        for each in asyncio.as_completed(started):
            if (code := await each) is not None:
                return code
        return None

    async def ended(self) -> int:
        """The exit code after all workers have ended."""
        return int(any(await asyncio.gather(*self._tasks)))

    async def _keep(self, number: int, started: asyncio.Future[int | None]) -> int:
        """Run a worker, again whenever it ends by itself. -> its last exit code."""
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_S
        while True:
            began = loop.time()
            code, served = await self._run(number, started)
            if self.stopping.is_set():
                return code if served else 0
            if started.done() and started.result() is not None:
                return code
            pause = _FIRST_PAUSE_S if served and loop.time() - began > _WELL_AFTER_S else pause
            self._log.error("worker ended", worker=number, code=code, again_in_s=pause)
            try:
                await asyncio.wait_for(self.stopping.wait(), pause)
            except TimeoutError:
                pause = min(_LONGEST_PAUSE_S, 2 * pause)
            else:
                return 0

    async def _run(self, number: int, started: asyncio.Future[int | None]) -> tuple[int, bool]:
        """Run a worker to its end. -> (exit code, whether it has served)."""
        mine, its = socket.socketpair()
        with mine:
            with its:
                try:
                    process = await self._spawn(number, its.fileno())
                except OSError as error:
                    self._log.error("no worker", worker=number, error=error.strerror)
                    if not started.done():
                        started.set_result(1)
                    return 1, False
            self._running[number] = process
            if self.stopping.is_set():
                process.terminate()
            mine.setblocking(False)
            try:
                served = bool(await asyncio.get_running_loop().sock_recv(mine, 1))
            except ConnectionError:
                served = False
            if served and not started.done():
                started.set_result(None)
            code = await process.wait()
        if not started.done():
            started.set_result(code)
        return code, served

    async def _spawn(self, number: int, stdin: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            stdin=stdin,
            env={**self._environment, WORKER: str(number)},
            # Ctrl-C on a terminal reaches the parent only, which passes it on.
            start_new_session=True,
        )


@contextmanager
def _reserved(listen: str) -> Iterator[str]:
    """Hold an address for the workers, which alone listen on it. -> it, with the port that port 0 became."""
    host, _, port = listen.rpartition(":")
    try:
        family, kind, _, _, where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # Fails where another server listens, which with SO_REUSEPORT would share its connections silently.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
        holding = socket.socket(family, kind)
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holding.bind(where)
    except OSError as error:
        raise SettingsError(f"listen: cannot listen on {listen}; is the port taken?") from error
    with holding:
        yield f"{host}:{holding.getsockname()[1]}"


def say_started() -> None:
    """Tell the parent of this worker that it serves."""
    os.write(sys.stdin.fileno(), b"\n")


async def orphaned() -> None:
    """Return when the parent of this worker has died."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as parent:
        parent.setblocking(False)
        while await asyncio.get_running_loop().sock_recv(parent, 1):
            pass
