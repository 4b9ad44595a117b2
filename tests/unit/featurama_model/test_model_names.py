"""What is known of a model's names: read once however many ask, and never an answer from before a change made here."""

from __future__ import annotations

import asyncio
from typing import Any

from featurama_core.storage.records import StoredModel
from featurama_model.model_names import ModelNames, ModelSlot, ModelView

SLOT = ModelSlot("default", "first", "model")


class Storage:
    """Names in memory; a read answers what they were when it began, and only when `gate` is open."""

    def __init__(self) -> None:
        self.champion = 1
        self.reads = 0
        self.began = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def list_aliases(self, name: str) -> dict[tuple[str, str], int]:
        found = {(name, "champion"): self.champion}
        self.reads += 1
        self.began.set()
        await self.gate.wait()
        return found

    async def list_models(self, _name: str) -> list[StoredModel]:
        return []


class Seen:
    """What a watch told."""

    def __init__(self) -> None:
        self.champions: list[int] = []
        self.told = asyncio.Event()

    def seen(self, _slot: ModelSlot, view: ModelView, _storage: Any) -> None:
        self.champions.append(view.aliases["champion"])
        self.told.set()

    def forgotten(self, _slot: ModelSlot) -> None:
        pass


async def champion(names: ModelNames, storage: Any) -> int:
    return (await names.view(SLOT, storage)).aliases["champion"]


async def test_a_view_is_read_once_until_it_is_too_old_or_expired() -> None:
    storage, now = Storage(), [0.0]
    names = ModelNames(1.0, 0.0, Seen(), monotonic=lambda: now[0])
    assert await asyncio.gather(*(champion(names, storage) for _ in range(5))) == [1] * 5
    storage.champion = 2
    now[0] = 1.0
    assert (await champion(names, storage), storage.reads) == (1, 1)
    names.expire()
    assert (await champion(names, storage), storage.reads) == (2, 2)
    now[0] = 2.5
    assert (await champion(names, storage), storage.reads) == (2, 3)


async def test_an_answer_that_was_read_before_a_change_is_not_taken_for_one_after_it() -> None:
    """A read is under way when the alias moves: who asks then gets another read, whichever ends first."""
    storage = Storage()
    names = ModelNames(1.0, 0.0, Seen(), monotonic=lambda: 0.0)
    storage.gate.clear()
    early = asyncio.create_task(champion(names, storage))
    await storage.began.wait()
    storage.champion = 2
    names.expire()
    storage.began.clear()
    late = asyncio.create_task(champion(names, storage))
    await storage.began.wait()
    storage.gate.set()
    assert (await late, storage.reads) == (2, 2)
    assert await early in (1, 2)
    assert (await champion(names, storage), storage.reads) == (2, 2)


async def test_a_watch_does_not_tell_what_was_read_before_a_change() -> None:
    storage, seen = Storage(), Seen()
    names = ModelNames(0.001, 60.0, seen, monotonic=lambda: 0.0)
    storage.gate.clear()
    names.used(SLOT, storage)  # type: ignore[arg-type]
    await storage.began.wait()
    storage.champion = 2
    names.expire()
    storage.gate.set()
    await seen.told.wait()
    await names.close()
    assert set(seen.champions) == {2}
