"""Running the command in this process, in a directory of its own. Imported by the conftest of each tier."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from featurama_cli.main import main

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("FEATURAMA_")}


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


def run_in(folder: Path, *arguments: object) -> Ran:
    """Run a command line in a directory. No error may show a traceback."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(each) for each in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    assert "Traceback" not in err.getvalue()
    return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which commands run; nothing of the environment reaches them."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(CLEAN):
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def featurama(folder: Path) -> Featurama:
    """`featurama("get", "planet_mars")` -> exit code and output."""
    return partial(run_in, folder)
