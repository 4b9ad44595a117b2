"""Frames to try a reader with: odd dtypes and cells of pandas, polars, Arrow and numpy, and what is no frame."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from .odd_files import AT, CELLS, table

ODD: list[object] = [None, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), np.timedelta64(1, "s"), 2**63, -(2**70)]
ODD += [Decimal("0.1"), Decimal("NaN"), Decimal("sNaN"), 1j, b"raw", {"a": 1}, {1}, [1.0], [None], [[1]], (), object]
ODD += [time(), date(1, 1, 1), datetime.max, AT, timedelta(1), True, np.float16(1), np.longdouble(1), np.int8(1)]  # noqa: DTZ901 - a naive time
ODD += CELLS
COLUMNS = ["a", "entity_id", "timestamp", "ingested_at", "value"]
DTYPES = ["f2", "f4", "c8", "u8", "i1", "?", "S3", "U3", "M8[D]", "M8[ns]", "M8[Y]", "M8", "m8[s]", "V4", "g"]
PANDAS = ["Int8", "UInt64", "Float32", "boolean", "string", "category", "Sparse[int]", "datetime64[ns, UTC]", "object"]
PANDAS += ["timedelta64[ns]", "complex64", "double[pyarrow]", "string[pyarrow]", "date32[pyarrow]"]
POLARS = [
    pl.lit(1, pl.Int128),
    pl.lit("x").cast(pl.Categorical),
    pl.lit(None),
    pl.lit(Decimal("1.5")),
    pl.lit(time(1)),
    pl.lit(AT.date()),
    pl.lit(1.5),
    pl.struct(pl.lit(1).alias("k")),
    pl.lit(b"x"),
    pl.lit(7),
    pl.lit(timedelta(1)),
    pl.concat_list(pl.lit(1), pl.lit(None)),
    pl.lit(object(), pl.Object),
]
NO_FRAMES: list[Any] = [None, 7, "text", b"text", [], ["x", 7], [["x"]], {}, {1: [1]}, {"a": "text"}, iter([1])]
NO_FRAMES += [np.zeros((2, 2, 2)), pd.Series([1]), pa.array([1])]


def odd_frame(dice: random.Random) -> Any:
    """A frame of any library in which one column is odd, or no frame."""
    rows, name, kind = dice.randrange(4), dice.choice(COLUMNS), dice.randrange(6)
    base: dict[str, Any] = {"entity_id": ["x"] * rows, "timestamp": [AT] * rows}
    if kind == 0:
        return table(dice, rows)
    if kind == 1:
        return pl.DataFrame(base).with_columns(dice.choice(POLARS).alias(name))
    if kind == 2:
        return pd.DataFrame({**base, name: odd_series(dice, rows)})
    if kind == 3:
        return {**base, name: odd_array(dice, rows)}
    if kind == 4:
        return {**base, name: [dice.choice(ODD) for _ in range(rows)]}
    return dice.choice(NO_FRAMES)


def odd_series(dice: random.Random, rows: int) -> Any:
    """A pandas column of any dtype, or of odd objects."""
    dtype = dice.choice(PANDAS + DTYPES)
    try:
        return pd.Series([dice.choice([0, 1, None]) for _ in range(rows)]).astype(dtype)
    except (TypeError, ValueError, NotImplementedError, Warning, pa.ArrowException):
        return pd.Series([dice.choice(ODD) for _ in range(rows)], dtype=object)


def odd_array(dice: random.Random, rows: int) -> Any:
    """A numpy array of any dtype, with one dimension or two."""
    return np.zeros(dice.choice([(rows,), (rows,), (rows, 2), (rows, 0)]), dtype=dice.choice(DTYPES))
