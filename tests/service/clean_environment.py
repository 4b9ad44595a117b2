"""Environments that hold the wheel of this project and one extra of it, and nothing else.

The packages of an extra are those that the wheel declares, and theirs, at the versions of `requirements/dev.txt`; they
come from uv's cache, and from the index where they are not in it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.unit.cli.running import CLEAN

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "dev.txt"
STANDS_IN = {"xgboost": "xgboost-cpu"}
"""The GPU build brings half a gigabyte of libraries; the CPU build has the same module."""


@dataclass(frozen=True)
class Wheel:
    """A built wheel. requires: what it declares. extras: their names."""

    path: Path
    requires: tuple[Requirement, ...]
    extras: tuple[str, ...]

    @classmethod
    def built(cls, folder: Path) -> Wheel:
        """The wheel of the working tree."""
        _run([_tool("hatchling"), "build", "-t", "wheel", "-d", folder], cwd=ROOT)
        (path,) = folder.glob("*.whl")
        with ZipFile(path) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            declared = message_from_bytes(archive.read(name))
        requires = tuple(map(Requirement, declared.get_all("Requires-Dist", [])))
        return cls(path, requires, tuple(declared.get_all("Provides-Extra", [])))

    def packages(self, extra: str) -> set[str]:
        """The names of all packages that pip would install for an extra; "" for the wheel alone."""
        found: set[str] = set()
        waiting = [("", ""), ("", extra)]
        seen = set(waiting)
        while waiting:
            package, wanted = waiting.pop()
            requires = self.requires if not package else map(Requirement, distribution(package).requires or ())
            for each in _named(requires, wanted):
                own = canonicalize_name(each.name)
                name = "" if own == "featurama" else STANDS_IN.get(own, own)
                if name:
                    found.add(name)
                for further in {(name, ""), *((name, one) for one in each.extras)} - seen:
                    seen.add(further)
                    waiting.append(further)
        return found


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel and an extra. Programs run in `folder`.

    Every environment of a wheel replaces the one before, at the same path: what Python has compiled is used again.
    """

    folder: Path
    python: Path
    environment: Mapping[str, str]

    @classmethod
    def of(cls, wheel: Wheel, extra: str, folder: Path) -> Installed:
        """A new environment."""
        at = wheel.path.parent
        compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(at / "compiled")}
        made = cls(folder, at / "env" / "bin" / "python", CLEAN | compiled)
        _run([_tool("uv"), "venv", "--quiet", "--clear", "--python", sys.executable, at / "env"])
        pinned = folder / "pinned.txt"
        pinned.write_text("".join(_pins(wheel.packages(extra))))
        sync = [_tool("uv"), "pip", "sync", "--quiet", "--python", made.python, "--require-hashes", pinned]
        if _ran([*sync, "--offline"]).returncode:
            _run(sync)
        alone = ["--no-deps", "--no-index", wheel.path]
        _run([_tool("uv"), "pip", "install", "--quiet", "--python", made.python, *alone])
        return made

    def ran(self, *command: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """A program of the environment, in its folder: `python ...` or a script."""
        return _ran([self.program(command[0]), *command[1:]], cwd=self.folder, env={**self.environment, **environment})

    def succeeded(self, *command: object, **environment: str) -> str:
        """The output of a program that ends well."""
        done = self.ran(*command, **environment)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2_000:]}\n{done.stderr[-4_000:]}"
        return done.stdout

    def refusal(self, *command: object) -> str:
        """The one line of a program that ends with exit code 2."""
        done = self.ran(*command)
        assert (2, "") == (done.returncode, done.stdout), done.stderr[-4_000:]
        (line,) = done.stderr.splitlines()
        return line

    def program(self, name: object) -> Path:
        """The path of a program of the environment."""
        return self.python.with_name(str(name))


def _named(requires: Iterable[Requirement], extra: str) -> Iterator[Requirement]:
    """The requirements of an extra: those alone that it adds, and for "" those of the package itself."""
    for each in requires:
        plain = each.marker is None or each.marker.evaluate({"extra": ""})
        if plain if not extra else (not plain and each.marker is not None and each.marker.evaluate({"extra": extra})):
            yield each


def _pins(names: set[str]) -> Iterator[str]:
    """The lines of the lock, with hashes, of some packages."""
    pins = {}
    for block in re.split(r"\n(?=[a-z])", LOCK.read_text()):
        requirement = re.match(r"([\w.-]+)==", block)
        if requirement is not None:
            pins.setdefault(canonicalize_name(requirement[1]), []).append(block.rstrip() + "\n")
    assert names <= pins.keys(), f"not in {LOCK.name}: {names - pins.keys()}; run `make lock`"
    for name in sorted(names):
        yield from pins[name]


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _ran(command: list[object], **where: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        **{"env": os.environ, **where},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _run(command: list[object], **where: object) -> None:
    done = _ran(command, **where)
    assert done.returncode == 0, f"{command}\n{done.stderr[-4_000:]}"
