"""The site of the documentation: no broken link, every public name, nothing loaded from other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.running import CLEAN

import featurama
import featurama.errors

ROOT = Path(__file__).parents[2]
RAY = ROOT / "services/trainer/featurama_trainer/ray/__init__.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A link that leads nowhere, or a name that the reference cannot find, fails the build."""
    folder = tmp_path_factory.mktemp("site")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=CLEAN | {"PATH": os.environ["PATH"], "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4_000:]
    return folder


def test_the_reference_describes_every_public_name(site: Path) -> None:
    """Of the client, of its errors and of the functions on Ray."""
    pages = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    described = set(re.findall(r'id="(featurama[\w.]*)"', pages))
    public = {f"featurama.{name}" for name in featurama.__all__}
    public |= {f"featurama.errors.{name}" for name in featurama.errors.__all__}
    exported = re.search(r"__all__ = \[(.*?)\]", RAY.read_text(encoding="utf-8"), re.DOTALL)
    assert exported is not None
    public |= {f"featurama_trainer.ray.{name}" for name in re.findall(r'"(\w+)"', exported[1])}
    # Two are described under their shorter names, two functions are named like their modules.
    homes = {
        "featurama.errors.FeaturamaError": "featurama.FeaturamaError",
        "featurama.errors.Reason": "featurama.Reason",
    }
    homes |= {
        f"featurama_trainer.ray.{name}": f"featurama_trainer.ray.{name}.{name}" for name in ("history", "training_set")
    }
    assert set() == {homes.get(name, name) for name in public} - described


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    """Neither a script nor a style sheet, a font or a picture: the pages work without a network."""
    loaded = r"""(?:<(?:script|img|iframe)\b[^>]*\bsrc|<link\b[^>]*\bhref)=["']?(?:https?:)?//"""
    assert [] == [page.name for page in site.rglob("*.html") if re.search(loaded, page.read_text(encoding="utf-8"))]
    styles = [page for page in site.rglob("*.css") if re.search(r"url\([\"']?(?:https?:)?//", page.read_text("utf-8"))]
    assert [] == styles
