"""The type that users name."""

from __future__ import annotations

from abc import abstractmethod

from featurama_core.api.datasets import DatasetMethods
from featurama_core.api.models import ModelMethods
from featurama_core.api.writes import WritingMethods


class FeatureStore(WritingMethods, DatasetMethods, ModelMethods):
    """A feature store on one namespace. `featurama.connect` opens one; `featurama.sync.connect` its blocking form.

    Times are zoned datetimes, ISO 8601 texts with a zone, or microseconds since 1970 UTC. All errors are of
    `featurama.errors`; deadlines are the caller's `asyncio.timeout`. Any number of tasks of one loop may use a store.
    """

    @abstractmethod
    async def in_namespace(self, namespace: str) -> FeatureStore:
        """This open store on another namespace. It lives as long as this one, and needs no closing.

        Raises:
            Unknown: there is no such namespace (UNKNOWN_NAMESPACE); servers say so with the first call.
        """
