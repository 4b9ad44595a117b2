"""The embedded store: a directory with one SQLite file a namespace.

A namespace has one writer thread that commits groups of requests (WAL, synchronous=FULL) and small pools of
readers; nothing of SQLite runs on the event loop. Several processes may open one directory.
"""

from featurama_core.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
