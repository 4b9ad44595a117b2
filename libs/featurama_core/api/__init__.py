"""FeatureStore: every public method once, over primitives that a store implements.

A method checks its arguments, turns frames into columns, calls a primitive and returns a result. The primitives hold
everything that differs between an embedded store and servers; nothing here knows a storage or a transport.
"""

from featurama_core.api.store import FeatureStore

__all__ = ["FeatureStore"]
