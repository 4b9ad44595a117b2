"""Arguments that are mappings, numbers or parts of definitions, on the embedded store and over gRPC.

What they cannot be is refused by the name of the argument, never by another exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from featurama import FeatureStore
from featurama.errors import InvalidInput
from featurama_core.types.entity_keys import KeyColumn
from featurama_core.types.roles import Role, RowEntities
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.values import ValueType

Call = Callable[[Any], Awaitable[Any]]


def _pinned(pins: Any) -> Call:
    return lambda store: store.get_online_features(["fry"], ["speed"], ttl_revisions=pins)


def _typed(keys: Any) -> Call:
    return lambda store: store.define(EntityType("film", "", keys))


def _service(roles: Any) -> Call:
    return lambda store: store.define(FeatureService("match", ("home.speed",), "", roles))


def _changed(changes: Any, kind: Any = FeatureGroup, version: int | None = None, **others: Any) -> Call:
    return lambda store: store.update_definition(kind, "speed", version, changes=changes, **others)


CASES: list[tuple[str, Call]] = [
    *(("ttl_revisions", _pinned(each)) for each in ("g", ["g"], {5: 1}, {"\ud800": 1})),
    *(("ttl_revisions", _pinned({"g": each})) for each in (0, True, 1.5, "1", None, 2**31, 2**70)),
    *(("keys", _typed(each)) for each in (None, ("film_id",), [KeyColumn("film_id")], {"film_id": "int"})),
    ("name", _typed((KeyColumn(5),))),  # type: ignore[arg-type]
    ("name", _typed((KeyColumn("\ud800"),))),
    ("value_type", _typed((KeyColumn("film_id", "int"),))),  # type: ignore[arg-type]
    ("keys", lambda store: store.register_entity_type("film", keys={"film_id": "vector"})),
    ("keys", lambda store: store.register_entity_type("film", keys={"film_id": "number"})),
    *(("roles", _service(each)) for each in (None, (("home", "team"),), [Role("home", "team")], {"home": "team"})),
    ("entity_type", _service((Role("home", 5),))),  # type: ignore[arg-type]
    ("name", _service((Role("\ud800", "team"),))),
    ("value_type", lambda store: store.define(FeatureDefinition("speed", "int"))),  # type: ignore[arg-type]
    ("references", lambda store: store.define(FeatureDefinition("of", ValueType.TEXT, references=5))),  # type: ignore[arg-type]
    ("vector_length", lambda store: store.define(FeatureDefinition("v", ValueType.VECTOR, vector_length=2**40))),
    ("buckets", lambda store: store.register_feature_group("g", buckets=2**40)),
    *(("changes", _changed(each)) for each in ("ttl", ["ttl"], {})),
    *((field, _changed({field: 1})) for field in ("name", "start", "tags", "nothing", 5)),
    ("value_type", _changed({"value_type": "int"}, FeatureDefinition, 1)),
    ("keys", _changed({"keys": ()}, EntityType)),
    ("kind", _changed({"description": ""}, "group")),
    *(("expected_revision", _changed({"ttl": None}, expected_revision=each)) for each in (0, True, 1.0, "1", 2**31)),
    ("home", lambda store: store.get_online_features(RowEntities({"home": None}), ["home.speed"], roles={"home": "t"})),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("argument", "call"), CASES)
async def test_what_an_argument_cannot_be_is_refused_by_its_name(
    either_store: FeatureStore, argument: object, call: Call
) -> None:
    """Alike before and behind a server."""
    with pytest.raises(InvalidInput) as refused:
        await call(either_store)
    assert str(argument) == str(refused.value.metadata["field"])


async def test_what_has_one_version_is_changed_whatever_version_is_named(either_store: FeatureStore, unique) -> None:
    """As it is read and deprecated."""
    group = unique("group")
    await either_store.register_feature_group(group)
    made, _ = await either_store.update_definition(FeatureGroup, group, 1, changes={"buckets": 2})
    assert (2, 2) == (made.revision, made.buckets)


async def test_whole_numbers_of_numpy_pin_a_ttl(either_store: FeatureStore, unique) -> None:
    """A manifest that went through a frame has them."""
    group, speed = unique("group"), unique("speed")
    await either_store.register_feature_group(group)
    await either_store.register_feature(speed, "int", group=group)
    read = await either_store.get_online_features([unique("fry")], [speed], ttl_revisions={group: np.int64(1)})  # type: ignore[dict-item]
    assert [None] == read.to_dict()[speed]
