"""Reports of the progress of a build."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report. stage: "labels" (rows read), "history" (periods joined) or "writing" (rows written).

    total: None if it is not known. seconds: since the start of the stage. values: stored values read so far.
    """

    stage: str
    done: int
    total: int | None
    seconds: float
    values: int = 0

    @property
    def rate(self) -> float:
        """Units of the stage per second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Estimated remaining seconds of the stage, None if they are not known."""
        if self.total is None or not self.rate:
            return None
        return max(self.total - self.done, 0) / self.rate


Watcher = Callable[[Progress], None]


class Stage:
    """Reports of one stage. watcher: receives them; None for no reports."""

    def __init__(self, name: str, total: int | None, watcher: Watcher | None) -> None:
        self._name, self._total, self._watcher = name, total, watcher
        self._began = time.monotonic()
        self._done = 0
        self.values = 0

    def advance(self, more: int, values: int = 0) -> None:
        """Report `more` finished units, for which `values` stored values were read."""
        self._done += more
        self.values += values
        if self._watcher is not None:
            seconds = time.monotonic() - self._began
            self._watcher(Progress(self._name, self._done, self._total, seconds, self.values))
