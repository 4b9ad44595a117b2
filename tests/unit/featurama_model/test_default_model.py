"""The model of a request that names none: what is chosen, for how long, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions, NamespaceStorage
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.errors import InvalidInput, Reason, StoreUnavailable, Unknown
from featurama_model.default_model import DefaultModel, only_model
from featurama_model.registry import ModelRegistry


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[NamespaceStorage]:
    async with open_storage(StorageSettings(f"sqlite:///{tmp_path}")) as opened:
        await opened.create_namespace("default", NamespaceOptions())
        yield await opened.namespace("default")


async def publish(storage: NamespaceStorage, *names: str, alias: str = "champion") -> None:
    """A version of every named model; alias: "" for none."""
    models = ModelRegistry(storage)
    for name in names:
        published = await models.publish(replace(MANIFEST, name=name), ARTEFACT)
        if alias:
            await models.set_alias(name, alias, published.version)


async def test_the_only_model_is_the_default_whatever_its_name(storage: NamespaceStorage) -> None:
    await publish(storage, "body_mass")
    assert "body_mass" == await only_model(storage)


async def test_of_several_the_preferred_one_is_the_default(storage: NamespaceStorage) -> None:
    await publish(storage, "body_mass", "delivery_time")
    assert "delivery_time" == await only_model(storage, "delivery_time")


async def test_without_a_preferred_one_several_are_listed(storage: NamespaceStorage) -> None:
    await publish(storage, "wing_length", "body_mass")
    with pytest.raises(InvalidInput, match="name the model: body_mass, wing_length are registered") as refused:
        await only_model(storage, "delivery_time")
    assert "model" == refused.value.metadata["field"]


async def test_a_model_that_no_alias_names_counts_only_where_none_has_an_alias(storage: NamespaceStorage) -> None:
    await publish(storage, "tried", alias="")
    before = await only_model(storage)
    await publish(storage, "body_mass")
    assert ("tried", "body_mass") == (before, await only_model(storage))


async def test_no_model_is_an_unknown_one_also_after_its_last_version_is_deleted(storage: NamespaceStorage) -> None:
    await publish(storage, "tried", alias="")
    await ModelRegistry(storage).delete("tried", 1)
    with pytest.raises(Unknown, match="no model is registered") as refused:
        await only_model(storage)
    assert Reason.UNKNOWN_MODEL is refused.value.reason


@dataclass
class Place:
    """A namespace whose storage counts its reads and may be down."""

    names: list[str]
    down: bool = False
    reads: int = 0
    name: str = "default"
    storage: Any = field(init=False)

    def __post_init__(self) -> None:
        self.storage = self

    async def incarnation(self) -> str:
        await asyncio.sleep(0)
        return "first"

    async def list_aliases(self) -> dict[tuple[str, str], int]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.down:
            raise StoreUnavailable("down", reason=Reason.STORE_UNAVAILABLE)
        return {(name, "champion"): 1 for name in self.names}


async def test_a_server_reads_the_default_once_in_a_while_however_many_ask() -> None:
    place, now = Place(["body_mass"]), [0.0]
    async with DefaultModel(max_age=1.0, monotonic=lambda: now[0]) as default:
        many: Any = [default.of(place) for _ in range(50)]  # type: ignore[arg-type]
        names = set(await asyncio.gather(*many))
        now[0], place.names = 1.5, ["wing_length"]
        names.add(await default.of(place))  # type: ignore[arg-type]
    assert ({"body_mass", "wing_length"}, 2) == (names, place.reads)


async def test_the_last_default_is_used_while_the_store_does_not_answer() -> None:
    place, now = Place(["body_mass"]), [0.0]
    async with DefaultModel(max_age=1.0, monotonic=lambda: now[0]) as default:
        before = await default.of(place)  # type: ignore[arg-type]
        now[0], place.down = 1.5, True
        assert (before, "body_mass") == ("body_mass", await default.of(place))  # type: ignore[arg-type]


async def test_a_configured_model_is_never_replaced_by_another() -> None:
    place = Place(["body_mass"])
    async with DefaultModel("wing_length", preferred="body_mass") as default:
        assert ("wing_length", 0) == (await default.of(place), place.reads)  # type: ignore[arg-type]
