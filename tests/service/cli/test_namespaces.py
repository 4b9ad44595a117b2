"""Namespaces: made, listed, deleted, and carried in files from one storage to another."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from tests.opened import OpenedStore, open_store

from featurama_core.storage.records import StoredModel
from featurama_core.types.errors import Unknown
from featurama_core.types.schema import Entity
from featurama_core.types.writes import WriteMode

from .conftest import Featurama

HOUR = 3_600_000_000


def test_namespaces_are_made_listed_and_deleted(featurama: Featurama) -> None:
    assert featurama("namespaces", "create", "mars").code == 0
    assert featurama("namespaces", "create", "earth").code == 0
    assert [row["namespace"] for row in featurama("namespaces", "list", "--json").json] == ["earth", "mars"]
    assert featurama("namespaces", "delete", "mars", "--yes").code == 0
    assert [row["namespace"] for row in featurama("namespaces", "list", "--json").json] == ["earth"]


def test_a_namespace_that_is_there_is_an_error_unless_that_is_fine(featurama: Featurama) -> None:
    featurama("namespaces", "create", "mars")
    again = featurama("namespaces", "create", "mars")
    assert (again.code, "[NAMESPACE_EXISTS]" in again.err) == (2, True)
    assert featurama("namespaces", "create", "mars", "--if-missing").code == 0


@pytest.mark.parametrize("name", ["Mars", "../mars", "mars;drop", "", "m" * 41])
def test_a_name_that_is_none_is_refused(featurama: Featurama, name: str) -> None:
    assert featurama("namespaces", "create", name).code == 2


def test_deleting_a_namespace_asks_for_yes(featurama: Featurama) -> None:
    featurama("namespaces", "create", "mars")
    assert featurama("namespaces", "delete", "mars").code == 2
    assert len(featurama("namespaces", "list", "--json").json) == 1


def test_what_is_written_to_one_is_not_in_the_other(defined: Featurama, folder: Path) -> None:
    defined("namespaces", "create", "other")
    assert defined("features", "--json").json
    assert defined("features", "-n", "other", "--json").json == []


class AnHourAgo:
    """A clock of yesterday's servers: what they wrote is settled now."""

    def __call__(self) -> int:
        return time.time_ns() - 3_600_000_000_000


async def _fill(now: int) -> None:
    async with open_store("sqlite:///featurama-data", clock=AnHourAgo()) as store:
        await store.register_entities([Entity("planet_mars", "planet", "Mars", json.dumps({"moons": 2}))])
        await store.deprecate_feature("moons", 1)
        await store.register_feature("temperature", "double", "In celsius", 2, group="weather", entity_type="planet")
        ids = ["planet_mars", "planet_earth"]
        for value, at in ((1.0, now - 5 * HOUR), (2.0, now - 4 * HOUR), (3.0, now - 5 * HOUR)):
            frame = {
                "entity_id": ids,
                "timestamp": [at, at],
                "temperature": [value, None],
                "storm": [True, False],
                "nickname": ["röd", ""],
                "wind": [[value, 0.5, -1.0], [0.0, 0.0, value]],
            }
            report = await store.write_features(frame, version=1, mode=WriteMode.BULK, time_unit="us")
            assert report.accepted == 2, report
        both = {"entity_id": ["planet_mars"], "timestamp": [now - 3 * HOUR], "temperature": [-40.0]}
        assert (await store.write_features(both, version=2, time_unit="us")).accepted == 1
        # An entity that is registered as nothing has values of two entity types.
        await store.register_feature("seen", "int")
        seen = {"entity_id": ["planet_earth"], "timestamp": [now - 3 * HOUR], "seen": [7]}
        assert (await store.write_features(seen, time_unit="us")).accepted == 1
        await store.delete_feature_values("planet_mars", ["nickname"])
        await store.delete_entity("planet_gone")
        manifest = StoredModel("m", 3, "{}", 5, 4)
        assert await store.space.storage.put_model(manifest, [b"tree"])
        await store.space.storage.put_alias("m", "champion", 3)


async def _read(namespace: str, now: int) -> dict[str, object]:
    """Everything a reader may see."""
    seen: dict[str, object] = {}
    async with open_store("sqlite:///featurama-data", namespace=namespace) as store:
        seen["definitions"] = [
            *await store.list_entity_types(),
            *await store.list_feature_groups(),
            *await store.list_features(all_versions=True),
            *await store.list_feature_services(),
        ]
        seen["deprecated"] = [each.reference for each in await store.list_features() if each.deprecated]
        seen["entity"] = await store.get_entity("planet_mars")
        seen["registered"] = sorted(await store.space.storage.get_entities(["planet_mars", "planet_earth"]))
        seen["all"] = [each.entity_id for each in await store.list_entities("planet")]
        seen["of any type"] = (await store.get_online_features(["planet_earth"], ["seen"])).to_dict()["seen"]
        references = ["temperature@1", "temperature@2", "storm@1", "nickname@1", "wind@1"]
        for entity_id in ("planet_mars", "planet_earth", "planet_gone"):
            for reference in references:
                history = await store.get_feature_history(entity_id, reference, corrections=True)
                seen[f"{entity_id} {reference}"] = (
                    history.column.to_list(),
                    history.column.status.tolist(),
                    history.column.event_time.tolist(),
                    history.ingested_at.tolist(),
                )
        online = await store.get_online_features(["planet_mars", "planet_earth"], references)
        seen["online"] = [(each.to_list(), each.status.tolist()) for each in online.columns]
        seen["models"] = await store.space.storage.list_models()
        seen["artefact"] = await store.space.storage.read_artefact("m", 3)
        seen["aliases"] = await store.space.storage.list_aliases()
        seen["marks"] = [(each.entity_id, each.feature_name) for each in await store.space.storage.list_tombstones()]
    return seen


def test_an_export_and_import_changes_nothing_that_can_be_read(defined: Featurama, folder: Path) -> None:
    """Definitions, entities, corrections with their ingest times, nulls, vectors, marks and models: all as before."""
    now = time.time_ns() // 1_000
    asyncio.run(_fill(now))
    exported = defined("namespaces", "export", "default", "backup", "--json")
    assert exported.code == 0, exported.err
    imported = defined("namespaces", "import", "copy", "backup", "--json")
    assert imported.code == 0, imported.err
    assert (imported.json["values"], imported.json["marks"]) == (exported.json["values"], exported.json["marks"])
    assert asyncio.run(_read("copy", now)) == asyncio.run(_read("default", now))


def test_an_import_counts_what_it_kept(defined: Featurama, folder: Path) -> None:
    """Rows that have expired since the export are counted apart, and their values are not."""
    asyncio.run(_fill(time.time_ns() // 1_000))
    assert defined("namespaces", "export", "default", "backup").code == 0
    file = folder / "backup" / "definitions.json"
    definitions = json.loads(file.read_text())
    for each in definitions["feature_groups"]:
        each["ttl"], each["retention"] = None, int(3.5 * HOUR)
    file.write_text(json.dumps(definitions))
    imported = defined("namespaces", "import", "copy", "backup", "--json")
    assert imported.code == 0, imported.err
    exported = defined("namespaces", "export", "copy", "again", "--json")
    assert (6, exported.json["values"]) == (imported.json["expired_rows"], imported.json["values"])


async def _import(namespace: str, now: int, value: float) -> list[tuple[object, int]]:
    """An import of one row; then every correction of it: (value, ingest time), the newest first."""
    async with open_store("sqlite:///featurama-data", namespace=namespace) as store:
        frame = {"entity_id": ["planet_mars"], "timestamp": [now - 5 * HOUR], "ingested_at": [now - 4 * HOUR]}
        await store.write_features(
            frame | {"moons": [value]}, mode=WriteMode.BULK, ingested_at_unit="us", time_unit="us"
        )
        history = await store.get_feature_history("planet_mars", "moons", corrections=True)
        return list(zip(history.column.to_list(), history.ingested_at.tolist(), strict=True))


@pytest.mark.parametrize("numbered", [True, False], ids=["with imports", "of a release without numbers"])
def test_an_import_after_a_restore_corrects_the_restored_ones(defined: Featurama, folder: Path, numbered: bool) -> None:
    """Ingest times are restored exactly, and the numbers that imports took are taken there too."""
    now = time.time_ns() // 1_000
    asyncio.run(_import("default", now, 9.0))
    before = asyncio.run(_import("default", now, 5.0)) if numbered else asyncio.run(_import("default", now, 9.0))[1:]
    defined("namespaces", "export", "default", "backup")
    if not numbered:
        _without_numbers(folder / "backup")
    assert defined("namespaces", "import", "copy", "backup").code == 0
    after = asyncio.run(_import("copy", now, 1.0))
    assert after == [(1, (now - 4 * HOUR) * 1_000 + len(before)), *before]


def _without_numbers(backup: Path) -> None:
    """As exports were: of format 1, without imports.json, and with one import only, whose times end in zeros."""
    import pyarrow.parquet

    (backup / "imports.json").unlink()
    manifest = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps(manifest | {"format": 1}))
    history = backup / "history" / "weather.parquet"
    table = pyarrow.parquet.read_table(history)
    keep = [ingested % 1_000 == 0 for ingested in table.column("ingested_at").to_pylist()]
    pyarrow.parquet.write_table(table.filter(keep), history)


def test_imports_in_another_order_are_refused(defined: Featurama, folder: Path) -> None:
    """Their numbers would not be those of the restored rows; the half-made namespace is gone."""
    now = time.time_ns() // 1_000
    for value in (1.0, 2.0):
        asyncio.run(_import("default", now, value))
    defined("namespaces", "export", "default", "backup")
    begun = json.loads((folder / "backup" / "imports.json").read_text())
    assert [each["number"] for each in begun] == [0, 1]
    (folder / "backup" / "imports.json").write_text(json.dumps(begun[::-1]))
    ran = defined("namespaces", "import", "copy", "backup")
    assert (ran.code, "imports.json" in ran.err) == (2, True)
    (folder / "backup" / "imports.json").write_text("{}")
    assert defined("namespaces", "import", "copy", "backup").code == 2
    assert [row["namespace"] for row in defined("namespaces", "list", "--json").json] == ["default"]


def test_what_was_deleted_is_in_no_file_and_stays_deleted(defined: Featurama, folder: Path) -> None:
    """An exported deletion mark covers what is written late to the imported namespace."""
    now = time.time_ns() // 1_000
    asyncio.run(_fill(now))
    defined("namespaces", "export", "default", "backup")
    import pyarrow.parquet

    history = pyarrow.parquet.read_table(folder / "backup" / "history" / "weather.parquet").to_pylist()
    assert "röd" not in {row["nickname@1"] for row in history}
    defined("namespaces", "import", "copy", "backup")

    async def late() -> list[object]:
        async with open_store("sqlite:///featurama-data", namespace="copy") as store:
            late = {"entity_id": ["planet_mars"], "timestamp": [now - 6 * HOUR], "nickname": ["late"]}
            await store.write_features(late, time_unit="us")
            return (await store.get_online_features(["planet_mars"], ["nickname"])).columns[0].to_list()

    assert asyncio.run(late()) == [None]


def test_an_export_needs_an_empty_folder(defined: Featurama, folder: Path) -> None:
    (folder / "taken").mkdir()
    (folder / "taken" / "file").touch()
    ran = defined("namespaces", "export", "default", "taken")
    assert (ran.code, "not empty" in ran.err) == (2, True)


def test_an_import_that_fails_leaves_no_namespace(defined: Featurama, folder: Path) -> None:
    """A damaged export is refused, and the half-made namespace is gone."""
    asyncio.run(_fill(time.time_ns() // 1_000))
    defined("namespaces", "export", "default", "backup")
    (folder / "backup" / "marks.parquet").write_bytes(b"damaged")
    assert defined("namespaces", "import", "copy", "backup").code != 0
    assert [row["namespace"] for row in defined("namespaces", "list", "--json").json] == ["default"]


def test_a_folder_that_is_no_export_is_refused(featurama: Featurama, folder: Path) -> None:
    (folder / "empty").mkdir()
    ran = featurama("namespaces", "import", "copy", "empty")
    assert (ran.code, "manifest.json" in ran.err) == (2, True)


def test_values_written_moments_ago_are_not_settled(filled: Featurama, folder: Path) -> None:
    """Ingest times are kept, and only settled ones can be: the error says from when on."""
    filled("namespaces", "export", "default", "backup")
    ran = filled("namespaces", "import", "copy", "backup")
    assert (ran.code, "[KNOWN_AT_NOT_SETTLED]" in ran.err) == (2, True)
    with pytest.raises(Unknown):
        asyncio.run(_read_nothing())


async def _read_nothing() -> None:
    from featurama_core.stores import Stores

    async with Stores.open("sqlite:///featurama-data") as stores:
        OpenedStore(await stores.namespace("copy"))
