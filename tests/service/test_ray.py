"""Ray Data answers what the single-process engine answers, row for row, on every storage adapter.

All checks run in one process with one Ray, which is started once for both adapters: that is what takes the time.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import CLEAN

ROOT = Path(__file__).parents[2]
CHECKS = [
    "near",
    "far",
    "known",
    "grid",
    "newest",
    "scores",
    "history",
    "corrections matter",
    "scores differ",
]
ONCE = [
    "delivery_metrics",
    "planet_conditions",
    "nothing half written",
    "resumed",
    "same files",
    "same manifest",
    "shut down",
]

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600), pytest.mark.xdist_group("ray")]


def alone() -> list[str]:
    """A command line's beginning that gives it a network of its own, in which Ray listens; nothing where the machine
    does not allow that.
    """
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    apart = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    tried = subprocess.run([*apart, "true"], capture_output=True, check=False)
    return apart if tried.returncode == 0 else []


@pytest.fixture(scope="module")
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Adapter -> URL and namespace; without the CQL server where it is skipped."""
    namespace = f"ray_{uuid.uuid4().hex[:8]}"
    found = {"sqlite": (f"sqlite:///{tmp_path_factory.mktemp('ray')}", namespace)}
    try:
        endpoint = request.getfixturevalue("cql_endpoint")
    except pytest.skip.Exception:
        return found
    return found | {"cql": (f"cassandra://{endpoint.host}:{endpoint.port}", namespace)}


@pytest.fixture(scope="module")
def verdicts(places: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Adapter -> check -> whether Ray and the single process agree. In CI a missing Ray fails."""
    if importlib.util.find_spec("ray") is None and not os.environ.get("CI"):
        pytest.skip("ray is not installed")
    apart = alone() if list(places) == ["sqlite"] else []
    ran = subprocess.run(
        [*apart, sys.executable, "-m", "tests.service.ray_checks", json.dumps(places)],
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
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", [*CHECKS, *ONCE])
def test_ray_answers_as_one_process_does(verdicts: dict[str, Any], name: str) -> None:
    """Training sets (paths followed in place and by partitioning again, known_at, statuses, grids, newest values, all
    kinds of frames), scores and their files, history, sample data; on the embedded storage.
    """
    assert verdicts["sqlite"][name]


@pytest.mark.cql
@pytest.mark.parametrize("name", CHECKS)
def test_ray_answers_as_one_process_does_on_a_cql_server(
    cql_endpoint: object, verdicts: dict[str, Any], name: str
) -> None:
    assert verdicts["cql"][name]
