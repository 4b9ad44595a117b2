"""Ray Data answers what the single-process engine answers, row for row, on every storage adapter."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from tests.unit.cli.running import CLEAN

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def alone() -> list[str]:
    """A command line's beginning that gives it a network of its own, in which Ray listens; nothing where the machine
    does not allow that.
    """
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    apart = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    tried = subprocess.run([*apart, "true"], capture_output=True, check=False)
    return apart if tried.returncode == 0 else []


def test_ray_answers_as_one_process_does(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Training sets (paths followed in place and by partitioning again, known_at, statuses, grids, newest values, all
    kinds of frames), scores and their files, history, sample data. One test with one Ray for both adapters: to start
    it takes most of the time. In CI a missing Ray fails, as a missing CQL server does.
    """
    if importlib.util.find_spec("ray") is None and not os.environ.get("CI"):
        pytest.skip("ray is not installed")
    namespace = f"ray_{uuid.uuid4().hex[:8]}"
    places = {"sqlite": (f"sqlite:///{tmp_path}", namespace)}
    left_out = ""
    try:
        endpoint = request.getfixturevalue("cql_endpoint")
        places["cql"] = (f"cassandra://{endpoint.host}:{endpoint.port}", namespace)
    except pytest.skip.Exception as skipped:
        left_out = str(skipped)
    ran = subprocess.run(
        [*([] if "cql" in places else alone()), sys.executable, "-m", "tests.service.ray_checks", json.dumps(places)],
        cwd=ROOT,
        env=CLEAN,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-6_000:]
    print(ran.stderr)
    verdicts = json.loads(ran.stdout.splitlines()[-1])
    assert {name: [check for check, agrees in found.items() if not agrees] for name, found in verdicts.items()} == (
        {name: [] for name in places}
    )
    assert all(len(found) >= 9 for found in verdicts.values())
    if left_out:
        pytest.skip(f"agrees on SQLite; {left_out}")
