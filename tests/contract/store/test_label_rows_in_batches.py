"""Label rows in several batches: they are numbered over all of them, and each is part of what a set is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.retrieval import spilled
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason

from .standing_clock import SECOND, SETTLING, Unique, write


@pytest.fixture
async def speed(store: OpenedStore, clock: FakeClock, unique: Unique) -> str:
    """A feature that has been registered for so long that every settled moment knows it."""
    definition = await store.register_feature(unique("speed"), "int")
    clock.advance(2 * SETTLING)
    return definition.name


def labels(*batches: list[tuple[str, int]]) -> Any:
    """(entity, time) rows as an Arrow table of these batches; `y` numbers them."""
    tables, first = [], 0
    for batch in batches:
        times = pa.array([time for _, time in batch]).cast(pa.timestamp("us", "UTC"))
        numbers = list(range(first, first + len(batch)))
        tables.append(pa.table({"entity_id": [entity_id for entity_id, _ in batch], "timestamp": times, "y": numbers}))
        first += len(batch)
    return pa.concat_tables(tables)


async def as_files(table: Any, folder: Path) -> Path:
    """Each batch of the table as a file of a directory."""

    def save() -> None:
        folder.mkdir()
        for number, batch in enumerate(table.to_batches()):
            pyarrow.parquet.write_table(pa.Table.from_batches([batch]), folder / f"{number}.parquet")

    await asyncio.to_thread(save)
    return folder


async def test_a_bad_row_of_a_later_batch_is_named_by_its_number_in_the_frame_or_file(
    store: OpenedStore, clock: FakeClock, unique: Unique, speed: str, tmp_path: Path
) -> None:
    """Of a frame, and of several files; an id, and a time."""
    good, fry = [(unique("fry"), clock.now)] * 2, unique("fry")
    table = labels(good, good, [*good, ("", clock.now)])
    files = await as_files(table, tmp_path / "files")
    for rows, where, number in ((table, "label row 6", "6"), (files, r"2\.parquet, row 2", "2")):
        with pytest.raises(InvalidInput, match=f"^{where}: entity_id is empty") as refused:
            await (await store.training_set(rows, [speed])).to_arrow()
        assert (number, Reason.INVALID_ENTITY_ID) == (refused.value.metadata["row"], refused.value.reason)
    texts = pa.table({"entity_id": [fry] * 3, "timestamp": ["2026-09-01T00:00:00Z"] * 3})
    naive = pa.table({"entity_id": [fry] * 2, "timestamp": ["2026-09-01T00:00:00Z", "2026-09-01T00:00:00"]})
    with pytest.raises(InvalidInput, match="label row 4: ") as refused:
        await (await store.training_set(pa.concat_tables([texts, naive]), [speed])).to_arrow()
    assert "4" == refused.value.metadata["row"]


async def test_a_row_whose_own_time_is_not_settled_refuses_the_set_and_is_named(
    store: OpenedStore, clock: FakeClock, unique: Unique, speed: str
) -> None:
    """known_at="label": the youngest moment that is settled is taken, a microsecond more is not."""
    settled = clock.now - SETTLING
    fry = unique("fry")
    table = labels([(fry, settled - 5), (fry, settled)], [(fry, settled - 7), (fry, settled + 1)])
    with pytest.raises(FailedPrecondition, match="label row 3, used as known_at, is ") as refused:
        await store.training_set(table, [speed], known_at="label")
    assert Reason.KNOWN_AT_NOT_SETTLED == refused.value.reason
    clock.advance(1)
    made = await store.training_set(table, [speed], known_at="label")
    assert [None] * 4 == (await made.to_arrow()).column(speed).to_pylist()


async def test_what_comes_late_is_left_out_of_a_set_of_what_was_known_at_each_row(
    store: OpenedStore, clock: FakeClock, unique: Unique, speed: str
) -> None:
    """In every batch."""
    fry, then = unique("fry"), clock.now
    await write(store, speed, [(fry, then - 9 * SECOND, 1)])
    clock.advance(SECOND)
    await write(store, speed, [(fry, then - 9 * SECOND, 2)])
    clock.advance(SETTLING + 60 * SECOND)
    table = labels([(fry, then), (fry, then + 2 * SECOND)], [(fry, then - SECOND), (fry, then)], [(fry, then + SECOND)])
    made = await store.training_set(table, [speed], known_at="label")
    assert [1, 2, None, 1, 2] == (await made.to_arrow()).column(speed).to_pylist()


async def test_equal_label_rows_have_one_fingerprint_and_others_another(
    store: OpenedStore, clock: FakeClock, unique: Unique, speed: str, tmp_path: Path
) -> None:
    """A frame, however it is cut; a carried value of the last batch counts too."""
    row, last = (unique("fry"), clock.now), (unique("leela"), clock.now)
    table = labels([row, row], [row, last])
    other = table.set_column(2, "y", pa.array([0, 1, 2, 4]))
    sets = [table, table.combine_chunks(), labels([row], [row, row, last]), other, table.slice(0, 3)]
    found = [await fingerprint(store, rows, speed, tmp_path / f"set{number}") for number, rows in enumerate(sets)]
    assert found[0] == found[1] == found[2]
    assert found[0] != found[3] != found[4] != found[0]


async def test_a_file_of_other_rows_has_another_fingerprint(
    store: OpenedStore, clock: FakeClock, unique: Unique, speed: str, tmp_path: Path
) -> None:
    """Wherever it lies, but not whatever it holds: its name alone says nothing."""
    row = (unique("fry"), clock.now)
    table = labels([row, row], [row])
    other = table.set_column(2, "y", pa.array([0, 1, 7]))
    found = [
        await fingerprint(store, await as_files(rows, tmp_path / name), speed, tmp_path / f"set_{name}")
        for name, rows in (("one", table), ("copy", table), ("other", other))
    ]
    assert found[0] == found[1] != found[2]


async def test_a_set_that_was_asked_with_other_rows_begins_anew(
    store: OpenedStore,
    clock: FakeClock,
    unique: Unique,
    speed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An interrupted build is gone on with only if its label rows are the same to the last one."""
    monkeypatch.setattr(spilled, "ROWS_AT_ONCE", 0)
    fry = unique("fry")
    await write(store, speed, [(fry, clock.now, 1)])
    table = labels([(fry, clock.now)] * 2, [(fry, clock.now)])
    stages: list[str] = []

    def interrupt(progress: Any) -> None:
        stages.append(progress.stage)
        if progress.stage == "writing":
            raise KeyboardInterrupt

    async def build(rows: Any, **arguments: Any) -> list[str]:
        stages.clear()
        made = await store.training_set(rows, [speed])
        await made.write(tmp_path / "set", resume=True, **arguments)
        return stages

    with pytest.raises(KeyboardInterrupt):
        await build(table, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        await build(table, progress=interrupt)
    assert "labels" not in stages
    with pytest.raises(KeyboardInterrupt):
        await build(table.set_column(2, "y", pa.array([0, 1, 3])), progress=interrupt)
    assert "labels" in stages


async def fingerprint(store: OpenedStore, rows: Any, feature: str, target: Path) -> Any:
    """What the manifest says of the label rows."""
    manifest = await (await store.training_set(rows, [feature])).write(target)
    return manifest.request["labels"]
