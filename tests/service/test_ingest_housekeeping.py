"""Housekeeping of the ingest service: what is past retention is purged while it serves."""

from __future__ import annotations

import io
import json

from tests.opened import open_store

from featurama_core.stores import Stores
from featurama_core.types.errors import StoreUnavailable
from featurama_ingest.housekeeping import housekeeping, purge_all
from featurama_service.logs import open_log
from featurama_service.settings import LogSettings

from .servers import until


def entries(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_every_namespace_is_purged_again_and_again_until_the_server_ends(tmp_path):
    """Two namespaces, several rounds; leaving the context ends the task."""
    url = f"sqlite:///{tmp_path}/store"
    for name in ("earth", "mars"):
        async with open_store(url, namespace=name):
            pass
    stream = io.StringIO()
    log = open_log(LogSettings(log_format="json"), "test", stream)

    async with Stores.open(url) as stores, housekeeping(stores, 0.01, log):
        await until(lambda: len(entries(stream)) >= 4)

    assert [each["namespace"] for each in entries(stream)][:4] == ["earth", "mars", "earth", "mars"]


async def test_a_namespace_that_can_not_be_purged_does_not_hinder_the_others(tmp_path):
    """It is logged with its reason, and the next one is purged."""
    url = f"sqlite:///{tmp_path}/store"
    for name in ("earth", "mars"):
        async with open_store(url, namespace=name):
            pass

    class HalfGone(Stores):
        async def namespace(self, name="default"):
            if name == "earth":
                raise StoreUnavailable("gone")
            return await super().namespace(name)

    stream = io.StringIO()
    async with HalfGone.open(url) as stores:
        await purge_all(stores, open_log(LogSettings(log_format="json"), "test", stream))

    assert [(each["namespace"], each.get("reason")) for each in entries(stream)] == [
        ("earth", "STORE_UNAVAILABLE"),
        ("mars", None),
    ]
