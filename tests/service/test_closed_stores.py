"""A store that its owner has closed: one error, whatever is called, embedded and behind servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import featurama
from featurama import FeatureDefinition, FeatureStore
from featurama.errors import FailedPrecondition

CALLS: list[Callable[[FeatureStore], Awaitable[Any]]] = [
    lambda store: store.get_feature("speed"),
    lambda store: store.list_features(),
    lambda store: store.register_feature("mass", "int"),
    lambda store: store.uses(FeatureDefinition, "speed"),
    lambda store: store.write_features({"entity_id": ["fry"], "timestamp": ["2026-01-01T00:00:00Z"], "speed": [1]}),
    lambda store: store.get_online_features(["fry"], ["speed"]),
    lambda store: store.get_all_features("fry"),
    lambda store: store.get_historical_features(["fry"], ["speed"]),
    lambda store: store.get_feature_history("fry", "speed"),
    lambda store: store.delete_entity("fry"),
    lambda store: store.register_entity("fry", "entity"),
    lambda store: store.get_entity("fry"),
    lambda store: store.list_entities("entity"),
    lambda store: store.in_namespace("default"),
]


async def check_closed(store: FeatureStore) -> None:
    """All calls have the one error."""
    for call in CALLS:
        with pytest.raises(FailedPrecondition, match=r"^this store is closed; open it again$"):
            await call(store)
    assert not await store.is_serving()


async def test_an_embedded_store_has_one_error_once_it_is_closed(tmp_path: Path) -> None:
    """Also for what it has in memory, and for rows, which are not rejected one by one."""
    async with featurama.connect(f"sqlite:///{tmp_path}/data") as store:
        await store.register_feature("speed", "int")
        await store.get_feature("speed")
        other = await store.in_namespace("default")
    await check_closed(store)
    await check_closed(other)
    assert "default" == store.namespace
    assert "FeatureStore(namespace='default')" == repr(store)


async def test_a_store_behind_servers_has_the_same_error(online_at: Any, ingest_at: Any, namespace: str) -> None:
    """No call is sent."""
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace
    ) as store:
        assert await store.is_serving()
    await check_closed(store)
