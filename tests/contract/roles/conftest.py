"""A league, filled once for each adapter and worker."""

from __future__ import annotations

from .league import league, store

__all__ = ["league", "store"]
