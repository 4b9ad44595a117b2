"""The model registry on every adapter: aliases that go back, versions that go, artefacts inside and outside."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_model.alias_history import AliasMove
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.manifest import ModelManifest, unusable
from featurama_model.registry import ModelRegistry
from tests.contract.conftest import Names
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST


class Clock:
    """A wall clock that moves a second at each look."""

    def __init__(self) -> None:
        self.nanoseconds = 1_767_225_600_000_000_000

    def __call__(self) -> int:
        self.nanoseconds += 1_000_000_000
        return self.nanoseconds


@pytest.fixture
def registry(namespace: NamespaceStorage) -> ModelRegistry:
    return ModelRegistry(namespace, clock=Clock())


@pytest.fixture
def model(names: Names) -> str:
    return f"model_{names.suffix}"


async def published(registry: ModelRegistry, model: str, versions: int) -> None:
    for _ in range(versions):
        await registry.publish(replace(MANIFEST, name=model), ARTEFACT)


async def champion(registry: ModelRegistry, model: str) -> int:
    return (await registry.aliases(model))["champion"]


async def test_a_rollback_goes_back_one_promotion_and_again_one_further(registry: ModelRegistry, model: str) -> None:
    await published(registry, model, 3)
    for version in (1, 3, 2):
        await registry.set_alias(model, "champion", version)
    moved = [(await registry.rollback(model)).version for _ in range(2)]
    assert moved == [3, 1]
    assert await champion(registry, model) == 1
    with pytest.raises(FailedPrecondition, match="has no earlier version"):
        await registry.rollback(model)
    await registry.set_alias(model, "champion", 2)
    assert (await registry.rollback(model)).version == 1


async def test_a_rollback_passes_over_versions_that_are_gone_and_other_aliases(
    registry: ModelRegistry, model: str
) -> None:
    await published(registry, model, 4)
    for version in (1, 2, 3):
        await registry.set_alias(model, "champion", version)
    await registry.set_alias(model, "challenger", 4)
    await registry.delete(model, 2)
    assert (await registry.rollback(model)).version == 1
    assert await registry.aliases(model) == {"challenger": 4, "champion": 1}


async def test_the_history_of_an_alias_says_who_moved_it_when_and_from_where(
    registry: ModelRegistry, model: str
) -> None:
    await published(registry, model, 2)
    await registry.set_alias(model, "champion", 1, by="hermes", note="first")
    await registry.set_alias(model, "champion", 2, by="amy")
    await registry.rollback(model, by="hermes")
    history: list[AliasMove] = list(await registry.history(model))
    found = [(move.version, move.previous, move.by, move.note, move.action.rpartition(".")[2]) for move in history]
    assert found == [
        (1, 0, "hermes", "first", "moved"),
        (2, 1, "amy", "", "moved"),
        (1, 2, "hermes", "", "rolled_back"),
    ]
    assert [move.at for move in history] == sorted(move.at for move in history)


async def test_a_promotion_that_was_recorded_but_never_made_is_not_gone_back_to(
    registry: ModelRegistry, model: str, namespace: NamespaceStorage
) -> None:
    await published(registry, model, 3)
    await registry.set_alias(model, "champion", 1)
    await registry.set_alias(model, "champion", 2)
    await namespace.append_audit(AliasMove(2**50, "model.alias.moved", model, "champion", 3, 2).record())
    assert (await registry.rollback(model)).version == 1


async def test_a_move_that_lost_against_another_is_in_no_history_and_not_gone_back_to(
    registry: ModelRegistry, model: str, namespace: NamespaceStorage
) -> None:
    """It was recorded between the winner's record and the next move: the chain of what was named passes it by."""
    await published(registry, model, 4)
    await registry.set_alias(model, "champion", 1)
    await registry.set_alias(model, "champion", 2)
    lost = AliasMove((await registry.history(model))[-1].at, "model.alias.moved", model, "champion", 3, 1)
    await namespace.append_audit(lost.record())
    await registry.set_alias(model, "champion", 4)
    assert [move.version for move in await registry.history(model)] == [1, 2, 4]
    assert [(await registry.rollback(model)).version for _ in range(2)] == [2, 1]


async def test_an_alias_that_was_moved_by_others_is_not_moved_by_who_expected_another_version(
    registry: ModelRegistry, model: str
) -> None:
    await published(registry, model, 3)
    await registry.set_alias(model, "champion", 1, expected=0)
    await registry.set_alias(model, "champion", 2, by="amy")
    with pytest.raises(Conflict, match="version 2, not version 1") as refused:
        await registry.set_alias(model, "champion", 3, expected=1)
    assert refused.value.reason is Reason.ALIAS_MOVED
    assert await champion(registry, model) == 2
    assert (await registry.set_alias(model, "champion", 3, expected=2)).previous == 2
    assert (await registry.set_alias(model, "champion", 3, expected=2)).previous == 3  # sent again


async def test_of_promotions_at_the_same_time_none_is_lost_unnoticed(registry: ModelRegistry, model: str) -> None:
    """Those that expect the same version: one is made. Those that expect nothing: all, one after another."""
    await published(registry, model, 5)
    await registry.set_alias(model, "champion", 1)
    tries = [registry.set_alias(model, "champion", version, expected=1) for version in (2, 3, 4)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    (won,) = [each.version for each in ended if isinstance(each, AliasMove)]
    assert sum(isinstance(each, Conflict) for each in ended) == 2
    assert await champion(registry, model) == won
    assert [move.version for move in await registry.history(model)] == [1, won]

    moves = await asyncio.gather(*(registry.set_alias(model, "champion", version) for version in (4, 5)))
    last = await champion(registry, model)
    assert {move.version for move in moves} == {4, 5}
    assert next(move for move in moves if move.version != last).previous == won or won == 4
    assert next(move for move in moves if move.version == last).previous == ({4, 5} - {last}).pop()


async def test_a_rollback_goes_nowhere_if_the_version_before_cannot_be_used(
    registry: ModelRegistry, model: str
) -> None:
    async def refuse(manifest: ModelManifest) -> None:
        raise unusable("it is haunted", model=manifest.name, version=manifest.version)

    await published(registry, model, 2)
    for version in (1, 2):
        await registry.set_alias(model, "champion", version)
    with pytest.raises(FailedPrecondition, match=r"version 1 of .* haunted"):
        await registry.rollback(model, trial=refuse)
    assert await champion(registry, model) == 2


async def test_a_version_that_an_alias_names_is_not_deleted(registry: ModelRegistry, model: str) -> None:
    await published(registry, model, 2)
    await registry.set_alias(model, "challenger", 2)
    with pytest.raises(FailedPrecondition, match="challenger"):
        await registry.delete(model, 2)
    with pytest.raises(Unknown):
        await registry.delete(model, 9)
    assert [listed.stored.version for listed in await registry.list(model)] == [1, 2]


async def test_the_number_of_a_deleted_version_is_never_given_again(registry: ModelRegistry, model: str) -> None:
    await published(registry, model, 3)
    for version in (3, 2, 1):
        await registry.delete(model, version)
    assert await registry.list(model) == []
    assert (await registry.publish(replace(MANIFEST, name=model), ARTEFACT)).version == 4
    assert await registry.aliases(model) == {}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_artefacts_in_a_directory_are_checked_like_those_in_the_storage(
    namespace: NamespaceStorage, model: str, tmp_path: Path
) -> None:
    """The manifest names a place below the directory, not the directory; a file serves all versions of its bytes."""
    outside = ModelRegistry(namespace, artefacts=ArtefactDirectory(f"file://{tmp_path}", "tenant"))
    manifests = [await outside.publish(replace(MANIFEST, name=model), ARTEFACT) for _ in range(2)]
    (file,) = files_below(tmp_path)
    facts = manifests[0].artefact
    assert facts is not None
    assert file == tmp_path / facts.location == tmp_path / "tenant" / model / f"{facts.sha256}.json"
    assert await outside.artefact(manifests[0]) == ARTEFACT
    assert str(tmp_path) not in manifests[0].to_json()

    with pytest.raises(FailedPrecondition, match="artefact directory"):
        await ModelRegistry(namespace).artefact(manifests[0])
    await outside.delete(model, 1)
    assert await outside.artefact(manifests[1]) == ARTEFACT
    await outside.delete(model, 2)
    assert files_below(tmp_path) == []
    with pytest.raises(FailedPrecondition, match="not in the artefact directory"):
        await outside.artefact(manifests[1])


async def test_an_artefact_directory_may_be_any_file_system_of_fsspec(namespace: NamespaceStorage, model: str) -> None:
    outside = ModelRegistry(namespace, artefacts=ArtefactDirectory(f"memory://{model}", "tenant"))
    manifest = await outside.publish(replace(MANIFEST, name=model), ARTEFACT)
    assert await outside.artefact(manifest) == ARTEFACT
    unknown = ModelRegistry(namespace, artefacts=ArtefactDirectory("nosuchscheme://x:secret@y", "tenant"))
    with pytest.raises(InvalidInput, match="scheme") as refused:
        await unknown.publish(replace(MANIFEST, name=model), ARTEFACT)
    assert "secret" not in refused.value.message
