"""FeatureStore: every public method once, over primitives that a store implements.

A method checks its arguments, turns frames into columns, calls a primitive and gives a result. What differs between an
embedded store and servers is behind the primitives; nothing here knows a storage or a transport.
"""

from featurama_core.api.store import FeatureStore

__all__ = ["FeatureStore"]
