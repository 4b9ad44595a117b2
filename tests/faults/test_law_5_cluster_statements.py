"""Law 5 inside the cluster adapter: a changing statement fails, before or after it was done, or the writing process
ends at it, with all it had under way; at all `moments`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.laws.conftest import PROFILE
from tests.laws.scene import Arena, open_arena

from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.schema import HISTORY_FORMS

from .moments import moments
from .play import check_finished, check_interrupted, play, script, unfinished
from .stalling import until_stalled

pytestmark = pytest.mark.cql
assert PROFILE  # the laws' conftest is loaded: the same profiles hold here


class Statements:
    """The seam: counts changing statements, each before and after it is done, and meddles with the n-th."""

    def __init__(self) -> None:
        self.number = -1
        self.dies = False
        self.seen = 0
        self.hit = ""
        self.stalled = asyncio.Event()

    def arm(self, number: int, *, dies: bool) -> None:
        """From now on the n-th is hit."""
        self.number, self.dies, self.seen, self.hit = number, dies, 0, ""
        self.stalled.clear()

    async def __call__(self, text: str) -> None:
        if self.number < 0 or "SELECT" in text.upper().split():
            return
        self.seen += 1
        if self.hit and self.dies:
            await asyncio.get_running_loop().create_future()
        if not self.hit and self.seen == self.number + 1:
            self.hit = text
            if self.dies:
                self.stalled.set()
                await asyncio.get_running_loop().create_future()
            raise RuntimeError("a fault was set here")


@pytest.mark.parametrize("history", HISTORY_FORMS)
@pytest.mark.parametrize("dies", [False, True], ids=["fails", "dies"])
def test_any_statement_may_be_the_last(cql_endpoint: Any, dies: bool, history: str) -> None:
    """Another process finishes what the first left."""
    from featurama_core.storage.cql import CqlStorage

    with open_arena("cql", cql_endpoint.url, history) as arena:
        seam, stack = Statements(), AsyncExitStack()
        settings = StorageSettings(cql_endpoint.url, request_timeout_ms=20_000)
        opening = CqlStorage.open(StorageUrl.parse(cql_endpoint.url), settings, seam)
        storage = arena.run(stack.enter_async_context(opening))
        try:
            for number in moments():
                if not _interrupt(arena, storage, seam, number, dies=dies):
                    break
            assert number > 60
        finally:
            arena.run(stack.aclose())


def _interrupt(arena: Arena, storage: Any, seam: Statements, number: int, *, dies: bool) -> str:
    """Play until the n-th statement. -> that statement, empty if there are not so many."""
    with arena.scene(grows=False) as scene:
        faulty = scene.server(arena.run(storage.namespace(scene.namespace)))
        steps = script(scene)

        async def until_dead(work: Awaitable[object]) -> object:
            return await until_stalled(work, seam.stalled)

        # Prepared and known before: what is counted are the statements of the play.
        arena.run(faulty.list_features())
        seam.arm(number, dies=dies)
        played = scene.run(play(scene, faulty, steps, interruptible=until_dead))
        hit = seam.hit
        seam.arm(-1, dies=False)
        healthy = scene.servers[1]
        scene.run(check_interrupted(scene, healthy, steps, played))
        scene.run(play(scene, healthy, steps, only=unfinished(steps, played)))
        scene.run(check_finished(scene, healthy, steps))
        return hit
