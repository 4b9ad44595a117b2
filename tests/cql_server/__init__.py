"""A real CQL server (Apache Cassandra 5, from Maven) for tests, demos and measurements; one a pytest session.

Rooms: `jars` fetches the server, `node` runs one, `__main__` keeps one alive for its owner, `plugin` is the
pytest side. A node dies with its supervising process, and that one with the pytest session: no orphans.
"""
