"""`featurama models promote`, `rollback` and `list`: a version is tried first; what is degraded is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.opened import OpenedStore, open_store
from tests.service.predicting_store import NAME, define, publish, publish_mutated
from tests.service.servers import online_server
from tests.unit.cli.running import Featurama

from featurama_model.registry import ModelRegistry

Act = Callable[[OpenedStore], Coroutine[Any, Any, Any]]


@pytest.fixture
def at_the_store(folder: Path) -> Callable[[Act], Any]:
    """Do something with the command's own store."""

    def do(act: Act) -> Any:
        async def opened() -> Any:
            async with open_store(f"sqlite:///{folder}/featurama-data") as store:
                return await act(store)

        return asyncio.run(opened())

    return do


@pytest.fixture
def models(at_the_store: Callable[[Act], Any]) -> Callable[[Act], Any]:
    """Two good versions, of which the first is the champion, and a mutated third."""

    async def make(store: OpenedStore) -> None:
        await define(store)
        await publish(store, 0.0, 100.0, champion=1)
        await publish_mutated(store, 3)

    at_the_store(make)
    return at_the_store


def test_a_version_that_cannot_be_used_is_refused_in_one_line_and_the_alias_stays(
    featurama: Featurama, models: Callable[[Act], Any]
) -> None:
    refused = featurama("models", "promote", NAME, 3)
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert "version 3" in refused.err
    assert "[MODEL_UNUSABLE]" in refused.err
    missing = featurama("models", "promote", NAME, 9)
    assert (missing.code, "[UNKNOWN_MODEL]" in missing.err) == (2, True)
    assert len(featurama("models", "history", NAME, "--json").json) == 1
    assert featurama("models", "promote", NAME, 2).code == 0
    assert featurama("models", "list", "--json").json[1]["aliases"] == ["champion"]


def test_a_promotion_may_expect_what_the_alias_names(featurama: Featurama, models: Callable[[Act], Any]) -> None:
    refused = featurama("models", "promote", NAME, 2, "--expect", 0)
    assert (refused.code, "[ALIAS_MOVED]" in refused.err, len(refused.err.splitlines())) == (2, True, 1)
    assert featurama("models", "promote", NAME, 2, "--expect", 1).code == 0
    assert featurama("models", "promote", NAME, 2, "--expect", 0, "--alias", "challenger").code == 0
    both = featurama("models", "promote", NAME, 1, "--expect", 2, "--if-better")
    assert (both.code, "--expect" in both.err) == (2, True)


def test_a_rollback_tries_the_version_before(featurama: Featurama, models: Callable[[Act], Any]) -> None:
    async def move(store: OpenedStore) -> None:
        for version in (3, 2):
            await ModelRegistry(store.space.storage).set_alias(NAME, "champion", version)

    models(move)
    refused = featurama("models", "rollback", NAME)
    assert (refused.code, "version 3" in refused.err, "[MODEL_UNUSABLE]" in refused.err) == (2, True, True)
    assert featurama("models", "list", NAME, "--json").json[1]["aliases"] == ["champion"]


def test_a_list_tries_what_aliases_name_if_asked_to_and_over_a_server_says_what_answers_instead(
    featurama: Featurama, models: Callable[[Act], Any], folder: Path
) -> None:
    async def move(store: OpenedStore) -> None:
        for version in (2, 3):
            await ModelRegistry(store.space.storage).set_alias(NAME, "champion", version)

    models(move)
    assert [row["problem"] for row in featurama("models", "list", "--json").json] == [None] * 3
    checked = featurama("models", "list", "--check", "--json").json
    assert [row["problem"] is None for row in checked] == [True, True, False]
    assert "version 3" in checked[2]["problem"]
    assert "problem" in featurama("models", "list", "--check").out

    async def served() -> Any:
        async with online_server(f"sqlite:///{folder}/featurama-data") as server:
            return await asyncio.to_thread(featurama, "models", "list", "--store", f"grpc://{server.address}", "--json")

    rows = asyncio.run(served()).json
    assert [(row["aliases"], row["serves"], row["state"]) for row in rows] == [
        ([], [], "not loaded"),
        ([], ["champion (degraded)"], "loaded"),
        (["champion"], [], "unusable"),
    ]
