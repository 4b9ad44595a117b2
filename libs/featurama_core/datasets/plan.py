"""What a build would read, told before it does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Way = Literal["scan", "slices"]
Reading = Literal["auto", "scan", "slices"]


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """One period of one group. period: its first moment; entities: of the label rows that may need it; rows: stored
    values that will be read, seconds: for them, both estimated from a sample.

    via: the reference that a path follows there, "" for the label rows' own features; the entities are then estimated
    too, from what the reference names in so many sampled label rows. column: the entity column that it is for, ""
    where there is but one.
    """

    group: str
    features: int
    period: str
    partitions: int
    way: Way
    why: str
    entities: int
    rows: int
    seconds: float
    via: str = ""
    sampled: int = 0
    column: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build would read. label_rows, label_entities: of the request's rows; paths: the references of features
    that are read of the entities which label rows name; columns: the entity columns where there are several, whose
    entities and passes are added up.

    A label row is taken to need the newest period that it reaches; where that holds nothing for it, older ones are
    read besides.
    """

    label_rows: int
    label_entities: int
    passes: int
    parts: int
    reads: tuple[PlannedRead, ...]
    paths: tuple[str, ...]
    columns: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Stored values to be read, about."""
        return sum(each.rows for each in self.reads)

    @property
    def partitions(self) -> int:
        """Partitions to be scanned or sliced."""
        return sum(each.partitions for each in self.reads)

    @property
    def seconds(self) -> float:
        """For all reads, about."""
        return sum(each.seconds for each in self.reads)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, totals included."""
        totals = {"rows": self.rows, "partitions": self.partitions, "seconds": round(self.seconds, 3)}
        return totals | asdict(self) | {"reads": [asdict(each) for each in self.reads]}
