"""A storage that is opened for reading only: it reads beside a writer, and neither makes nor changes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings
from featurama_core.stores import Stores
from featurama_core.types.errors import FailedPrecondition, StoreUnavailable
from tests.opened import open_store

FRAME = {"entity_id": ["planet_mars"], "timestamp": ["2026-01-01T12:00:00Z"], "traffic_level": [0.7]}


async def test_a_reader_sees_what_a_writer_has_written_meanwhile(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with open_store(url) as writer:
        await writer.register_feature("traffic_level", "double")
        async with Stores.open(StorageSettings(url, read_only=True)) as stores:
            reader = await stores.get()
            assert (await writer.write_features(FRAME)).accepted == 1
            read = await reader.get_online_features(["planet_mars"], ["traffic_level"])
            assert read.to_dict()["traffic_level"] == [0.7]


async def test_every_write_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with open_store(url) as writer:
        await writer.register_feature("traffic_level", "double")
    async with Stores.open(StorageSettings(url, read_only=True)) as stores:
        reader = await stores.get()
        report = await reader.write_features(FRAME)
        assert (report.accepted, report.rejected) == (0, 1)
        with pytest.raises(StoreUnavailable, match="read-only"):
            await reader.register_feature("weather_index", "double")
        for change in (stores.storage.drop_namespace, stores.storage.migrate):
            with pytest.raises(FailedPrecondition):
                await change("default")
        with pytest.raises(FailedPrecondition):
            await stores.storage.create_namespace("other", NamespaceOptions())


async def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        async with Stores.open(StorageSettings(f"sqlite:///{tmp_path}/nowhere", read_only=True)):
            pass
    assert not (tmp_path / "nowhere").exists()
