"""The model registry on the embedded storage: versions, aliases, artefacts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions, NamespaceStorage
from featurama_core.storage.records import StoredModel
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_model.manifest import MAX_ARTEFACT_BYTES, Artefact
from featurama_model.registry import CHUNK_BYTES, ModelRegistry

NOW = 1_767_225_600_000_000
# JSON may be followed by any white space: an artefact of several chunks.
LARGE_ARTEFACT = ARTEFACT + b" " * (2 * CHUNK_BYTES + 17)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[NamespaceStorage]:
    async with open_storage(StorageSettings(f"sqlite:///{tmp_path}")) as opened:
        await opened.create_namespace("default", NamespaceOptions())
        yield await opened.namespace("default")


@pytest.fixture
def registry(storage: NamespaceStorage) -> ModelRegistry:
    return ModelRegistry(storage, clock=lambda: NOW * 1_000)


async def test_a_published_model_is_read_back_with_its_version_hash_and_time(registry: ModelRegistry) -> None:
    published = await registry.publish(replace(MANIFEST, version=0, artefact=None, created_at=0), LARGE_ARTEFACT)
    assert published == replace(MANIFEST, version=1, artefact=Artefact.of(LARGE_ARTEFACT), created_at=NOW)
    assert await registry.get("delivery_time", version=1) == published
    assert await registry.artefact(published) == LARGE_ARTEFACT


async def test_publishing_again_gives_the_next_number_and_leaves_the_others_alone(registry: ModelRegistry) -> None:
    first = await registry.publish(MANIFEST, ARTEFACT)
    second = await registry.publish(replace(MANIFEST, description="better"), LARGE_ARTEFACT)
    assert (first.version, second.version) == (1, 2)
    assert await registry.artefact(first) == ARTEFACT
    assert [model.manifest for model in await registry.list()] == [first, second]


async def test_publishers_at_the_same_time_get_different_numbers(registry: ModelRegistry) -> None:
    published = await asyncio.gather(*(registry.publish(MANIFEST, ARTEFACT) for _ in range(5)))
    assert sorted(manifest.version for manifest in published) == [1, 2, 3, 4, 5]


async def test_an_alias_names_a_version_and_moves(registry: ModelRegistry) -> None:
    for _ in range(2):
        await registry.publish(MANIFEST, ARTEFACT)
    await registry.set_alias("delivery_time", "champion", 2)
    await registry.set_alias("delivery_time", "challenger", 2)
    await registry.set_alias("delivery_time", "champion", 1)
    assert await registry.aliases("delivery_time") == {"challenger": 2, "champion": 1}
    assert (await registry.get("delivery_time")).version == 1
    assert (await registry.get("delivery_time", alias="challenger")).version == 2


async def test_what_is_not_there_is_unknown_and_the_error_says_what_is(registry: ModelRegistry) -> None:
    with pytest.raises(Unknown, match="check its name or train it") as untrained:
        await registry.get("delivery_time")
    await registry.publish(MANIFEST, ARTEFACT)
    await registry.set_alias("delivery_time", "stable", 1)
    with pytest.raises(Unknown, match="stable") as no_alias:
        await registry.get("delivery_time")
    with pytest.raises(Unknown, match="version 9") as no_version:
        await registry.get("delivery_time", version=9)
    with pytest.raises(Unknown) as no_target:
        await registry.set_alias("delivery_time", "champion", 9)
    assert {each.value.reason for each in (untrained, no_alias, no_version, no_target)} == {Reason.UNKNOWN_MODEL}
    assert await registry.aliases("delivery_time") == {"stable": 1}


async def test_an_artefact_that_serving_would_refuse_is_not_published(registry: ModelRegistry) -> None:
    for artefact in (b"{}", ARTEFACT.replace(b'"num_feature":"3"', b'"num_feature":"4"')):
        with pytest.raises(FailedPrecondition) as refused:
            await registry.publish(MANIFEST, artefact)
        assert refused.value.reason is Reason.MODEL_UNUSABLE
    assert await registry.list() == []


@pytest.mark.parametrize("size", [0, MAX_ARTEFACT_BYTES + 1])
async def test_an_artefact_has_one_byte_to_64_mib(registry: ModelRegistry, size: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await registry.publish(MANIFEST, bytes(size))
    assert refused.value.reason is Reason.LIMIT_EXCEEDED


async def test_a_version_whose_manifest_cannot_be_read_is_listed_with_the_reason(
    registry: ModelRegistry, storage: NamespaceStorage
) -> None:
    assert await storage.put_model(StoredModel("delivery_time", 1, "{}", NOW, 1), [b"x"])
    (listed,) = await registry.list("delivery_time")
    assert listed.manifest is None
    assert "manifest" in listed.problem
    with pytest.raises(FailedPrecondition):
        await registry.get("delivery_time", version=1)


async def test_a_manifest_stored_under_another_version_is_unusable(
    registry: ModelRegistry, storage: NamespaceStorage
) -> None:
    assert await storage.put_model(StoredModel("delivery_time", 3, MANIFEST.to_json(), NOW, 1), [b"x"])
    with pytest.raises(FailedPrecondition, match="another version"):
        await registry.get("delivery_time", version=3)
