"""Datasets built again from the namespace that they were built from, for `datasets.verify`."""

from __future__ import annotations

from collections.abc import Sequence

from featurama_core.datasets.request import DatasetRequest
from featurama_core.datasets.training_set import TrainingSet
from featurama_core.namespace import Namespace
from featurama_core.store import EmbeddedStore
from featurama_core.store_datasets import newest_again
from featurama_core.types.references import FeatureSelection, ResolvedFeature


class NamespaceRebuilding:
    """A `datasets.verify.Rebuilding` over a namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    async def again(self, request: DatasetRequest) -> TrainingSet:
        """The set of a request."""
        return await EmbeddedStore(self._namespace).open_dataset(request)

    async def newest_again(self, request: DatasetRequest, as_of: int) -> TrainingSet:
        """The newest values of the rows of a request as they were at `as_of`, microseconds."""
        return await newest_again(self._namespace, request, as_of=as_of)

    async def resolve(self, features: FeatureSelection) -> Sequence[ResolvedFeature]:
        """The definitions of references."""
        return await self._namespace.resolve(features)

    async def deleted(self) -> set[tuple[str, str]]:
        """(entity id, feature name, "" for all) of everything that was ever deleted."""
        return {(each.entity_id, each.feature_name) for each in await self._namespace.storage.list_marks()}
