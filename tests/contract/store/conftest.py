"""A FeatureStore on the namespace that the tests of a worker share, with a clock that a test moves."""

from __future__ import annotations

from .standing_clock import clock, store, unique

__all__ = ["clock", "store", "unique"]
