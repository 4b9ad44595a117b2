"""As-of kernel against polars `join_asof`, and the sort of shuffled history against polars' sort, on the same arrays in
the same run.

    python benchmarks/as_of.py --labels 1000000 --history 10000000 --entities 10000

Prints medians of wall-clock and CPU seconds, and the ratio to polars. Polars gets its frames ready made and
sorted; the kernel gets its arrays ready made and sorted; both start from unsorted label rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from featurama_core.retrieval.as_of import HistoryKeys, as_of, as_of_many
from featurama_core.types.order import sort_history

DAY = 86_400_000_000


def measure(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall-clock and CPU seconds of `run`."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--history", type=int, default=10_000_000)
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=10, help="features with a mask of their own")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    rng = np.random.default_rng(7)
    entity = np.sort(rng.integers(0, options.entities, options.history))
    moment = rng.integers(0, 365 * DAY, options.history)
    moment = moment[np.lexsort((moment, entity))]
    prompt = moment * 1000 + 5_000_000
    backfilled = np.full_like(prompt, 400 * DAY * 1000)
    mixed = np.where(rng.random(options.history) < 0.05, prompt + 30 * DAY * 1000, prompt)
    label_entity = rng.integers(0, options.entities, options.labels)
    label_time = rng.integers(0, 365 * DAY, options.labels)
    known = label_time * 1000 + 999
    middle = int(np.median(prompt))
    keys = HistoryKeys.of(entity, moment, prompt)
    masks = [rng.random(options.history) < 0.5 for _ in range(options.features)]

    row = np.arange(options.history)
    right = pl.DataFrame({"entity": entity, "time": moment, "row": row}).set_sorted("time")
    left = pl.DataFrame({"entity": label_entity, "time": label_time, "label": np.arange(options.labels)})

    def polars() -> np.ndarray:
        joined = left.sort("time").join_asof(right, on="time", by="entity", check_sortedness=False)
        return joined.sort("label")["row"].fill_null(-1).to_numpy()

    assert np.array_equal(moment[polars()], moment[as_of(entity, moment, prompt, label_entity, label_time)])

    cases: dict[str, Callable[[], object]] = {
        "polars join_asof": polars,
        "as_of": lambda: as_of(entity, moment, prompt, label_entity, label_time),
        "as_of, known_at scalar": lambda: as_of(entity, moment, prompt, label_entity, label_time, known_at=middle),
        "as_of, known_at a row, 5% late": lambda: as_of(
            entity, moment, mixed, label_entity, label_time, known_at=known
        ),
        "as_of, known_at a row, all late": lambda: as_of(
            entity, moment, backfilled, label_entity, label_time, known_at=known
        ),
        f"as_of_many, {options.features} masks": lambda: as_of_many(keys, masks, label_entity, label_time),
        f"as_of_many, {options.features} masks, known_at a row": lambda: as_of_many(
            keys, masks, label_entity, label_time, known_at=known - 10_000_000
        ),
    }
    shuffled = rng.permutation(options.history)
    unsorted = entity[shuffled], moment[shuffled], prompt[shuffled]
    frame = pl.DataFrame(dict(zip(("entity", "time", "ingested"), unsorted, strict=True)))
    corrected = unsorted[0], unsorted[1] // DAY, unsorted[2]
    sorts: dict[str, Callable[[], object]] = {
        "polars sort": lambda: frame.sort("entity", "time", "ingested"),
        "polars arg_sort_by": lambda: frame.select(pl.arg_sort_by("entity", "time", "ingested")),
        "sort_history, shuffled": lambda: sort_history(*unsorted),
        "sort_history, shuffled, days with corrections": lambda: sort_history(*corrected),
        "sort_history, sorted": lambda: sort_history(entity, moment, prompt),
        "numpy lexsort": lambda: np.lexsort(unsorted[::-1]),
    }
    assert np.array_equal(np.lexsort(unsorted[::-1]), sort_history(*unsorted))
    print(f"{options.labels:,} labels, {options.history:,} history rows, {options.entities:,} entities")
    for some in (cases, sorts):
        print(f"{'':48}{'wall s':>8}{'CPU s':>8}{'CPU / polars':>14}")
        reference = None
        for name, run in some.items():
            wall, cpu = measure(run, options.repeats)
            reference = reference or cpu
            print(f"{name:48}{wall:8.3f}{cpu:8.3f}{cpu / reference:14.2f}", flush=True)


if __name__ == "__main__":
    main()
