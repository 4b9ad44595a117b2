"""Runs the tests of a module against its mutants, each in a fork of one process that has collected the tests.

A fork costs milliseconds where a new pytest costs seconds. The tests are measured once: which of them enter which
function of the module, and what they cost. A mutant is given the tests that enter its function, the cheap ones first,
until one fails.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import pytest
from tools.mutants.forks import INVALID, KILLED, RELOAD, SURVIVED, Found, Slots, exit_code, exit_with
from tools.mutants.operators import Mutant
from tools.mutants.swap import Entered, Replacing, swap


@dataclass(frozen=True, slots=True)
class Subject:
    """A module under test: its name in `make mutants`, its import name, its file, and the tests that may kill."""

    name: str
    module: str
    path: Path
    tests: list[str]


@dataclass(slots=True)
class Measured:
    """What the unchanged module needs: seconds of CPU and of wall clock by test; the tests that enter a function."""

    cpu: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)
    entered: dict[str, list[str]] = field(default_factory=dict)

    def tests(self, mutant: Mutant) -> list[str]:
        """Those that can notice, cheap ones first."""
        found = self.entered.get(mutant.function, []) if mutant.in_body else list(self.cpu)
        return sorted(found, key=lambda test: (self.cpu[test], test))

    def limits(self, tests: list[str]) -> tuple[float, float]:
        """Seconds of CPU and of wall clock after which these tests count as hanging."""
        return 4 + 5 * sum(self.cpu[test] for test in tests), 20 + 5 * sum(self.wall[test] for test in tests)

    def limit(self, test: str) -> float:
        """Seconds of wall clock after which one test counts as hanging."""
        return 20 + 10 * self.wall[test]


def run(subject: Subject, mutants: list[Mutant], jobs: int, found: Found) -> None:
    """Test mutants, `jobs` at a time. One whose module must be loaded anew gets a pytest of its own."""
    by_key = {each.key: each for each in mutants}
    again: list[Mutant] = []

    def took(key: str, outcome: str, test: str) -> None:
        if outcome == RELOAD:
            again.append(by_key[key])
        else:
            found(by_key[key], outcome, test)

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        work = Path(folder)
        host = os.fork()
        if not host:
            exit_with(partial(_pytest, subject, _Host(subject, mutants, jobs, work)), work / "host.log")
        _follow(host, work / "outcomes", took)
        if not (work / "measured").exists():
            raise SystemExit(f"{(work / 'host.log').read_text()}\n{subject.name}: its tests fail as it stands")
        measured = Measured(**json.loads((work / "measured").read_text()))
        slots = Slots(jobs, work, found)
        for mutant in again:
            slots.start(mutant, measured.limits(measured.tests(mutant)), partial(_reloaded, subject, mutant, measured))
        slots.drain()


def _follow(writer: int, path: Path, took: Callable[[str, str, str], None]) -> None:
    """Hand over each line of a growing file until its writer ends."""
    at, done = 0, False
    while not done:
        done = os.waitpid(writer, os.WNOHANG)[0] == writer
        if not done:
            time.sleep(0.2)
        text = path.read_text()[at:] if path.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines(keepends=True):
            at += len(line)
            took(*json.loads(line))


def _pytest(subject: Subject, plugin: object) -> int:
    # Examples are the same ones each time, and none is kept: an outcome depends on the mutant alone.
    os.environ["CI"] = "true"
    plugins = [f"-pno:{name}" for name in ("cacheprovider", "xdist", "faulthandler")]
    arguments = ["-qsx", "-m", "not cql and not ray", "--timeout=0", *plugins, *subject.tests]
    return int(pytest.main(arguments, plugins=[plugin]))


def _reloaded(subject: Subject, mutant: Mutant, measured: Measured, folder: Path) -> int:
    try:
        compile(mutant.source, str(subject.path), "exec", dont_inherit=True)
    except SyntaxError:
        return exit_code(INVALID)
    Replacing(subject.module, str(subject.path), mutant.source).install()
    plugin = _Ordered(measured, folder)
    result = _pytest(subject, plugin)
    return exit_code(SURVIVED if result == 0 else KILLED)


class _Plugin:
    """What every run has in common."""

    def __init__(self, measured: Measured | None = None) -> None:
        self.killer = ""
        self.measured = measured

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """A failing example need not be made small. Before the modules of the tests take their settings."""
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings(phases=[Phase.explicit, Phase.generate]))
        settings.load_profile("mutants")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """The process ends if this test hangs."""
        if self.measured is not None:
            signal.setitimer(signal.ITIMER_REAL, self.measured.limit(nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the first test that fails."""
        if report.failed and not self.killer:
            self.killer = report.nodeid


class _Ordered(_Plugin):
    """A whole pytest, cheap tests first."""

    def __init__(self, measured: Measured, folder: Path) -> None:
        super().__init__(measured)
        self._cpu = measured.cpu
        self._folder = folder

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """As measured, and no test that was not."""
        items[:] = sorted((each for each in items if each.nodeid in self._cpu), key=lambda item: self._cpu[item.nodeid])

    def pytest_sessionfinish(self) -> None:
        """Name the test that failed."""
        (self._folder / "killer").write_text(self.killer)


class _Host(_Plugin):
    """Takes the place of pytest's loop over the tests: measures them, then forks once a mutant."""

    def __init__(self, subject: Subject, mutants: list[Mutant], jobs: int, work: Path) -> None:
        super().__init__()
        self._subject = subject
        self._mutants = mutants
        self._jobs = jobs
        self._work = work

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Test every mutant."""
        importlib.import_module(self._subject.module)
        items = {item.nodeid: item for item in session.items}
        measuring = os.fork()
        if not measuring:
            exit_with(partial(self._measure, session))
        os.waitpid(measuring, 0)
        if not (self._work / "measured").exists():
            return True
        measured = self.measured = Measured(**json.loads((self._work / "measured").read_text()))
        with (self._work / "outcomes").open("a") as file:

            def note(mutant: Mutant, outcome: str, test: str) -> None:
                file.write(json.dumps([mutant.key, outcome, test]) + "\n")
                file.flush()

            slots = Slots(self._jobs, self._work, note)
            for mutant in self._mutants:
                tests = measured.tests(mutant)
                if not tests:
                    note(mutant, SURVIVED, "")
                elif not mutant.in_body:
                    note(mutant, RELOAD, "")
                else:
                    some = [items[test] for test in tests]
                    slots.start(mutant, measured.limits(tests), partial(self._try, session, mutant, some))
            slots.drain()
        return True

    def _try(self, session: pytest.Session, mutant: Mutant, items: list[pytest.Item], folder: Path) -> int:
        from _pytest.main import pytest_runtestloop

        try:
            swap(sys.modules[self._subject.module], mutant.source, mutant.function)
        except SyntaxError:
            return exit_code(INVALID)
        except LookupError:
            return exit_code(RELOAD)
        _temporary_files_in(session, folder)
        session.items, session.testscollected = items, len(items)
        with contextlib.suppress(session.Failed, session.Interrupted):
            pytest_runtestloop(session)
        (folder / "killer").write_text(self.killer)
        return exit_code(KILLED if self.killer else SURVIVED)

    def _measure(self, session: pytest.Session) -> int:
        """Every test once, with each function's code exchanged for the same code."""
        module = sys.modules[self._subject.module]
        source = self._subject.path.read_text()
        for function in {mutant.function for mutant in self._mutants if mutant.in_body}:
            with contextlib.suppress(LookupError):
                swap(module, source, function)
        folder = self._work / "measuring"
        folder.mkdir()
        _temporary_files_in(session, folder)
        measured = Measured()
        following = [*session.items[1:], None]
        with Entered(str(module.__file__)) as entered:
            for item, after in zip(session.items, following, strict=True):
                entered.clear()
                cpu, wall = time.process_time(), time.monotonic()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
                measured.cpu[item.nodeid] = time.process_time() - cpu
                measured.wall[item.nodeid] = time.monotonic() - wall
                for name in entered.functions():
                    measured.entered.setdefault(name, []).append(item.nodeid)
                if self.killer:
                    return 1
        (self._work / "measured").write_text(json.dumps(asdict(measured)))
        return 0


def _temporary_files_in(session: pytest.Session, folder: Path) -> None:
    # pytest would number its folders, and clean them up at an exit that a fork does not have.
    session.config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]  # noqa: SLF001
