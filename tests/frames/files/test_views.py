"""Columns of views, which polars and others write, are read as the same columns with offsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from featurama_core.files.table_file import TableFile
from featurama_core.frames.cells import read_cells
from featurama_core.frames.views import plain_column, plain_table, without_views

pytestmark = pytest.mark.unit

TEXTS = ["x", None, "a text that is longer than a view holds"]
COLUMNS: dict[str, tuple[Any, Any, Any]] = {
    "texts": (pa.array(TEXTS, pa.string_view()), pa.large_string(), TEXTS),
    "bytes": (pa.array([b"x", None, b"y"], pa.binary_view()), pa.large_binary(), [b"x", None, b"y"]),
    "lists": (pa.array([["x"], None, []], pa.list_(pa.string_view())), pa.list_(pa.large_string()), [["x"], None, []]),
    "large_lists": (
        pa.array([["x"], None, []], pa.large_list(pa.string_view())),
        pa.large_list(pa.large_string()),
        [["x"], None, []],
    ),
    "fixed": (
        pa.array([["x"], None, ["y"]], pa.list_(pa.string_view(), 1)),
        pa.list_(pa.large_string(), 1),
        [["x"], None, ["y"]],
    ),
    "list_views": (
        pa.array([[1], None, []], pa.list_view(pa.int64())),
        pa.large_list(pa.int64()),
        [[1], None, []],
    ),
    "structs": (
        pa.array([{"a": "x"}, None, {"a": None}], pa.struct([("a", pa.string_view())])),
        pa.struct([("a", pa.large_string())]),
        [{"a": "x"}, None, {"a": None}],
    ),
    "codes": (
        pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.uint32()), pa.array(["x", "y"], pa.string_view())),
        pa.dictionary(pa.uint32(), pa.large_string()),
        ["y", None, "x"],
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_views_keeps_its_values(name: str) -> None:
    """Inside lists, structs and dictionaries too."""
    column, kind, values = COLUMNS[name]
    assert (kind, values) == (plain_column(column).type, plain_column(column).to_pylist())
    chunked = plain_column(pa.chunked_array([column, column]))
    assert (kind, values * 2) == (chunked.type, chunked.to_pylist())


def test_a_table_without_views_is_returned_as_it_is() -> None:
    """Nothing is copied."""
    plain = pa.table({"a": ["x"], "b": pa.array([[1.0]], pa.list_(pa.float64()))})
    assert plain is plain_table(plain)
    assert pa.list_(pa.float64()) == without_views(pa.list_(pa.float64()))


@pytest.mark.parametrize("name", ["texts", "codes"])
def test_texts_of_views_are_the_texts_of_a_frame(name: str) -> None:
    """Dictionaries of views too, which are polars' categories."""
    column, _, values = COLUMNS[name]
    assert values == [each if isinstance(each, str) else None for each in read_cells(column).values.tolist()]


@pytest.mark.parametrize("stream", [False, True])
def test_a_file_of_polars_is_read_at_its_newest_level(tmp_path: Path, stream: bool) -> None:
    """A file and a stream; the columns of all kinds of views."""
    frame = pl.DataFrame({"entity_id": ["a", "b"], "word": ["x", None], "words": [["q"], []], "raw": [b"1", None]})
    frame = frame.with_columns(pl.col("word").cast(pl.Categorical).alias("kind"))
    path = tmp_path / ("views.arrows" if stream else "views.arrow")
    (frame.write_ipc_stream if stream else frame.write_ipc)(path, compat_level=pl.CompatLevel.newest())
    file = TableFile(path)
    (batch,) = file.batches()
    assert frame.to_dict(as_series=False) == batch.to_pydict()
    assert file.schema == batch.schema
    assert not [each for each in batch.schema if "view" in str(each.type)]
