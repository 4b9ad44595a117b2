"""How fast are the as-of join and the sort of a history, beside those of polars on the same arrays?

1 M label rows and 10 M rows of history of 10,000 entities. Polars gets its frames ready made, the kernels get their
arrays ready made; the joins get sorted histories and unsorted label rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from benchmarks.pace import Figures, Pace, Target, in_turns
from featurama_core.retrieval.as_of import HistoryKeys, as_of, as_of_many
from featurama_core.types.order import sort_history

DAY = 86_400_000_000
LABELS, HISTORY, ENTITIES, FEATURES = 1_000_000, 10_000_000, 10_000, 10

TARGETS = [Target("sort of a shuffled history of 10 M rows: wall clock over that of polars", "sort.of_polars", 1.0)]


def measure(pace: Pace) -> Figures:
    """Seconds of each case, and over those of polars."""
    joins, sorts = joining(), sorting()
    found: Figures = {}
    for cases in (joins, sorts):
        turns = in_turns(pace.rounds, {name: partial(timed, run) for name, run in cases.items()})
        yardstick, *others = turns
        for name in others:
            found[name] = turns[name] | {
                "of_polars": turns[name]["seconds"] / turns[yardstick]["seconds"],
                "cpu_of_polars": turns[name]["cpu_s"] / turns[yardstick]["cpu_s"],
            }
        found[yardstick] = turns[yardstick]
    return found


def timed(run: Callable[[], object]) -> Figures:
    """Wall-clock and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return {"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def history(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shuffled rows: entity, event time, ingest time."""
    entity, moment = rng.integers(0, ENTITIES, HISTORY), rng.integers(0, 365 * DAY, HISTORY)
    return entity, moment, moment * 1_000 + 5_000_000


def joining() -> dict[str, Callable[[], object]]:
    """The join, with and without `known_at` and masks of features."""
    rng = np.random.default_rng(7)
    entity, moment, prompt = history(rng)
    order = np.lexsort((moment, entity))
    entity, moment, prompt = entity[order], moment[order], prompt[order]
    mixed = np.where(rng.random(HISTORY) < 0.05, prompt + 30 * DAY * 1_000, prompt)
    label_entity, label_time = rng.integers(0, ENTITIES, LABELS), rng.integers(0, 365 * DAY, LABELS)
    keys = HistoryKeys.of(entity, moment, prompt)
    masks = [rng.random(HISTORY) < 0.5 for _ in range(FEATURES)]
    right = pl.DataFrame({"entity": entity, "time": moment, "row": np.arange(HISTORY)}).set_sorted("time")
    left = pl.DataFrame({"entity": label_entity, "time": label_time, "label": np.arange(LABELS)})

    def polars() -> np.ndarray:
        joined = left.sort("time").join_asof(right, on="time", by="entity", check_sortedness=False)
        return joined.sort("label")["row"].fill_null(-1).to_numpy()

    ours = partial(as_of, entity, moment, label_entity=label_entity, label_time=label_time)
    assert np.array_equal(moment[polars()], moment[ours(history_ingested=prompt)])
    return {
        "join_by_polars": polars,
        "join": partial(ours, history_ingested=prompt),
        "join_known_at": partial(ours, history_ingested=mixed, known_at=label_time * 1_000 + 999),
        "join_of_masks": lambda: as_of_many(keys, masks, label_entity, label_time),
    }


def sorting() -> dict[str, Callable[[], object]]:
    """By entity, event time and ingest time."""
    entity, moment, ingested = history(np.random.default_rng(8))
    frame = pl.DataFrame({"entity": entity, "time": moment, "ingested": ingested})
    assert np.array_equal(np.lexsort((ingested, moment, entity)), sort_history(entity, moment, ingested))
    return {
        "sort_by_polars": lambda: frame.sort("entity", "time", "ingested"),
        "sort": lambda: sort_history(entity, moment, ingested),
    }
