"""The type that users name."""

from __future__ import annotations

from abc import abstractmethod

from featurama_core.api.datasets import DatasetMethods
from featurama_core.api.models import ModelMethods
from featurama_core.api.updates import UpdateMethods
from featurama_core.api.writes import WritingMethods


class FeatureStore(WritingMethods, UpdateMethods, DatasetMethods, ModelMethods):
    """A feature store on one namespace, opened by `featurama.connect` (its blocking form by `featurama.sync.connect`).

    Times are zoned datetimes, ISO 8601 texts with a zone, or microseconds since 1970 UTC. Errors are those of
    `featurama.errors`. Deadlines are set with `asyncio.timeout`. Tasks of one event loop may share a store.
    """

    @abstractmethod
    async def in_namespace(self, namespace: str) -> FeatureStore:
        """A store on another namespace over the same connections. It is closed with this store.

        Args:
            namespace: Name of the namespace.

        Raises:
            Unknown: The namespace does not exist (UNKNOWN_NAMESPACE). With servers, the first call raises it.
        """
