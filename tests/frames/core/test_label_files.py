"""A label file is read once; later readings take its rows from a file of their own."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from featurama_core.datasets.kept_rows import kept
from featurama_core.datasets.spine_sources import label_source
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.zones import TimeRules

pytestmark = pytest.mark.unit

START = 1_780_000_000_000_000


def test_the_rows_of_a_label_file_may_be_read_twice_at_a_time(tmp_path: Path) -> None:
    """Each reading has all rows, in order, wherever the other one stands."""
    table = pa.table({"entity_id": [f"e{row}" for row in range(200_000)], "timestamp": pa.array([START] * 200_000)})
    pyarrow.parquet.write_table(table, tmp_path / "l.parquet", row_group_size=5_000)
    rows = kept(label_source(tmp_path / "l.parquet", SpineColumns.of(times=TimeRules(unit="us"))), tmp_path)
    expected = pa.Table.from_batches(rows.batches())
    assert len(pairs := list(zip(rows.batches(), rows.batches(), strict=True))) > 1
    for side in (0, 1):
        assert expected.equals(pa.Table.from_batches([pair[side] for pair in pairs]))
