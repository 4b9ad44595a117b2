"""`python -m tests.cql_server`: run one node, print `host:port` when it is ready, stay until told to end.

It ends on ctrl-C, SIGTERM, a closed stdin (a pipe or a terminal; `</dev/null` does not count), the death of
the node, or the end of the pytest session of `--session`. Its folder is removed unless `--data` names it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import FrameType

from .jars import CqlServerUnavailableError
from .node import NodeOptions, NodeStartError, running_node

EXIT_UNAVAILABLE = 3


def main() -> int:
    """Run the node; exit code 3 when this machine lacks what the server needs (said on stdout)."""
    arguments = _parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _leave)
    with ExitStack() as held:
        if arguments.session is not None:
            _join(arguments.session, held)
        elif _is_stream(sys.stdin.fileno()):
            _leave_when(partial(_closed, sys.stdin.fileno()))
        return _serve(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    folder = arguments.data or Path(tempfile.mkdtemp(prefix="featurama-cql-node-"))
    options = NodeOptions(
        folder.resolve(),
        port=arguments.port,
        heap=arguments.heap,
        keep=arguments.data is not None,
        quick=arguments.session is not None,
    )
    try:
        with running_node(options) as node:
            print(node.endpoint, flush=True)
            return node.process.wait()
    except CqlServerUnavailableError as missing:
        print(missing, flush=True)
        return EXIT_UNAVAILABLE
    except NodeStartError as failure:
        print(failure, flush=True)
        return 1
    finally:
        if arguments.data is None:
            shutil.rmtree(folder, ignore_errors=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cql_server", description="Run one Cassandra node on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="native-protocol port (default: a free one)")
    parser.add_argument("--heap", default="768m", help="heap of the JVM, as in -Xmx (default: 768m)")
    parser.add_argument("--data", type=Path, help="keep the node's files here (default: a temporary folder)")
    parser.add_argument("--session", type=Path, help="end with the pytest session of this folder, not with stdin")
    return parser.parse_args()


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def _leave_when(event: Callable[[], object]) -> None:
    """Signal this process once `event()` returns."""

    def watch() -> None:
        try:
            event()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _join(session: Path, held: ExitStack) -> None:
    """End with the session that holds `session.lock`, which then waits for `supervisor.lock`."""
    held.callback(_remove_if_over, session)
    own = held.enter_context((session / "supervisor.lock").open("w"))
    fcntl.flock(own, fcntl.LOCK_EX)
    _leave_when(partial(_released, session / "session.lock"))


def _remove_if_over(session: Path) -> None:
    """A session that was killed removes nothing itself."""
    with suppress(BlockingIOError, FileNotFoundError), (session / "session.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        shutil.rmtree(session, ignore_errors=True)


def _released(lock_file: Path) -> None:
    with lock_file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


def _closed(descriptor: int) -> None:
    while os.read(descriptor, 4096):
        pass


def _is_stream(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return os.isatty(descriptor) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


if __name__ == "__main__":
    sys.exit(main())
