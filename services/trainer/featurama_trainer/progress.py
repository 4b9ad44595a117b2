"""How a run tells what it is doing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then while a stage goes on: `labels`, `features`, `validation` (finding the number of
    rounds), `training`, `cross-validation`, `publishing`.

    What computes (`validation`, `training`, `cross-validation`) is told from its thread, the rest from the loop.
    """

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """`done` of `total` rows or rounds; a `total` of 0 is not known beforehand."""


def silent(_stage: str, _done: int, _total: int, /) -> None:
    """Tell nothing."""
