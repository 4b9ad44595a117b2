"""A server that cannot read the definitions goes on with the last known ones, and says so after the lead."""

from __future__ import annotations

from typing import Any

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import StoreUnavailable

from .standing_clock import SECOND, Unique, answers, write

SETTINGS = StoreSettings()


class Unreadable:
    """A storage whose definitions cannot be read while `broken`."""

    def __init__(self, inner: NamespaceStorage) -> None:
        self._inner = inner
        self.broken = False
        self.tries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def load_definitions(self, after: int = 0) -> Definitions:
        self.tries += 1
        if self.broken:
            raise StoreUnavailable("a fault was set here")
        return await self._inner.load_definitions(after)


async def test_reads_go_on_with_the_last_known_definitions(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """One try per staleness; from the lead on the server is behind, until it can read them again."""
    storage, lead = Unreadable(namespace), SETTINGS.revision_lead
    space = Namespace("shared", storage, SETTINGS, clock, lambda: clock.nanos / 1e9)  # type: ignore[arg-type]
    store, speed, fry = OpenedStore(space), unique("speed"), unique("fry")
    await store.register_feature(speed, "int")
    await write(store, speed, [(fry, clock.now, 7)])
    storage.broken, read_at = True, clock.now
    clock.advance(lead)
    before = storage.tries
    for _ in range(3):
        assert [[("PRESENT", 7)]] == answers(await store.get_online_features([fry], [speed]))
    assert before + 1 == storage.tries
    assert not space.registry.is_behind(lead)
    clock.nanos = (read_at + lead + SECOND) * 1_000
    assert space.registry.is_behind(lead)
    with pytest.raises(StoreUnavailable):
        await store.list_feature_groups()
    storage.broken = False
    clock.advance(3 * SECOND)
    assert [[("PRESENT", 7)]] == answers(await store.get_online_features([fry], [speed]))
    assert not space.registry.is_behind(lead)


async def test_a_server_without_requests_is_not_behind(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """It reads the definitions with the next one."""
    space = Namespace("shared", namespace, SETTINGS, clock, lambda: clock.nanos / 1e9)
    await OpenedStore(space).register_feature(unique("speed"), "int")
    clock.advance(100 * SETTINGS.revision_lead)
    assert not space.registry.is_behind(SETTINGS.revision_lead)


async def test_a_server_that_never_read_them_refuses(namespace: NamespaceStorage, clock: FakeClock) -> None:
    """There is nothing to go on with."""
    storage = Unreadable(namespace)
    storage.broken = True
    space = Namespace("shared", storage, SETTINGS, clock)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        await OpenedStore(space).get_online_features(["fry"], ["speed"])
    assert not space.registry.is_behind(SETTINGS.revision_lead)
