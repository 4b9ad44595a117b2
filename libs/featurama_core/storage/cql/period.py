"""A registered period of a group: how it is cut, and the tables that hold its values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Period:
    """A registered period. packed_since: since when packed cells may exist, None if none do. rows_ended: since when
    reads leave the per-value tables out, None while they read them. Microseconds.
    """

    buckets: int
    packed_since: int | None = None
    rows_ended: int | None = None

    @property
    def packed(self) -> bool:
        """Whether packed cells may exist. Writers then write nothing else."""
        return self.packed_since is not None

    @property
    def rows(self) -> bool:
        """Whether the per-value tables may hold values that are in no packed cell."""
        return self.rows_ended is None
