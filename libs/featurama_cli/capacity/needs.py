"""From the size of a store to what it needs. Pure arithmetic on the cost model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from featurama_cli.capacity import costs
from featurama_core.types.errors import InvalidInput
from featurama_core.types.schema import MAX_BUCKETS
from featurama_core.types.times import DAY, duration_text

Form = Literal["sqlite", "rows", "packed"]
PERIODS = (30 * DAY, 14 * DAY, 7 * DAY, 3 * DAY, DAY, DAY // 2, DAY // 4, DAY // 24)
"""Periods of history that are tried, the longest first."""


@dataclass(frozen=True, slots=True)
class Size:
    """readings_per_day: of each entity, each with a value of every feature. reads_per_second: of entities.

    entities_per_call: of a read. retention_days: how long history is kept. replication: copies of each row.
    """

    entities: int
    features: int
    readings_per_day: float
    reads_per_second: float
    entities_per_call: int = 1
    retention_days: float = 365.0
    replication: int = 3
    node_cores: int = 16
    node_disk_tb: float = 2.0

    @property
    def rows_per_second(self) -> float:
        """Readings of all entities."""
        return self.entities * self.readings_per_day / costs.DAY_S

    @property
    def values_per_day(self) -> float:
        """Values of all entities."""
        return self.entities * self.readings_per_day * self.features

    @property
    def values_stored(self) -> float:
        """Values of the history that is kept."""
        return self.values_per_day * self.retention_days


@dataclass(frozen=True, slots=True)
class Needs:
    """What a size needs. bytes_per_value: by table, of the history or of the newest values. disk_gb: of all copies.

    Cores are busy ones; nodes have `UTILISATION` of their cores and disks for them. period and buckets: of a group with
    all features; period "" and buckets 0 on SQLite, which needs none. problem: why the storage does not do, or "".
    """

    bytes_per_value: dict[str, float]
    disk_gb: dict[str, float]
    online_cores: float
    ingest_cores: float
    storage_cores: float
    nodes: int
    history_period: str
    buckets: int
    problem: str = ""


def needs_of(size: Size, form: Form) -> Needs:
    """The needs on SQLite, or on CQL with a history of rows or of packed cells."""
    tables = {"sqlite": costs.SQLITE, "rows": costs.CQL_ROWS, "packed": costs.CQL_PACKED}[form]
    copies = 1 if form == "sqlite" else size.replication
    per_value = {name: each.per_value(size.features) for name, each in tables.items()}
    newest = size.entities * size.features
    disk = {
        name: each * (newest if name == "feature_latest" else size.values_stored) * copies / 1e9
        for name, each in per_value.items()
    }
    online, ingest = _service_cores(size, cql=form != "sqlite")
    if form == "sqlite":
        return Needs(per_value, disk, online, ingest, 0.0, 1, "", 0, _beyond_a_file(size))
    reads = size.reads_per_second * (size.replication // 2 + 1) / costs.NODE_READS_PER_CORE
    writes = size.values_per_day / costs.DAY_S * size.replication / costs.NODE_WRITES_PER_CORE[form]
    nodes = max(
        size.replication,
        math.ceil((reads + writes) / (size.node_cores * costs.UTILISATION)),
        math.ceil(sum(disk.values()) / (size.node_disk_tb * 1_000 * costs.UTILISATION)),
    )
    period, buckets = _partitions(size, form)
    return Needs(per_value, disk, online, ingest, reads + writes, nodes, duration_text(period) or "", buckets)


def _service_cores(size: Size, *, cql: bool) -> tuple[float, float]:
    """(cores of online, cores of ingest)."""
    call, entity, row = costs.READ_CALL_MS, costs.READ_ENTITY_MS, costs.WRITE_ROW_MS
    if cql:
        call += costs.READ_CALL_CQL_MS
        entity += costs.READ_ENTITY_CQL_MS
        row += size.features * costs.WRITE_VALUE_CQL_MS
    per_entity = call / size.entities_per_call + entity + size.features * costs.READ_VALUE_MS
    return size.reads_per_second * per_entity / 1_000, size.rows_per_second * row / 1_000


def _beyond_a_file(size: Size) -> str:
    wanted, most = size.values_per_day / costs.DAY_S, costs.SQLITE_VALUES_PER_S * costs.UTILISATION
    if wanted <= most:
        return ""
    return f"{wanted:,.0f} values per second are more than the {most:,.0f} that one file takes; use a CQL cluster"


def _partitions(size: Size, form: Form) -> tuple[int, int]:
    """(history period in microseconds, buckets): the longest period whose partitions are small enough."""
    # Rows per reading in the partition of an entity; a partition by feature, or by group, has one.
    of_entity = size.features if form == "rows" else 1
    for period in PERIODS:
        readings = size.readings_per_day * period / DAY
        buckets = 2 ** max(0, math.ceil(math.log2(max(1.0, size.entities * readings / costs.PARTITION_ROWS))))
        if readings * of_entity <= costs.PARTITION_ROWS and buckets <= MAX_BUCKETS:
            return period, buckets
    raise InvalidInput(
        f"{size.entities:,} entities with {size.readings_per_day:g} readings per day fill more than {MAX_BUCKETS} "
        "partitions per hour; divide the entities into several groups or namespaces",
        field="readings-per-day",
    )
