"""Definitions as Python shows them."""

from __future__ import annotations

from featurama_core.types.schema import FeatureGroup


def test_a_group_shows_its_ages_as_they_are_given() -> None:
    """With units, as texts that make the group again."""
    group = FeatureGroup("weather", "planet", ttl="400d", buckets=2)
    assert "ttl='400d', retention=None, buckets=2" in repr(group)
    assert "ttl='1500ms'" in repr(FeatureGroup("weather", ttl="1500ms"))
