"""A service as a process: settings from the environment, uvloop, and signals that stop it."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TypeVar

import uvloop

from featurama_core.types.errors import FeaturamaError
from featurama_service.logs import route_standard_logging
from featurama_service.settings import ServiceSettings, SettingsError, load

_S = TypeVar("_S", bound=ServiceSettings)
Run = Callable[..., Coroutine[None, None, None]]
"""`run(settings, *, stop, started)` of a service's app: owns every resource until the event `stop` is set, and calls
`started` once it serves.
"""


def main(kind: type[_S], run: Run) -> int:
    """Run a service until SIGTERM or SIGINT, then drain. -> exit code: 2 for settings, 1 for the store."""
    try:
        settings = load(kind)
        route_standard_logging(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(settings, run))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except FeaturamaError as error:
        sys.stderr.write(f"{error.message} [{error.reason.name}]\n")
        return 1
    return 0


async def _until_signalled(settings: ServiceSettings, run: Run) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _request_stop, loop, number, stop)
    await run(settings, stop=stop, started=_freeze)


def _freeze(_: object) -> None:
    """Take what the start has made, which lives as long as the process, out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def _request_stop(loop: asyncio.AbstractEventLoop, number: int, stop: asyncio.Event) -> None:
    # Handled once: a second signal ends a process that hangs while it opens or drains.
    loop.remove_signal_handler(number)
    stop.set()
