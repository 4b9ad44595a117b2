"""The city of the rides, filled once for each adapter and file of tests."""

from __future__ import annotations

from .ride_city import city, store

__all__ = ["city", "store"]
