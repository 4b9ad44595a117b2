"""The current definitions of one namespace: cached with bounded staleness, and read again on a miss.

The storage numbers every change of a definition: a refresh reads the changes after the number that is known, and an
unchanged snapshot stays the same object, with all that is cached in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from featurama_core.registry.rules import Draft
from featurama_core.registry.snapshot import Snapshot
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.errors import Conflict, Unknown
from featurama_core.types.schema import Definition

T = TypeVar("T")
P = ParamSpec("P")

_TURNS = 5
_ON_THE_LOOP = 100
"""Definitions that are judged or indexed on the event loop; more would delay other calls and are left to a thread."""


class Registry:
    """The current snapshot of one namespace, and the way to add to it."""

    def __init__(self, storage: NamespaceStorage, *, staleness: float, now: Callable[[], int]) -> None:
        self._storage = storage
        self._staleness = staleness
        self._now = now
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0
        self._reading: asyncio.Task[tuple[Snapshot, float]] | None = None

    async def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """The definitions, at most `staleness` seconds old. fresh: whether they are read after this call began."""
        current = self._snapshot
        if not fresh and current is not None and time.monotonic() - self._read_at <= self._staleness:
            return current
        called_at = time.monotonic()
        while True:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            # Shielded: the deadline of one caller must not fail others that wait for the same read.
            snapshot, read_at = await asyncio.shield(self._reading)
            if not fresh or read_at >= called_at:
                return snapshot

    async def _read(self) -> tuple[Snapshot, float]:
        read_at = time.monotonic()
        before = self._snapshot
        found = await self._storage.load_definitions(0 if before is None else before.revision)
        changes = sum(map(len, (found.entity_types, found.groups, found.features, found.services)))
        if before is None or changes or found.revision != before.revision:
            before = await _apart(changes, Snapshot, found, before)
        self._snapshot, self._read_at = before, read_at
        return before, read_at

    async def resolving(self, look_up: Callable[[Snapshot], T]) -> T:
        """`look_up` on the cached snapshot, and again on a fresh one if it raises Unknown."""
        snapshot = await self.snapshot()
        try:
            return look_up(snapshot)
        except Unknown:
            return look_up(await self.snapshot(fresh=True))

    async def define_all(self, definitions: Sequence[Definition]) -> list[Definition]:
        """Register definitions, in one batch. -> as they are stored, in order.

        They may name each other, in whatever order they are given. If one is refused, nothing is stored. The same ones
        again change nothing.
        """
        for _ in range(_TURNS):
            draft = Draft(await self.snapshot(fresh=True), self._now())
            made = await _apart(len(definitions), draft.define_all, definitions)
            stored = await self._storage.put_definitions(draft.new) if draft.new else []
            if stored != draft.new:
                continue  # another process registers the same names: its definitions are judged now
            for changed in draft.changed:
                await self._storage.update_definition(changed)
            if draft.new or draft.changed:
                await self.snapshot(fresh=True)
            there = {id(new): each for new, each in zip(draft.new, stored, strict=True)}
            return [there.get(id(each), each) for each in made]
        raise Conflict("the same names are being registered by others; send the request again", field="name")

    async def deprecate(self, definition: Definition) -> Definition:
        """Mark a definition as deprecated: new definitions cannot use it."""
        marked = replace(definition, deprecated=True)
        await self._storage.update_definition(marked)
        await self.snapshot(fresh=True)
        return marked


async def _apart(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return work(*args, **kwargs) if size <= _ON_THE_LOOP else await asyncio.to_thread(work, *args, **kwargs)
