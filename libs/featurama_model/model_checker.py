"""Checks models in a child process, so that a hostile model can at most end that process.

One child checks many models, one at a time, and is replaced when it dies. A model is refused for the death of a child
only if it was the first model of that child. A child is started on demand, with an environment without settings and
credentials, and exits when it is idle.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Self

from featurama_core.types.errors import FailedPrecondition, Reason, StoreUnavailable
from featurama_model.checking import ANSWER, REQUEST, CheckLimits
from featurama_model.manifest import ModelManifest
from featurama_model.structure import Structure

PROGRAM = (sys.executable, "-P", "-m", "featurama_model.checking")

_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")
_MAX_ANSWER_BYTES = 64 * 1024
_START_S = 60.0
_EXIT_S = 5.0
_PIECE = 256 * 1024
_FACTS = {"features": int, "trees": int, "nodes": int, "depth": int, "objective": str, "outputs": int}


class _ChildDied(Exception):
    """The child ended instead of answering."""


class _Unreadable(Exception):
    """The child's output is not a valid answer."""


class _TookTooLong(Exception):
    """The child did not answer in time."""


class ModelChecker:
    """Checks models in a child process. All methods block: callers on an event loop use a thread.

    Any thread may check; one check runs at a time. `close` ends the child and the check in progress.
    """

    def __init__(self, limits: CheckLimits | None = None, *, program: Sequence[str] = PROGRAM) -> None:
        self._limits = limits or CheckLimits()
        self._program = tuple(program)
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self.started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the child; None without a child."""
        child = self._child
        return None if child is None else child.pid

    def check(self, manifest: ModelManifest, artefact: bytes) -> Structure:
        """The structure of a model that the child has checked, loaded and predicted with.

        Raises FailedPrecondition (MODEL_UNUSABLE) with the problem, also if the child died of it; StoreUnavailable if
        no child can be started.
        """
        with self._turn:
            try:
                answer = self._ask(manifest.to_json().encode(), artefact)
            except _TookTooLong:
                self._end()
                raise manifest.unusable(f"checking it took more than {self._limits.seconds:g} seconds") from None
            except _Unreadable:
                self._end()
                raise manifest.unusable("the answer of the process that checked it cannot be read") from None
            except _ChildDied:
                if self._closed.is_set():
                    raise _cannot_check("is going down") from None
                raise manifest.unusable(f"the process that checked it {self._cause()}") from None
            except BaseException:
                self._end()  # half a request may have been sent
                raise
        if isinstance(answer, str):
            raise FailedPrecondition(
                answer, reason=Reason.MODEL_UNUSABLE, model=manifest.name, version=manifest.version
            )
        return answer

    def close(self) -> None:
        """End the child and refuse further checks. Safe to call again."""
        self._closed.set()
        child = self._child
        if child is not None:
            child.kill()
        with self._turn:
            self._end()

    def _ask(self, manifest: bytes, artefact: bytes) -> Structure | str:
        """The structure, or the problem."""
        child = self._child
        if child is not None:
            try:
                return self._exchange(child, manifest, artefact)
            except _ChildDied:
                self._end()  # it was idle, was killed, or died of this model or of an earlier one
        return self._exchange(self._start(), manifest, artefact)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._closed.is_set():
            raise _cannot_check("is going down")
        limits = self._limits
        arguments = (str(limits.memory_bytes), str(limits.cpu_seconds), str(limits.idle_seconds))
        try:
            child = subprocess.Popen(  # noqa: S603  our own module, by the interpreter that runs us
                (*self._program, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ),
                bufsize=0,
                # Ctrl-C on a terminal drains the server; the check in progress continues.
                start_new_session=True,
            )
        except OSError as error:
            raise _cannot_check("cannot start the checking process") from error
        self._child = child
        self.started += 1
        try:
            for pipe in (_pipe(child.stdin), _pipe(child.stdout)):
                os.set_blocking(pipe, False)
            _receive(child, time.monotonic() + _START_S)
        except (_ChildDied, _Unreadable, _TookTooLong):
            closed = self._closed.is_set()
            self._end()
            raise _cannot_check("is going down" if closed else "has no checking process, which has ended") from None
        return child

    def _exchange(self, child: subprocess.Popen[bytes], manifest: bytes, artefact: bytes) -> Structure | str:
        ends = time.monotonic() + self._limits.seconds
        _send(child, REQUEST.pack(len(manifest), len(artefact)) + manifest, ends)
        _send(child, artefact, ends)
        return _read_answer(_receive(child, ends))

    def _cause(self) -> str:
        """How the child ended, as text; the next check starts another."""
        child = self._child
        try:
            # Its pipe has ended, so the child has ended or is about to.
            code = child.wait(_EXIT_S) if child is not None else 0
        except subprocess.TimeoutExpired:
            return "no longer answers"
        finally:
            self._end()
        if code == -signal.SIGXCPU:
            return f"took more than {self._limits.cpu_seconds} seconds of processor time"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with code {code}"

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that the child needs to find its modules and libraries, and no others."""
    kept = {name: variables[name] for name in _KEPT if name in variables}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**kept, **threads, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _send(child: subprocess.Popen[bytes], data: bytes, ends: float) -> None:
    left = memoryview(data)
    with selectors.DefaultSelector() as selector:
        selector.register(_pipe(child.stdin), selectors.EVENT_WRITE)
        while left:
            _wait(selector, ends)
            try:
                left = left[os.write(_pipe(child.stdin), left[:_PIECE]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise _ChildDied from error


def _receive(child: subprocess.Popen[bytes], ends: float) -> bytes:
    (size,) = ANSWER.unpack(_receive_exactly(child, ANSWER.size, ends))
    if size > _MAX_ANSWER_BYTES:
        raise _Unreadable
    return _receive_exactly(child, size, ends)


def _receive_exactly(child: subprocess.Popen[bytes], size: int, ends: float) -> bytes:
    found = b""
    with selectors.DefaultSelector() as selector:
        selector.register(_pipe(child.stdout), selectors.EVENT_READ)
        while len(found) < size:
            _wait(selector, ends)
            try:
                part = os.read(_pipe(child.stdout), size - len(found))
            except BlockingIOError:
                continue
            except OSError as error:
                raise _ChildDied from error
            if not part:
                raise _ChildDied
            found += part
    return found


def _wait(selector: selectors.BaseSelector, ends: float) -> None:
    left = ends - time.monotonic()
    if left <= 0 or not selector.select(left):
        raise _TookTooLong


def _pipe(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    try:
        return pipe.fileno()
    except ValueError as error:  # closed meanwhile
        raise _ChildDied from error


def _read_answer(data: bytes) -> Structure | str:
    """A hostile model may have taken over the child, so its answer is validated strictly."""
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise _Unreadable from error
    if isinstance(answer, dict) and isinstance(problem := answer.get("problem"), str):
        return "".join(each for each in problem[:1_000] if each.isprintable())
    facts = answer.get("structure") if isinstance(answer, dict) else None
    if not isinstance(facts, dict) or {name: type(fact) for name, fact in facts.items()} != _FACTS:
        raise _Unreadable
    return Structure(**facts)


def _cannot_check(why: str) -> StoreUnavailable:
    return StoreUnavailable(f"this server cannot check models now: it {why}; try again")
