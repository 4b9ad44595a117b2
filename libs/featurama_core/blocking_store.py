"""BlockingFeatureStore: FeatureStore for notebooks and blocking code. It has a loop of its own in a thread of its own.

with BlockingFeatureStore("sqlite:///featurama-data") as store:
    store.get_online_features(["delivery_00000001"], ["distance"]).to_pandas()
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from featurama_core.blocking import LoopThread, blocking
from featurama_core.blocking_sets import blocking_set
from featurama_core.catalogue_methods import D
from featurama_core.settings import StoreSettings
from featurama_core.storage.settings import StorageSettings
from featurama_core.store import FeatureStore
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.times import Clock


class BlockingFeatureStore:
    """The blocking twin: the same arguments, methods, results and errors as `FeatureStore.open` gives.

    Open from the start; `close()` it, or use it as a context manager. Usable from any thread, and in Jupyter.
    """

    def __init__(
        self,
        storage: str | StorageSettings,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        settings: StoreSettings | None = None,
        clock: Clock = time.time_ns,
    ) -> None:
        self._loop = LoopThread("featurama-store")
        try:
            self._store = self._loop.enter(
                FeatureStore.open(storage, namespace=namespace, settings=settings, clock=clock)
            )
        except BaseException:
            self._loop.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the storage and end the thread. Safe to call again."""
        self._loop.close()

    @property
    def namespace(self) -> str:
        """Name of the namespace."""
        return self._store.namespace

    @property
    def inner(self) -> FeatureStore:
        """The asynchronous twin; only its own loop may use it."""
        return self._store

    @property
    def loop(self) -> LoopThread:
        """Where it runs."""
        return self._loop

    def define(self, definition: D) -> D:
        """Register a definition: the same again changes nothing, a different one under its key is refused."""
        return self._loop.run(self._store.define(definition))

    # One line a method: signatures, docstrings and types are those of FeatureStore, for help and completion too.
    register_entity_type = blocking(FeatureStore.register_entity_type)
    register_feature_group = blocking(FeatureStore.register_feature_group)
    register_feature = blocking(FeatureStore.register_feature)
    register_feature_service = blocking(FeatureStore.register_feature_service)
    register_entity = blocking(FeatureStore.register_entity)
    register_entities = blocking(FeatureStore.register_entities)
    get_entity_type = blocking(FeatureStore.get_entity_type)
    get_feature_group = blocking(FeatureStore.get_feature_group)
    get_feature = blocking(FeatureStore.get_feature)
    get_feature_service = blocking(FeatureStore.get_feature_service)
    get_entity = blocking(FeatureStore.get_entity)
    list_entity_types = blocking(FeatureStore.list_entity_types)
    list_feature_groups = blocking(FeatureStore.list_feature_groups)
    list_features = blocking(FeatureStore.list_features)
    list_feature_services = blocking(FeatureStore.list_feature_services)
    list_entities = blocking(FeatureStore.list_entities)
    deprecate_entity_type = blocking(FeatureStore.deprecate_entity_type)
    deprecate_feature_group = blocking(FeatureStore.deprecate_feature_group)
    deprecate_feature = blocking(FeatureStore.deprecate_feature)
    deprecate_feature_service = blocking(FeatureStore.deprecate_feature_service)
    write = blocking(FeatureStore.write)
    begin_import = blocking(FeatureStore.begin_import)
    write_features = blocking(FeatureStore.write_features)
    get_online_features = blocking(FeatureStore.get_online_features)
    get_all_features = blocking(FeatureStore.get_all_features)
    get_feature_history = blocking(FeatureStore.get_feature_history)
    page_feature_history = blocking(FeatureStore.page_feature_history)
    get_historical_features = blocking(FeatureStore.get_historical_features)
    point_in_time = blocking(FeatureStore.point_in_time)
    training_set = blocking_set(FeatureStore.training_set)
    delete_entity = blocking(FeatureStore.delete_entity)
    delete_feature_values = blocking(FeatureStore.delete_feature_values)
    purge = blocking(FeatureStore.purge)
