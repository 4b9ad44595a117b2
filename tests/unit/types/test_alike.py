"""What an unknown name may have been meant for."""

from __future__ import annotations

import pytest

from featurama_core.types.alike import did_you_mean

pytestmark = pytest.mark.unit

NAMES = dict.fromkeys(["distance", "distance_km", "traffic_level", "temperature", "rating", "user_rating"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("distanse", "'distance' or 'distance_km'"),
        ("Temperature", "'temperature'"),
        ("temprature", "'temperature'"),
        ("trafic_level", "'traffic_level'"),
        ("userrating", "'user_rating' or 'rating'"),
    ],
)
def test_names_that_are_alike_are_proposed_the_nearest_first(name: str, meant: str) -> None:
    """Three at most."""
    assert f"did you mean {meant}?" == did_you_mean(name, NAMES, "register it")


@pytest.mark.parametrize("name", ["speed", "", "x" * 10_000, "\ud800", "d"])
def test_a_name_like_no_other_gets_the_other_fix(name: str) -> None:
    """Whatever the text is."""
    assert "register it" == did_you_mean(name, NAMES, "register it")


def test_among_many_names_one_keystroke_is_found() -> None:
    """The last of 300,000 names, with a letter too many, too few, another and two that changed places."""
    many = dict.fromkeys([f"feature_{number:06}" for number in range(300_000)] + ["zeppelin"])
    for typed in ("zepppelin", "zepelin", "zeppalin", "zepeplin"):
        assert "did you mean 'zeppelin'?" == did_you_mean(typed, many, "register it")
