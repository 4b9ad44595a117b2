"""Running the command in this process, in a directory of its own. Imported by the conftest of each tier."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from featurama_cli.main import main


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Featurama = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which commands run; nothing of the environment reaches them."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("FEATURAMA_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def featurama(folder: Path, capsys: pytest.CaptureFixture[str]) -> Featurama:
    """`featurama("get", "planet_mars")` -> exit code and output."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = 0
        try:
            main([str(each) for each in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run
