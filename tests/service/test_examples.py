"""Every example runs as a newcomer runs it: in a process of its own, in an empty directory."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.running import CLEAN

EXAMPLES = Path(__file__).parents[2] / "examples"
LEAK = "04_point_in_time.py"
SHOWN = {
    "01_quick_start.py": "planet_omicron_persei_8            0.9",
    "02_online_serving.py": "Traffic of Mars, written a moment ago: 0.99",
    "03_time_series.py": r"known Tuesday +\[0\.45, 0\.95\]\n +known today +\[0\.1, 0\.95\]",
    "05_train_and_promote.py": "Promoted: champion is now version 2",
    "06_rest_gateway.py": "/features/planet_nowhere -> 404",
    "07_ray_integration.py": "The same rows, in the same order: True",
}


def run(name: str, folder: Path) -> str:
    """What the example prints. Its warnings are errors here; it leaves nothing in its directory."""
    ran = subprocess.run(
        # Ray warns of what is not ours.
        [sys.executable, *([] if "ray" in name else ["-W", "error"]), EXAMPLES / name],
        cwd=folder,
        env=CLEAN,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3_000:] + ran.stderr[-6_000:]
    assert not list(folder.iterdir())
    return ran.stdout


def test_every_example_is_tested() -> None:
    assert sorted([*SHOWN, LEAK]) == sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [pytest.param(each, marks=[pytest.mark.ray] * ("ray" in each)) for each in SHOWN])
def test_an_example_runs_and_shows_what_it_is_about(name: str, tmp_path: Path) -> None:
    if "ray" in name and importlib.util.find_spec("ray") is None and not os.environ.get("CI"):
        pytest.skip("ray is not installed")
    assert re.search(SHOWN[name], run(name, tmp_path))


def test_the_leaking_model_scores_better_than_it_predicts(tmp_path: Path) -> None:
    """The point of the example: a false score near 1, and the honest model ahead where it counts."""
    scores = [float(line.split()[-1]) for line in run(LEAK, tmp_path).splitlines() if "scored on" in line]
    false_score, leaking, _, honest = scores
    assert false_score > 0.99
    assert leaking < honest < false_score
