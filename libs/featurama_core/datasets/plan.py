"""The estimated reads of a build."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from featurama_core.datasets.text import aligned, counted

ChosenStrategy = Literal["scan", "lookup", "seek"]
Strategy = Literal["auto", "scan", "lookup", "seek"]
"""scan: whole partitions. lookup: the entities of the rows. seek: one event per row if the storage finds it (SQLite),
else as lookup. auto: the one that is estimated to be the fastest.
"""


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """The read of one period of one group. period: its first time. entities: number of entities of label rows that may
    need it. rows, seconds: estimates of stored values read and of the time for them, from a sample.

    strategy, reason: the strategy and its reason. via: the reference of a path, "" for features of the label rows'
    entities; the entities are then estimated from `sampled` label rows. roles: whose entities these are, if the rows
    name several.
    """

    group: str
    features: int
    period: str
    partitions: int
    strategy: ChosenStrategy
    reason: str
    entities: int
    rows: int
    seconds: float
    via: str = ""
    sampled: int = 0
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The estimated reads of a build. label_rows, label_entities: number of label rows and of their entities. paths:
    references of the requested paths. roles: of the request, if it declares any; entities and passes are added up over
    their types.

    A label row is assumed to need only the newest period that it may see. Older periods are read if that has no value.
    """

    label_rows: int
    label_entities: int
    passes: int
    parts: int
    reads: tuple[PlannedRead, ...]
    paths: tuple[str, ...]
    roles: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The reads as a table, and the totals."""
        return "\n".join([*aligned(self.table()), self.summary()])

    @property
    def rows(self) -> int:
        """Estimated number of stored values to be read."""
        return sum(each.rows for each in self.reads)

    @property
    def partitions(self) -> int:
        """Number of partitions to be read."""
        return sum(each.partitions for each in self.reads)

    @property
    def seconds(self) -> float:
        """Estimated seconds for all reads."""
        return sum(each.seconds for each in self.reads)

    def to_dict(self) -> dict[str, Any]:
        """Plain values with totals."""
        totals = {"rows": self.rows, "partitions": self.partitions, "seconds": round(self.seconds, 3)}
        return totals | asdict(self) | {"reads": [asdict(each) for each in self.reads]}

    def table(self) -> list[dict[str, object]]:
        """One row per period of a group, for display; `~` marks estimates."""
        return [
            ({"roles": ", ".join(each.roles)} if self.roles else {})
            | {
                "group": f"{each.via} -> {each.group}" if each.via else each.group,
                "features": each.features,
                "period from": each.period.partition("T")[0],
                "partitions": each.partitions,
                "entities": f"~{each.entities:,}" if each.via else f"{each.entities:,}",
                "values": f"~{each.rows:,}",
                "seconds": f"~{each.seconds:.2g}",
                "read by": each.strategy,
                "because": each.reason,
            }
            for each in self.reads
        ]

    def summary(self) -> str:
        """The totals, and the basis of the estimates."""
        if not self.label_rows:
            return "no label rows, nothing to read"
        if not self.label_entities:
            calls = counted(self.parts, "call")
            rows = f"{self.label_rows:,} label rows in {calls}"
            return f"{rows} to servers, which plan the reads; the plan of a storage at --store has more details"
        rows = f"{self.label_rows:,} label rows of {self.label_entities:,} entities"
        cut = f"in {counted(self.passes, 'pass', 'passes')} into {counted(self.parts, 'output part')}"
        read = f"about {self.rows:,} values in {counted(self.partitions, 'partition')}, about {self.seconds:.2g} s"
        lines = [f"{rows}, {cut}: {read}", "Older periods are read only for values that these do not hold."]
        sampled = max((each.sampled for each in self.reads), default=0)
        if sampled:
            of = counted(sampled, "label row")
            lines.append(f"The entities that a reference names (->) are estimated from {of}.")
        return "\n".join(lines)
