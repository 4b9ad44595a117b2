"""Client: AsyncClient for blocking code and notebooks. It has a loop of its own in a thread of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from featurama.client.async_client import AsyncClient
from featurama.client.registry import D
from featurama.client.settings import Retries, Tls
from featurama_core.blocking import LoopThread, blocking
from featurama_core.blocking_sets import blocking_set
from featurama_core.types.names import DEFAULT_NAMESPACE


class Client:
    """The blocking twin of AsyncClient: the same arguments, methods, results and errors. Usable from any thread.

    Open from the start; `close()` it, or use it as a context manager. `progress` is called in the client's thread.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        ingest_target: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,
        timeout: float = 10.0,
        retries: Retries | None = None,
        tls: Tls | None = None,
        metadata: Mapping[str, str] | None = None,
        authorization: str | None = None,
    ) -> None:
        client = AsyncClient(
            target,
            ingest_target=ingest_target,
            namespace=namespace,
            timeout=timeout,
            retries=retries,
            tls=tls,
            metadata=metadata,
            authorization=authorization,
        )
        self._is_view = False
        self._loop = LoopThread()
        try:
            self._client = self._loop.enter(client)
        except BaseException:
            self._loop.close()
            raise

    def __repr__(self) -> str:
        return repr(self._client).removeprefix("Async")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels and end the thread. Safe to call again."""
        if not self._is_view:
            self._loop.close()

    def in_namespace(self, namespace: str) -> Client:
        """The same open client on another namespace. Closing it closes nothing; it lives as long as this one."""
        view = copy.copy(self)
        view._client = self._client.in_namespace(namespace)  # noqa: SLF001  a copy of its own kind
        view._is_view = True  # noqa: SLF001
        return view

    @property
    def namespace(self) -> str:
        """Name of the namespace that every call names."""
        return self._client.namespace

    @property
    def inner(self) -> AsyncClient:
        """The asynchronous twin; only its own loop may use it."""
        return self._client

    @property
    def loop(self) -> LoopThread:
        """Where it runs."""
        return self._loop

    def define(self, definition: D) -> D:
        """Register a definition: the same again changes nothing, a different one under its key is refused."""
        return self._loop.run(self._client.define(definition))

    # One line a method: signatures, docstrings and types are those of AsyncClient, for help and completion too.
    define_feature = blocking(AsyncClient.define_feature)
    register_entity_type = blocking(AsyncClient.register_entity_type)
    register_feature_group = blocking(AsyncClient.register_feature_group)
    register_feature = blocking(AsyncClient.register_feature)
    register_feature_service = blocking(AsyncClient.register_feature_service)
    get_entity_type = blocking(AsyncClient.get_entity_type)
    get_feature_group = blocking(AsyncClient.get_feature_group)
    get_feature = blocking(AsyncClient.get_feature)
    get_feature_service = blocking(AsyncClient.get_feature_service)
    list_entity_types = blocking(AsyncClient.list_entity_types)
    list_feature_groups = blocking(AsyncClient.list_feature_groups)
    list_features = blocking(AsyncClient.list_features)
    list_feature_services = blocking(AsyncClient.list_feature_services)
    deprecate_entity_type = blocking(AsyncClient.deprecate_entity_type)
    deprecate_feature_group = blocking(AsyncClient.deprecate_feature_group)
    deprecate_feature = blocking(AsyncClient.deprecate_feature)
    deprecate_feature_service = blocking(AsyncClient.deprecate_feature_service)
    register_entity = blocking(AsyncClient.register_entity)
    register_entities = blocking(AsyncClient.register_entities)
    get_entity = blocking(AsyncClient.get_entity)
    list_entities = blocking(AsyncClient.list_entities)
    write = blocking(AsyncClient.write)
    begin_import = blocking(AsyncClient.begin_import)
    write_features = blocking(AsyncClient.write_features)
    get_online_features = blocking(AsyncClient.get_online_features)
    get_all_features = blocking(AsyncClient.get_all_features)
    get_feature_history = blocking(AsyncClient.get_feature_history)
    page_feature_history = blocking(AsyncClient.page_feature_history)
    get_historical_features = blocking(AsyncClient.get_historical_features)
    point_in_time = blocking(AsyncClient.point_in_time)
    training_set = blocking_set(AsyncClient.training_set)
    delete_entity = blocking(AsyncClient.delete_entity)
    delete_feature_values = blocking(AsyncClient.delete_feature_values)
    predict = blocking(AsyncClient.predict)
    list_models = blocking(AsyncClient.list_models)
    get_model = blocking(AsyncClient.get_model)
    set_alias = blocking(AsyncClient.set_alias)
    is_serving = blocking(AsyncClient.is_serving)
