"""Settings of the sample world are checked once, and an error names the field."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from featurama_world import END, WorldConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 2**64),
        ("characters", 0),
        ("planets", 1),
        ("deliveries", -1),
        ("deliveries", 100_000_000),
        ("days", 1),
        ("days", 1.5),
        ("days", True),
        ("days", "60"),
        ("readings_per_day", 0),
        ("character_readings_per_day", 100_000),
        ("end", "2026-01-01"),
        ("end", datetime(2026, 1, 1)),  # noqa: DTZ001 - the naive time is what is tested
        ("end", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    """The message starts with the field and says what is allowed."""
    with pytest.raises(ValueError, match=f"^{field} must "):
        replace(WorldConfig(), **{field: value})


def test_the_default_world_is_the_documented_one() -> None:
    """12 characters, 20 planets, 2,000 deliveries, 60 days, ending at a constant time."""
    config = WorldConfig()
    assert (config.characters, config.planets, config.deliveries, config.days) == (12, 20, 2_000, 60)
    assert config.end == END == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_config_never_changes() -> None:
    """A setting cannot be assigned after the checks."""
    config = WorldConfig()
    with pytest.raises(FrozenInstanceError):
        config.days = 1  # type: ignore[misc]
