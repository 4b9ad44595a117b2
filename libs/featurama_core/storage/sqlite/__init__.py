"""The embedded store: a directory with one SQLite file per namespace.

A namespace has one writer thread, which commits groups of requests (WAL, synchronous=FULL), and small pools of readers.
SQLite never runs on the event loop. Several processes may open one directory.
"""

from featurama_core.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
