"""The adapter for CQL servers (ScyllaDB, Apache Cassandra) through acsylla. A namespace is a keyspace.

The names, errors and texts of the driver stay inside this package. Data rows have their event time as CQL timestamp, so
the newest event wins without a read. NULL is never bound to a value column. All statements are idempotent, except the
conditional ones, which converge when they are repeated. The number of statements in flight per session is bounded.
"""

from featurama_core.storage.cql.storage import CqlStorage

__all__ = ["CqlStorage"]
