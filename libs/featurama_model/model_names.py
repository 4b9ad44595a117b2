"""Versions and aliases of models as stored, watched while the models are in use.

A view is at most `staleness` seconds old, except while the store does not answer. A background task reads a model in
use again before that time is over, so requests do not wait, and a moved alias is noticed without a request.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import StoredModel
from featurama_core.types.errors import DeadlineExceeded, FeaturamaError, StoreUnavailable
from featurama_model.registry import named_versions
from featurama_model.shared_tasks import SharedTasks

_MAX_VIEWS = 1_024
_MAX_WATCHED = 64
_PATIENCE_S = 0.25
"""How long a request waits for a store that does not answer before it uses the last view."""


class ModelSlot(NamedTuple):
    """A model's name in one incarnation of a namespace."""

    namespace: str
    incarnation: str
    name: str


@dataclass(frozen=True, slots=True)
class ModelView:
    """Versions and aliases of one model at `read_at`. generation: the number of earlier calls of `expire`."""

    read_at: float
    versions: Mapping[int, StoredModel]
    aliases: Mapping[str, int]
    generation: int


class ViewListener(Protocol):
    """Receives the views that a watch reads. Called on the loop; must not raise."""

    def seen(self, slot: ModelSlot, view: ModelView, storage: NamespaceStorage) -> None:
        """A watch has read a view."""

    def forgotten(self, slot: ModelSlot) -> None:
        """The watch of an unused model has ended."""


class ModelNames:
    """Views of models; concurrent requests share one read. `close` ends the reads and watches.

    staleness, watch: seconds. A watch ends when its model has not been used for `watch`; 0 watches no model.
    """

    def __init__(
        self, staleness: float, watch: float, listener: ViewListener, *, monotonic: Callable[[], float]
    ) -> None:
        self._staleness = staleness
        self._watch = watch
        self._listener = listener
        self._monotonic = monotonic
        self._views: OrderedDict[ModelSlot, ModelView] = OrderedDict()
        self._reading: SharedTasks[tuple[ModelSlot, int], ModelView] = SharedTasks()
        self._generation = 0
        self._watching: dict[ModelSlot, asyncio.Task[None]] = {}
        self._used: dict[ModelSlot, float] = {}

    async def view(self, slot: ModelSlot, storage: NamespaceStorage) -> ModelView:
        """The model's versions and aliases. Raises StoreUnavailable, DeadlineExceeded only without a view."""
        known = self._views.get(slot)
        fresh = known is not None and known.generation == self._generation
        if known is not None and fresh and self._monotonic() - known.read_at <= self._staleness:
            return known
        reading = self._read(slot, storage)
        try:
            if known is not None:
                await asyncio.wait((reading,), timeout=_PATIENCE_S)
                return reading.result() if reading.done() else known
            # Shielded: the deadline of one caller must not fail the others that wait for the same read.
            return await asyncio.shield(reading)
        except (StoreUnavailable, DeadlineExceeded):
            if known is None:
                raise
            return known

    def used(self, slot: ModelSlot, storage: NamespaceStorage) -> None:
        """Start or prolong the watch of this model."""
        if slot in self._watching:
            self._used[slot] = time.monotonic()
        elif self._watch and len(self._watching) < _MAX_WATCHED:
            self._used[slot] = time.monotonic()
            task = asyncio.create_task(self._follow(slot, storage))
            self._watching[slot] = task
            task.add_done_callback(lambda _: self._watched_no_more(slot))

    def expire(self) -> None:
        """Treat all views, and reads in progress, as too old: they may precede a change."""
        self._generation += 1

    async def close(self) -> None:
        """Cancel the watches and the reads in progress."""
        watching = list(self._watching.values())
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await self._reading.close()

    async def _follow(self, slot: ModelSlot, storage: NamespaceStorage) -> None:
        while time.monotonic() - self._used[slot] <= self._watch:
            await asyncio.sleep(self._staleness / 2)
            try:
                view = await asyncio.shield(self._read(slot, storage))
            except FeaturamaError:
                continue  # the last view remains until the store answers
            # A view that precedes a change made by this process would undo it.
            if view.generation == self._generation:
                self._listener.seen(slot, view, storage)

    def _watched_no_more(self, slot: ModelSlot) -> None:
        del self._watching[slot]
        del self._used[slot]
        self._listener.forgotten(slot)

    def _read(self, slot: ModelSlot, storage: NamespaceStorage) -> asyncio.Task[ModelView]:
        generation = self._generation
        return self._reading.begin((slot, generation), partial(self._read_view, slot, storage, generation))

    async def _read_view(self, slot: ModelSlot, storage: NamespaceStorage, generation: int) -> ModelView:
        read_at = self._monotonic()
        # Aliases before versions: a version is published before an alias names it.
        aliases = await storage.list_aliases(slot.name)
        versions = await storage.list_models(slot.name)
        by_number = {stored.version: stored for stored in versions}
        view = ModelView(read_at, by_number, named_versions(aliases), generation)
        newer = self._views.get(slot)
        if newer is not None and newer.generation > generation:
            return newer
        self._views[slot] = view
        self._views.move_to_end(slot)
        while len(self._views) > _MAX_VIEWS:
            self._views.popitem(last=False)
        return view
