"""Event times in two columns, dates and times of day: in writes, label rows and sets, in memory and in files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore

from featurama_core.datasets.verify import verify
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import InvalidInput

from .standing_clock import Unique

DAYS, CLOCKS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1)], [dt.time(9, 30), dt.time(17, 5)]
ROWS: dict[str, Any] = {"day": DAYS, "clock": CLOCKS}
TYPED = {
    "columns": dict,
    "arrow": pa.table,
    "polars": pl.DataFrame,
    "pandas": lambda rows: pd.DataFrame(rows).assign(day=pd.to_datetime(rows["day"])),
    "texts": lambda rows: {name: [str(each) for each in column] for name, column in rows.items()},
}
TIMES = ["2024-01-31T08:30:00+00:00", "2024-02-01T16:05:00+00:00"]
# It is loaded here, from a file.
ROME = ZoneInfo("Europe/Rome").key
DECLARED: dict[str, Any] = {"time_column": "day", "clock_column": "clock", "timezone": ROME}


@pytest.mark.parametrize("library", TYPED)
async def test_a_write_reads_dates_with_their_times_of_day(store: OpenedStore, unique: Unique, library: str) -> None:
    """In the declared zone; the column of times of day is no feature."""
    await store.register_feature(size := unique("size"), "int")
    rows = {"entity_id": [fry := unique("fry")] * 2, **ROWS, size: [1, 2]}
    assert 2 == (await store.write_features(TYPED[library](rows), **DECLARED, casts={size: "int"})).accepted
    history = (await store.get_feature_history(fry, size)).to_pandas()
    assert TIMES[::-1] == [each.isoformat() for each in history["timestamp"]]


@pytest.mark.parametrize("ending", ["csv", "parquet", "frame"])
async def test_label_rows_have_dates_with_their_times_of_day(
    store: OpenedStore, unique: Unique, tmp_path: Path, ending: str
) -> None:
    """Each row sees the value of its moment; both columns are kept, and a set of them is verified and built again."""
    await store.register_feature(size := unique("size"), "int")
    fry = unique("fry")
    await store.write_features({"entity_id": [fry] * 2, "timestamp": TIMES, size: [1, 2]})
    labels: Any = pa.table({"entity_id": [fry] * 3, "day": [*DAYS, DAYS[1]], "clock": [*CLOCKS, dt.time(17, 4)]})
    if ending == "csv":
        (tmp_path / "l.csv").write_text(
            "entity_id,day,clock\n"
            + "\n".join(f"{row['entity_id']},{row['day']},{row['clock']}" for row in labels.to_pylist())
        )
    elif ending == "parquet":
        pa.parquet.write_table(labels, tmp_path / "l.parquet")
    given = labels if ending == "frame" else tmp_path / f"l.{ending}"
    made = await store.training_set(given, [size], **DECLARED)
    built = await made.to_arrow()
    assert ["entity_id", "day", "clock", size] == built.column_names
    assert [1, 2, 1] == built.column(size).to_pylist()
    await made.write(tmp_path / "set")

    async def again(request: Any, as_of: int | None) -> Any:
        return await rebuilt(store.space, request, as_of)

    assert not (await verify(tmp_path / "set", again)).differences


async def test_a_clock_that_is_none_is_named(store: OpenedStore, unique: Unique) -> None:
    """By its row; and a column that is missing, or one time for all rows beside it."""
    await store.register_feature(size := unique("size"), "int")
    rows = {"entity_id": ["fry"] * 3, "day": ["2024-01-31"] * 3, "clock": ["09:30", "late", None], size: [1, 2, 3]}
    report = await store.write_features(rows, **DECLARED)
    assert (1, [1, 2]) == (report.accepted, sorted(each.row for each in report.verdicts))
    assert any("late" in each.message for each in report.verdicts)
    with pytest.raises(InvalidInput, match="lacks the column hour"):
        await store.write_features(rows, **DECLARED | {"clock_column": "hour"})
    with pytest.raises(InvalidInput, match="lack the column hour"):
        await store.training_set(rows, [size], **DECLARED | {"clock_column": "hour"})
    with pytest.raises(InvalidInput, match="clock_column and timestamp= exclude"):
        await store.write_features(rows, timestamp=TIMES[0], clock_column="clock")
