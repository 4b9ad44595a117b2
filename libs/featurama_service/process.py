"""A service as a process of its own: settings from the environment, uvloop, and signals that ask to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Protocol, TypeVar

import uvloop

from featurama_core.types.errors import FeaturamaError
from featurama_service.logs import route_standard_logging
from featurama_service.settings import ServiceSettings, SettingsError, load

_S = TypeVar("_S", bound=ServiceSettings)
_S_contra = TypeVar("_S_contra", contravariant=True)


class Run(Protocol[_S_contra]):
    """`run` of a service's app: owns every resource until `stop` is set."""

    def __call__(self, settings: _S_contra, *, stop: asyncio.Event) -> Coroutine[None, None, None]:
        """Run until `stop` is set and everything is closed."""


def main(kind: type[_S], run: Run[_S]) -> int:
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


async def _until_signalled(settings: _S, run: Run[_S]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask, loop, number, stop)
    await run(settings, stop=stop)


def _ask(loop: asyncio.AbstractEventLoop, number: int, stop: asyncio.Event) -> None:
    # Once: the same signal again ends a process that hangs while it opens or drains.
    loop.remove_signal_handler(number)
    stop.set()
