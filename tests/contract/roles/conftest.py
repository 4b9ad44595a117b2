"""A league, filled once for each adapter and file of tests."""

from __future__ import annotations

from .league import league, store

__all__ = ["league", "store"]
