"""`featurama bench` on an embedded store and on servers. Figures are counted, no time is asserted."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path

import pytest
from tests.service.processes import service_processes

from .conftest import Featurama

BRIEF = ("bench", "--seconds", 0.2, "--json")


def test_features_of_registered_entities_are_read(filled: Featurama) -> None:
    """By number or by name, of the type of the first feature; the shape and the percentiles are shown."""
    filled("entities", "register", "planet_mars", "--type", "planet")
    ran = filled(*BRIEF, "--features", 5, "--clients", 2)
    assert ran.code == 0, ran.err
    found = ran.json
    assert (2, 1, 5, {}) == tuple(
        found[name] for name in ("clients", "entities_per_call", "features_per_call", "errors")
    )
    assert found["calls"] > 0
    assert found["p50_ms"] <= found["p99_ms"] <= found["max_ms"]
    named = filled(*BRIEF, "-f", "temperature, weather:storm@1", "--entities", 2).json
    assert (2, 2, 0.5) == tuple(
        named[name] for name in ("entities_per_call", "features_per_call", "values_present_share")
    )
    shown = filled("bench", "--seconds", 0.2, "-f", "temperature")
    assert all(text in shown.out for text in ("calls_per_second", "p999_ms", "errors", "none"))


def test_a_service_is_read_at_a_rate_for_the_ids_of_a_file(filled: Featurama, folder: Path) -> None:
    (folder / "ids.txt").write_text("planet_mars\n\nplanet_earth\n")
    ran = filled(*BRIEF, "--service", "outlook", "--rate", 200, "--ids", "ids.txt", "--entities", 2)
    assert ran.code == 0, ran.err
    assert (200.0, 2, 2) == tuple(ran.json[name] for name in ("rate", "entities_per_call", "features_per_call"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--features", "temperatur"), "'temperatur' is not registered"),
        (("--features", 6), "has 5 features, not 6"),
        (("--features", 0), "features must be at least 1"),
        (("--entities", 3), "has 2 entities, fewer than the 3 of a read"),
        (("--rate", 5, "--clients", 5), "not both"),
        (("--ids", "none.txt"), "none.txt: no such file"),
        (("--service", "outlok"), "outlok"),
    ],
)
def test_a_mistake_is_a_line_before_any_load(filled: Featurama, options: tuple[object, ...], said: str) -> None:
    ran = filled("bench", *options)
    assert (2, True) == (ran.code, said in ran.err), ran.err


async def test_servers_are_measured_and_their_errors_are_counted(filled: Featurama, folder: Path) -> None:
    """By --target or --store. What a server answered before it died is shown beside the failures."""
    async with service_processes(folder) as begin:
        settings = {"storage": f"sqlite:///{folder}/featurama-data", "listen": "127.0.0.1:0"}
        process = await begin("online", **settings)
        assert process.stderr is not None
        lines = (json.loads(await process.stderr.readline()) for _ in itertools.count())
        address = await anext(line["address"] async for line in lines if line["event"] == "serving")
        alone = await asyncio.to_thread(filled, *BRIEF, "--target", address, "--clients", 1, "-f", 2)
        assert (0, 1, {}) == (alone.code, alone.json["clients"], alone.json["errors"]), alone.err
        store = ("--store", f"grpc://{address}")
        under_way = asyncio.create_task(asyncio.to_thread(filled, "bench", "--json", "--seconds", 3, "-f", 2, *store))
        calls = alone.json["calls"] + 50
        while calls:
            line = await anext(lines)
            calls -= line["event"] == "call" and line["method"] == "OnlineService/GetOnlineFeatures"
        process.kill()
        many = await under_way
    assert (0, ["STORE_UNAVAILABLE"]) == (many.code, list(many.json["errors"])), many.err
    assert many.json["calls"] > 0
    gone = await asyncio.to_thread(filled, *BRIEF, "--target", address, "-f", 2)
    assert (2, True) == (gone.code, "cannot reach" in gone.err)
