"""The command in this process, on an embedded store of its own directory."""

from __future__ import annotations

from pathlib import Path

import pandas as pd  # noqa: F401 - pyarrow imports it at first use, which would block a guarded event loop
import pytest
from tests.unit.cli.running import Featurama, featurama, folder

__all__ = ["featurama", "folder"]

DEFINITIONS = """
entity_types:
  - {name: planet, description: A place}
feature_groups:
  - {name: weather, entity_type: planet, ttl: 365d}
features:
  - {name: temperature, group: weather, type: double, description: In kelvin, tags: [air]}
  - {name: storm, group: weather, type: bool}
  - {name: nickname, group: weather, type: text}
  - {name: wind, group: weather, type: "vector[3]"}
  - {name: moons, group: weather, type: int}
feature_services:
  - {name: outlook, features: [temperature, storm]}
"""

LONG_CSV = """entity_id,feature_name,value,timestamp
planet_mars,temperature,210.5,2026-01-01T00:00:00Z
planet_mars,temperature,211.25,2026-01-02T00:00:00Z
planet_earth,temperature,288.0,2026-01-02T00:00:00Z
"""


@pytest.fixture
def defined(featurama: Featurama, folder: Path) -> Featurama:
    """The command, with definitions applied."""
    (folder / "planets.yaml").write_text(DEFINITIONS)
    assert featurama("apply", "planets.yaml", "--yes").code == 0
    return featurama


@pytest.fixture
def filled(defined: Featurama, folder: Path) -> Featurama:
    """The command, with definitions and a few values."""
    (folder / "long.csv").write_text(LONG_CSV)
    ran = defined("write", "long.csv")
    assert ran.code == 0, ran.err
    return defined
