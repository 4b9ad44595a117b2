"""Forked processes with limits: an outcome from each, whatever happens in it."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tools.mutants.operators import Mutant

KILLED, SURVIVED, TIMEOUT, INVALID, RELOAD = "killed", "survived", "timeout", "invalid", "reload"
"""TIMEOUT counts as killed. INVALID: no Python, so no mutant. RELOAD: needs the module loaded anew."""
_OUTCOMES = {0: SURVIVED, 1: KILLED, 3: INVALID, 4: RELOAD}
_MEMORY = 6 << 30

Found = Callable[[Mutant, str, str], None]
"""Takes a mutant, its outcome and the test that killed it."""


def exit_code(outcome: str) -> int:
    """How a fork says its outcome."""
    return next(code for code, each in _OUTCOMES.items() if each == outcome)


def exit_with(body: Callable[[], int], log: Path | None = None) -> NoReturn:
    """Run a fork's work and end it, without what the parent has registered for its own end."""
    code = 1
    try:
        if log is not None:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
        code = body()
    except BaseException:  # noqa: BLE001  # whatever a mutant does, its process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass(slots=True)
class _Running:
    mutant: Mutant
    folder: Path
    deadline: float


class Slots:
    """Runs up to `jobs` mutants at a time."""

    def __init__(self, jobs: int, work: Path, found: Found) -> None:
        self._jobs = jobs
        self._work = work
        self._found = found
        self._running: dict[int, _Running] = {}

    def start(self, mutant: Mutant, limits: tuple[float, float], body: Callable[[Path], int]) -> None:
        """Test a mutant once there is room. limits: seconds of CPU and of wall clock. body: takes a folder of its own,
        and leaves the name of the killing test in its file `killer`.
        """
        self._wait(self._jobs - 1)
        folder = Path(tempfile.mkdtemp(dir=self._work))
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            seconds = int(limits[0]) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + seconds, resource.RLIM_INFINITY))
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, resource.RLIM_INFINITY))
            exit_with(lambda: body(folder), folder / "log")
        self._running[child] = _Running(mutant, folder, time.monotonic() + limits[1])

    def drain(self) -> None:
        """Wait for all."""
        self._wait(0)

    def _wait(self, most: int) -> None:
        while len(self._running) > most:
            for child, running in list(self._running.items()):
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended or time.monotonic() > running.deadline:
                    self._end(child, status if ended else None)
            if len(self._running) > most:
                time.sleep(0.01)

    def _end(self, child: int, status: int | None) -> None:
        """status: None for one that is out of time."""
        running = self._running.pop(child)
        # Processes that its tests have started end with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if status is None:
            os.waitpid(child, 0)
            outcome = TIMEOUT
        elif os.WIFSIGNALED(status):
            outcome = TIMEOUT if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGALRM) else KILLED
        else:
            outcome = _OUTCOMES[os.WEXITSTATUS(status)]
        killer = running.folder / "killer"
        self._found(running.mutant, outcome, killer.read_text() if killer.exists() else "")
        shutil.rmtree(running.folder, ignore_errors=True)
