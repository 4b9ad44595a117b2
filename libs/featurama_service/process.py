"""A service as a process: settings from the environment, uvloop, and signals that stop it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TypeVar

import uvloop

from featurama_core.types.errors import FeaturamaError
from featurama_service.logs import open_log, route_standard_logging
from featurama_service.settings import WORKER, ServerSettings, SettingsError, environment_names, load
from featurama_service.workers import orphaned, say_started, supervise

_S = TypeVar("_S", bound=ServerSettings)
Run = Callable[..., Coroutine[None, None, None]]
"""`run(settings, *, stop, started)` of a service's app: owns every resource until the event `stop` is set, and calls
`started` once it serves.
"""


def main(kind: type[_S], run: Run) -> int:
    """Run a service until SIGTERM or SIGINT, then drain. -> exit code: 2 for settings, 1 for the store.

    With several workers this process starts and watches them; in each, `main` runs the service.
    """
    worker = os.environ.get(WORKER)
    try:
        settings = load(kind)
        if worker not in (None, "0"):
            settings = settings.model_copy(update=dict(kind.FIRST_WORKER_ONLY))
        route_standard_logging(settings)
        if settings.workers > 1 and worker is None:
            module = run.__module__.partition(".")[0]
            log = open_log(settings, module.removeprefix("featurama_"))
            return asyncio.run(supervise(module, settings, environment_names(kind)["listen"], log))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(settings, run))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except FeaturamaError as error:
        sys.stderr.write(f"{error.message} [{error.reason.name}]\n")
        return 1
    return 0


async def _until_signalled(settings: ServerSettings, run: Run) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _request_stop, loop, number, stop)
    if WORKER not in os.environ:
        await run(settings, stop=stop, started=_freeze)
        return

    def started(bound: object) -> None:
        _freeze(bound)
        say_started()

    watching = asyncio.create_task(orphaned())
    watching.add_done_callback(lambda _: stop.set())
    await run(settings, stop=stop, started=started)
    watching.cancel()


def _freeze(_: object) -> None:
    """Take what the start has made, which lives as long as the process, out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def _request_stop(loop: asyncio.AbstractEventLoop, number: int, stop: asyncio.Event) -> None:
    # Handled once: a second signal ends a process that hangs while it opens or drains.
    loop.remove_signal_handler(number)
    stop.set()
