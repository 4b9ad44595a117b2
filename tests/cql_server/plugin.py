"""The pytest side: one server for the whole session, started by the first worker that asks for it.

The process that owns the session (the xdist controller, or pytest itself) holds a locked file for as long as
it lives; the server's supervisor ends when the kernel lets that lock go, whatever the reason. What the first
worker found (an endpoint, or why there is none) stands in a state file, so that no other worker tries again.

In `tests/conftest.py`: `pytest_plugins = ["tests.cql_server.plugin"]`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from .__main__ import EXIT_UNAVAILABLE
from .endpoint import ENDPOINT_VARIABLE, CqlEndpoint

REPOSITORY = Path(__file__).parents[2]
NODE_HEAP = "768m"


@dataclass(frozen=True, slots=True)
class TierState:
    """What became of the CQL tier in this session: exactly one field is set."""

    endpoint: str | None = None
    skipped: str | None = None
    failed: str | None = None


class SessionFolder:
    """The folder that the workers of one session share; `owner` is the process whose end ends the server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: IO[str] | None = None

    def hold(self) -> None:
        """Take the session's lock; it is let go by `release`, or by the end of this process."""
        self._held = (self.path / "session.lock").open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def release(self) -> None:
        """End the server, wait until it has gone, remove the folder."""
        if self._held is not None:
            self._held.close()
        supervised = self.path / "supervisor.lock"
        if supervised.exists():
            with supervised.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH)
        shutil.rmtree(self.path, ignore_errors=True)

    def state(self) -> TierState | None:
        """What was found so far; None before the first test that needs the server."""
        try:
            return TierState(**json.loads((self.path / "state.json").read_text()))
        except FileNotFoundError:
            return None

    def settled_state(self) -> TierState:
        """What was found, by this worker if it is the first to ask."""
        with (self.path / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state()
            if state is None:
                state = _find_server(self.path)
                part = self.path / "state.part"
                part.write_text(json.dumps(asdict(state)))
                part.rename(self.path / "state.json")
            return state


FOLDER_KEY = pytest.StashKey[SessionFolder]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, or learn from the controller where it is."""
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[FOLDER_KEY] = SessionFolder(Path(worker["cql_session_folder"]))
        return
    folder = SessionFolder(Path(tempfile.mkdtemp(prefix="featurama-cql-")))
    folder.hold()
    config.stash[FOLDER_KEY] = folder


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the folder is."""
    node.workerinput["cql_session_folder"] = str(node.config.stash[FOLDER_KEY].path)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server with the session."""
    folder = config.stash.get(FOLDER_KEY, None)
    if folder is not None and not hasattr(config, "workerinput"):
        folder.release()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where the CQL tier ran, or that it did not run and why."""
    folder = config.stash.get(FOLDER_KEY, None)
    state = folder.state() if folder is not None else None
    if state is None:
        return
    if state.endpoint is not None:
        terminalreporter.write_line(f"CQL tier: ran on {state.endpoint}")
    else:
        terminalreporter.section("CQL tier did not run", yellow=True)
        terminalreporter.write_line(state.skipped or state.failed or "")


@pytest.fixture(scope="session")
def cql_endpoint(request: pytest.FixtureRequest) -> CqlEndpoint:
    """A CQL server: `FEATURAMA_TEST_CQL` (host or host:port) where set, else a node of this session.

    Without Java 17 and Maven the test is skipped with the reason; with CI=true it fails instead.
    """
    state = request.config.stash[FOLDER_KEY].settled_state()
    if state.endpoint is not None:
        return CqlEndpoint.parse(state.endpoint)
    if state.skipped is not None and not _in_ci():
        pytest.skip(f"CQL tier: {state.skipped}")
    pytest.fail(f"CQL tier: {state.skipped or state.failed}", pytrace=False)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _find_server(folder: Path) -> TierState:
    given = os.environ.get(ENDPOINT_VARIABLE)
    if given:
        try:
            return TierState(endpoint=str(CqlEndpoint.parse(given)))
        except ValueError as error:
            return TierState(failed=f"{ENDPOINT_VARIABLE}: {error}")
    # A session of its own: ctrl-C reaches pytest alone, which ends the server after its tests' teardown.
    with (folder / "supervisor.log").open("w") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", __package__, "--heap", NODE_HEAP, "--session", str(folder)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            text=True,
        )
    assert supervisor.stdout is not None
    with supervisor.stdout as announcement:
        said = announcement.readline().strip()
        if said and supervisor.poll() is None and _is_endpoint(said):
            supervisor.returncode = 0  # it outlives this worker by design: no ResourceWarning at its end
            return TierState(endpoint=said)
        said = "\n".join([said, announcement.read().strip()]).strip()
    if supervisor.wait() == EXIT_UNAVAILABLE:
        return TierState(skipped=said)
    return TierState(failed=said or (folder / "supervisor.log").read_text()[-2_000:])


def _is_endpoint(text: str) -> bool:
    host, colon, port = text.partition(":")
    return bool(host and colon and port.isdecimal())
