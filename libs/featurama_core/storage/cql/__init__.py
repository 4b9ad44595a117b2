"""The cluster: any CQL server (ScyllaDB, Apache Cassandra), a keyspace a namespace, through acsylla.

The driver's names, errors and texts stay inside this package. Data rows carry their event time as CQL timestamp, so
the newest event wins without a read; no NULL is ever bound to a value column; every statement but the conditional
ones is idempotent, and those converge when they are run again. Statements in flight are bounded by one cap a session.
"""

from featurama_core.storage.cql.storage import CqlStorage

__all__ = ["CqlStorage"]
