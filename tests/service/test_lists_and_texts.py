"""Arguments that are lists, and texts that no message or storage can hold, on the embedded store and over gRPC."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from featurama import FeatureStore
from featurama.errors import InvalidInput
from featurama_core.types.schema import Entity, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.values import ValueType

Call = Callable[[Any, Any], Awaitable[Any]]

LISTS: dict[tuple[str, str], Call] = {
    ("find_features", "names"): lambda store, given: store.find_features(given),
    ("point_in_time", "entity_ids"): lambda store, given: store.point_in_time(given, None, features=["speed"]),
    ("register_feature", "tags"): lambda store, given: store.register_feature("speed", "int", tags=given),
    ("register_feature_service", "features"): lambda store, given: store.register_feature_service("view", given),
    ("update_feature", "tags"): lambda store, given: store.update_feature("speed", 1, tags=given),
    ("training_set", "null_values"): lambda store, given: store.training_set([], ["speed"], null_values=given),
    ("training_set", "true_values"): lambda store, given: store.training_set([], ["speed"], true_values=given),
    ("training_set", "false_values"): lambda store, given: store.training_set([], ["speed"], false_values=given),
    ("write_features", "true_values"): lambda store, given: store.write_features({}, true_values=given),
    ("write_features", "false_values"): lambda store, given: store.write_features({}, false_values=given),
    ("write_features", "only"): lambda store, given: store.write_features({}, only=given),
}
"""(method, argument) -> a call of it. A text is refused, because its letters would be the items."""
ALSO_LISTS: list[tuple[str, Call]] = [
    ("entity_ids", lambda store, given: store.get_historical_features(given, ["speed"])),
    ("entity_ids", lambda store, given: store.get_online_features(given, ["speed"])),
    ("entity_ids", lambda store, given: store.predict(given)),
    ("definitions", lambda store, given: store.register(given)),
    ("entities", lambda store, given: store.register_entities(given)),
    ("tags", lambda store, given: store.define(FeatureDefinition("speed", ValueType.INT, tags=given))),
    ("features", lambda store, given: store.define(FeatureService("view", given))),
]
ONE_OR_MORE = {
    ("get_online_features", "feature_names"),
    ("get_historical_features", "features"),
    ("point_in_time", "features"),
    ("training_set", "features"),
    ("delete_feature_values", "features"),
    ("list_entity_types", "features"),
}
"""A single feature reference stands for a list of one."""
MAPPINGS = {
    ("register_entity_type", "keys"),
    ("write_features", "references"),
    ("training_set", "entity_columns"),
}
"""Names, or mappings: see `tests/unit/types/test_entity_keys.py`, `tests/contract/store/test_writes_by_key.py` and
`tests/frames/core/test_spine.py`.
"""


@pytest.mark.parametrize(("argument", "call"), [*((key[1], call) for key, call in LISTS.items()), *ALSO_LISTS])
async def test_a_text_is_no_list(either_store: FeatureStore, argument: str, call: Call) -> None:
    """It is refused with the argument, the text and the list that was meant."""
    with pytest.raises(InvalidInput, match=rf"^{argument} is the single value 'mars'; give a list such as \['mars'\]"):
        await call(either_store, "mars")


@pytest.mark.parametrize(("argument", "call"), [*((key[1], call) for key, call in LISTS.items()), *ALSO_LISTS])
@pytest.mark.parametrize("given", [5, [5], {"a": "b"}])
async def test_no_list_of_texts_is_refused(
    either_store: FeatureStore, argument: str, call: Call, given: object
) -> None:
    """A number, a list of numbers or a mapping is an error of the argument, never another exception."""
    with pytest.raises(InvalidInput) as refused:
        await call(either_store, given)
    # A mapping is a frame: of label rows, of rows for the default model, which there is none of, or of entities.
    of_frames = {"entity_ids": ("entity_id", "labels", "a", "model"), "entities": ("a",)}
    assert str(refused.value.metadata["field"]).startswith((argument, *of_frames.get(argument, ())))


def test_every_list_of_texts_is_in_the_table() -> None:
    """A new argument of a public method must say what it does with a text."""
    found = {
        (name, argument.name)
        for name, method in inspect.getmembers(FeatureStore, inspect.isfunction)
        if not name.startswith("_")
        for argument in inspect.signature(method).parameters.values()
        if "Sequence[str]" in str(argument.annotation)
    }
    assert found == {*LISTS, *ONE_OR_MORE, *MAPPINGS}


async def test_one_reference_stands_for_a_list_of_one(either_store: FeatureStore, unique: Callable[[str], str]) -> None:
    """And is never a list of its letters."""
    name = unique("speed")
    await either_store.register_feature(name, "int")
    for read in (
        await either_store.get_online_features(["mars"], name),
        await either_store.get_historical_features(["mars"], name),
    ):
        assert [name] == [column.name for column in read.columns]
    await either_store.delete_feature_values("mars", name)
    for wrong in (5, {"speed": 1}, ["speed", 5]):
        with pytest.raises(InvalidInput, match="features"):
            await either_store.get_online_features(["mars"], wrong)  # type: ignore[arg-type]


BAD = "x\ud800"
TEXTS: dict[str, Call] = {
    "name": lambda store, text: store.register_entities([Entity("mars", "planet", text)]),
    "metadata": lambda store, text: store.register_entities([Entity("mars", "planet", "", f'{{"a": "{text}"}}')]),
    "entity_type": lambda store, text: store.register_entities([Entity("mars", text)]),
    "description": lambda store, text: store.define(EntityType("planet", text)),
    "owner": lambda store, text: store.update_feature("speed", 1, owner=text),
    "tags": lambda store, text: store.register_feature("speed", "int", tags=["a", text]),
    "references": lambda store, text: store.register_feature("speed", "text", references=text),
    "group": lambda store, text: store.register_feature("speed", "int", group=text),
    "features": lambda store, text: store.register_feature_service("view", [text]),
    "service": lambda store, text: store.get_online_features(["mars"], service=text),
    "alias": lambda store, text: store.predict(["mars"], alias=text),
    "model": lambda store, text: store.predict(["mars"], model=text),
}
NAMES: list[Call] = [
    lambda store, text: store.register([FeatureGroup(text)]),
    lambda store, text: store.get_feature(text),
    lambda store, text: store.deprecate(EntityType, text),
    lambda store, text: store.restore(EntityType, text),
    lambda store, text: store.delete_definition(EntityType, text),
    lambda store, text: store.uses(EntityType, text),
    lambda store, text: store.update_feature(text, 1, owner="me"),
    lambda store, text: store.get_model(text),
    lambda store, text: store.list_models(text),
    lambda store, text: store.set_alias(text, "champion", 1),
]


@pytest.mark.parametrize(("field", "call"), [*TEXTS.items(), *(("name", call) for call in NAMES)])
async def test_half_of_a_surrogate_pair_is_refused(either_store: FeatureStore, field: str, call: Call) -> None:
    """With the field and the text, on every store alike."""
    with pytest.raises(InvalidInput, match=rf"^{field} '.*x\\ud800.*' is not valid Unicode text") as refused:
        await call(either_store, BAD)
    assert field == refused.value.metadata["field"]


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ('{"moons": 2, "moons": 3}', "metadata of 'mars' has the key 'moons' twice; keep one"),
        ('{"a": [{"b": 1, "b": 1}]}', "metadata of 'mars' has the key 'b' twice"),
        ("{", "metadata of 'mars' is not JSON"),
        ("[]", "metadata of 'mars' is not a JSON object"),
        ("[" * 100_000, "metadata"),
    ],
)
async def test_metadata_is_a_json_object_with_each_key_once(
    either_store: FeatureStore, metadata: str, said: str
) -> None:
    """The last of two values would win without a word."""
    with pytest.raises(InvalidInput, match=said) as refused:
        await either_store.register_entities([Entity("mars", "entity", "", metadata)])
    assert "metadata" == refused.value.metadata["field"]


@pytest.mark.parametrize("kind", ["features", str, None, []])
async def test_another_kind_than_a_definitions_is_refused(either_store: FeatureStore, kind: Any) -> None:
    """It is no kind without definitions."""
    kinds = "give EntityType, FeatureGroup, FeatureDefinition or FeatureService"
    with pytest.raises(InvalidInput, match=kinds):
        await either_store.list_definitions(kind)
    for method in (either_store.get_definition, either_store.deprecate, either_store.uses):
        with pytest.raises(InvalidInput, match=kinds):
            await method(kind, "speed", 1)
