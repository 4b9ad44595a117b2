"""The cost model: bytes and CPU time per value, entity and call. Every constant has its source.

Bytes are those of doubles that do not compress, from `python -m benchmarks.table_sizes`: a row of n values has a part
that does not depend on n, and a part per value. Texts and vectors take their own length beside their slot. CPU times
are those of the machine of docs/performance.md; other machines differ by a factor, which `featurama bench` shows.
"""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Bytes:
    """Of a row of n values: row + n * value."""

    row: float
    value: float

    def per_value(self, features: int) -> float:
        """Bytes per value of a row of `features` values."""
        return self.row / features + self.value


SQLITE = {"feature_history": Bytes(88, 8.8), "feature_latest": Bytes(55, 10.9)}
"""Pages of the file."""

CQL_ROWS = {"feature_values": Bytes(0, 21), "feature_values_by_name": Bytes(0, 23), "feature_latest": Bytes(49, 8.1)}
"""Data files and their indices, LZ4, one replica: a row per value in two tables. The larger figure of both shapes."""

CQL_PACKED = {
    "feature_values_packed": Bytes(27, 8.2),
    "feature_values_packed_by_group": Bytes(27, 8.2),
    "feature_latest": Bytes(49, 8.1),
}
"""As CQL_ROWS, for groups whose history is packed."""

READ_CALL_MS, READ_ENTITY_MS, READ_VALUE_MS = 0.6, 0.006, 0.000_04
"""CPU of the online service per GetOnlineFeatures: `benchmarks.serving` on SQLite, a fit of its four shapes."""

READ_CALL_CQL_MS, READ_ENTITY_CQL_MS = 0.9, 0.04
"""The same, in addition on CQL, per call and per entity: statements and answers in the driver. The load of
`benchmarks.serving` on one Cassandra 5 node."""

WRITE_ROW_MS, WRITE_VALUE_CQL_MS = 0.033, 0.012
"""CPU of ingest per row of 20 values (`benchmarks.ingest`), and in addition per value on CQL: the same requests, mode
ATOMIC, on one Cassandra 5 node."""

SQLITE_VALUES_PER_S = 250_000
"""Durable values per second that one file takes (`benchmarks.ingest`)."""

NODE_READS_PER_CORE = 10_000
"""Entities per second that a core of a CQL node reads: 21,000 to 28,000 of 100 at once were measured on two cores that
server and client shared."""

NODE_WRITES_PER_CORE = {"rows": 40_000, "packed": 200_000}
"""Values per second that a core of a CQL node writes, into all tables: 74,000 to 94,000 and 380,000 to 600,000 were
measured on two shared cores."""

PARTITION_ROWS = 100_000
"""Most rows of a partition of history."""

UTILISATION = 0.5
"""Part of a node's disk and cores that is planned for: compaction needs room, and a lost node's load goes to others."""
