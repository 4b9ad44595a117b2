"""A build keeps what it found in memory as far as it may, and on disk beyond."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pyarrow as pa
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.datasets.progress import Progress
from featurama_core.retrieval import spilled as spilling

from .standing_clock import Unique, write

LENGTH, ROWS = 2_048, 1_650
"""Two rows in three find 8 KiB: 9 MB in all, more than a build of the least memory keeps."""


async def test_what_a_build_finds_goes_to_disk_above_its_memory_and_comes_back_the_same(
    store: OpenedStore, clock: FakeClock, unique: Unique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows with little memory and with much, where nothing is spilled."""
    monkeypatch.setattr(spilling, "ROWS_AT_ONCE", 0)
    shape, fry = unique("shape"), unique("fry")
    await store.register_feature(shape, f"vector[{LENGTH}]")
    value = [float(number) for number in range(LENGTH)]
    await write(store, shape, [(fry, clock.now - 1, value)])
    times = pa.array([clock.now - row % 3 for row in range(ROWS)]).cast(pa.timestamp("us", "UTC"))
    table = pa.table({"entity_id": [fry] * ROWS, "timestamp": times})
    spilled, built = {}, {}
    for memory in ("64MB", "2GB"):
        folder = tmp_path / memory
        folder.mkdir()
        made = await store.training_set(table, [shape], memory=memory)
        with pytest.raises(KeyboardInterrupt):
            await made.write(folder / "set.arrow", progress=interrupt)
        spilled[memory] = await asyncio.to_thread(size_of, folder)
        built[memory] = await made.to_arrow()
    found = ROWS - ROWS // 3
    assert spilled["64MB"] > found * LENGTH * 4
    assert spilled["2GB"] < LENGTH * 4 * 100
    assert built["64MB"].equals(built["2GB"])
    column = built["64MB"].column(shape)
    assert (ROWS - found, value) == (column.null_count, column[0].as_py())


def interrupt(progress: Progress) -> None:
    """When the history is joined and no row is written: what lies on disk is the build's own."""
    if progress.stage == "history":
        raise KeyboardInterrupt


def size_of(folder: Path) -> int:
    """Bytes of all files below it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
