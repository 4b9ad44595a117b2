"""Arrays of pandas that are no series (`series.array`, `series.unique()`, a categorical) are read as their series."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from featurama_core.frames.cells import open_frame, read_cells

TEXTS = pd.Series(["a", "b"])
ARRAYS = {
    "array": TEXTS.array,
    "values": TEXTS.values,
    "unique": TEXTS.unique(),
    "string": pd.array(["a", None], dtype="string"),
    "categorical": pd.Categorical(["a", "b"]),
    "numbers": pd.Categorical([1, 2]),
    "masked": pd.array([1, None], dtype="Int64"),
    "arrow": pd.array([1, 2], dtype="int64[pyarrow]"),
    "sparse": pd.arrays.SparseArray([1.5, 2.5]),
    "times": pd.to_datetime(["2026-05-03T12:00Z"] * 2).array,
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_an_array_is_read_as_its_series(array: Any) -> None:
    """Alone, and as a column of a mapping, whose other columns are of any library."""
    series, found = read_cells(pd.Series(array)), read_cells(array)
    of_frame = read_cells(open_frame({"x": array, "y": [1, 2]}).columns["x"])
    for cells in (found, of_frame):
        assert series.values.tolist() == cells.values.tolist()
        assert (series.missing is None, series.zoned) == (cells.missing is None, cells.zoned)
        assert series.missing is None or series.missing.tolist() == cells.missing.tolist()
