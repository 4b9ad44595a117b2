"""The command in this process."""

from __future__ import annotations

from .running import featurama, folder

__all__ = ["featurama", "folder"]
