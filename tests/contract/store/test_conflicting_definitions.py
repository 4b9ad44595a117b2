"""A definition that is registered again and differs: what differs is named, and what to do instead."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from tests.opened import OpenedStore

from featurama_core.types.errors import Conflict

from .standing_clock import Unique


async def conflict(call: Awaitable[object]) -> tuple[str, str]:
    """(field, message)."""
    with pytest.raises(Conflict) as refused:
        await call
    return refused.value.metadata["field"], refused.value.message


async def test_a_feature_that_differs_wants_a_new_version(store: OpenedStore, unique: Unique) -> None:
    """Everything that differs is listed."""
    speed = unique("speed")
    await store.register_feature(speed, "int")
    assert (
        "value_type",
        f"'{speed}@1' is registered with another value_type; register a new version",
    ) == await conflict(store.register_feature(speed, "double", description="fast"))


async def test_a_definition_without_versions_that_differs_wants_another_name(
    store: OpenedStore, unique: Unique
) -> None:
    """A description, ttl, retention or buckets are changed by a revision, not by registering."""
    planet, group = unique("planet"), unique("group")
    await store.register_entity_type(planet)
    again = f"'{planet}' is registered with another description; change it with update_entity_type"
    assert ("description", again) == await conflict(store.register_entity_type(planet, description="round"))
    await store.register_feature_group(group, retention="2d", buckets=4)
    for options, field in (
        ({"retention": "3d", "buckets": 4}, "retention"),
        ({"buckets": 4}, "retention"),
        ({"retention": "2d", "buckets": 2}, "buckets"),
        ({"retention": "2d", "buckets": 4, "ttl": "1d"}, "ttl"),
        ({"entity_type": planet, "retention": "2d", "buckets": 4}, "entity_type"),
    ):
        fix = "choose another name" if field == "entity_type" else "change it with update_feature_group"
        words = f"'{group}' is registered with another {field}; {fix}"
        assert (field, words) == await conflict(store.register_feature_group(group, **options))  # type: ignore[arg-type]
    assert 4 == (await store.get_feature_group(group)).buckets


async def test_a_path_and_the_feature_that_it_leads_to_are_not_the_same(store: OpenedStore, unique: Unique) -> None:
    """A service of one is not registered again as one of the other."""
    home, size = unique("home"), unique("size")
    await store.register_feature(home, "text", references="entity")
    await store.register_feature(size, "int")
    for name, first, second in (("a", f"{home}.{size}", size), ("b", size, f"{home}.{size}")):
        await store.register_feature_service(unique(name), [first])
        field, _ = await conflict(store.register_feature_service(unique(name), [second]))
        assert "features" == field
