"""Sets that are built again and compared with their files: texts of a CSV, and newest values as of then."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa

from featurama_core.datasets.verify import verify
from featurama_core.store_datasets import rebuilt
from tests.opened import open_store

HOUR = 3_600_000_000
START = 1_780_000_000_000_000


class Clock:
    """A wall clock, in nanoseconds, that a test sets."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


async def test_a_csv_is_built_again_and_compared_as_text(tmp_path: Path) -> None:
    """Values that a CSV writes ambiguously unless quoted, of each type; and a change is seen."""
    async with open_store(f"sqlite:///{tmp_path / 'store'}") as store:
        odd = ["NA", "", "null", 'a "b",\nc', None]
        await store.register_feature("word", "text")
        await store.register_feature("level", "double")
        await store.register_feature("tally", "int")
        await store.register_feature("flag", "bool")
        await store.register_feature("shape", "vector[2]")
        wide = {
            "word": odd,
            "level": [float("nan"), float("-inf"), 0.1 + 0.2, -0.0, None],
            "tally": [2**53 + 1, -1, 0, None, 7],
            "flag": [True, False, None, True, False],
            "shape": [[0.1, 2.5], [1e-30, 3e38], None, [0.0, -0.0], [1.0, 2.0]],
        }
        ids = ["NA", "null", "nan", 'q "x", y', "z"]
        await store.write_features({"entity_id": ids, "timestamp": [START + 7] * 5, **wide}, time_unit="us")
        rows = {"entity_id": [*ids, "nobody"], "timestamp": [START + 7] * 6, "why": [*odd, "x"]}
        made = await store.training_set(pa.table(rows), list(wide), statuses=True, event_times=True, time_unit="us")
        for name in ("set.csv", "set"):
            await made.write(tmp_path / name, format="csv")
            assert (await verify(tmp_path / name, partial(rebuilt, store.space))).differences == ()
        await store.write_features({"entity_id": ["null"], "timestamp": [START + 7], "word": [None]}, time_unit="us")
        found = await verify(tmp_path / "set.csv", partial(rebuilt, store.space))
        shown = [(each.column, each.cause, each.first_rows) for each in found.differences or ()]
        assert [("word", "later_writes", (1,)), ("word__status", "later_writes", (1,))] == shown


async def test_newest_values_are_built_again_as_of_the_moment_they_were_built(tmp_path: Path) -> None:
    """Later writes, also ones that correct, change nothing; the ages are those of then; a deletion is named."""
    clock = Clock(START * 1_000)
    async with open_store(f"sqlite:///{tmp_path / 'store'}", clock=clock) as store:
        await store.register_entity_type("thing")
        await store.register_feature_group("moves", "thing", ttl="2h")
        await store.register_feature("speed", "double", group="moves")
        for entity_id in ("a", "b", "c"):
            await store.register_entity(entity_id, "thing")
        # The last one lies a little ahead, as the writer's clock may; the second is too old to be valid.
        at = [START - HOUR, START - 3 * HOUR, START + 2_000_000]
        await store.write_features(
            {"entity_id": ["a", "b", "c"], "timestamp": at, "speed": [1.0, 2.0, 3.0]}, time_unit="us"
        )
        made = await store.training_set(features=["speed"], entity_type="thing", statuses=True)
        await made.write(tmp_path / "set")
        await made.write(tmp_path / "set.csv")
        names = ("set", "set.csv")
        assert [()] * 2 == [
            (await verify(tmp_path / name, partial(rebuilt, store.space))).differences for name in names
        ]
        clock.now += 5 * HOUR * 1_000
        assert [()] * 2 == [
            (await verify(tmp_path / name, partial(rebuilt, store.space))).differences for name in names
        ]
        await store.write_features(
            {"entity_id": ["a", "b"], "timestamp": [START - HOUR] * 2, "speed": [9.0, 9.0]}, time_unit="us"
        )
        await store.write_features({"entity_id": ["c"], "timestamp": [START + HOUR], "speed": [9.0]}, time_unit="us")
        assert [()] * 2 == [
            (await verify(tmp_path / name, partial(rebuilt, store.space))).differences for name in names
        ]
        await store.delete_entity("c")
        for name in names:
            found = await verify(tmp_path / name, partial(rebuilt, store.space))
            assert {(each.cause, each.first_rows) for each in found.differences or ()} == {("deletion", (2,))}
