"""Ray Data answers what the single-process engine answers, row for row, on every storage adapter."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from tests.unit.cli.running import CLEAN

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("ray"),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]


def alone() -> list[str]:
    """A command line's beginning that gives it a network of its own, in which Ray listens; nothing where the machine
    does not allow that.
    """
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    apart = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    tried = subprocess.run([*apart, "true"], capture_output=True, check=False)
    return apart if tried.returncode == 0 else []


def test_ray_answers_as_one_process_does(storage_url: str) -> None:
    """Training sets (paths followed in place and by partitioning again, known_at, statuses), history, sample data."""
    apart = alone() if storage_url.startswith("sqlite:") else []
    ran = subprocess.run(
        [*apart, sys.executable, "-m", "tests.service.ray_checks", storage_url, f"ray_{uuid.uuid4().hex[:8]}"],
        cwd=ROOT,
        env=CLEAN,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-6_000:]
    verdicts = json.loads(ran.stdout.splitlines()[-1])
    print(f"{verdicts.pop('seconds')} s")
    assert dict.fromkeys(verdicts, True) == verdicts
