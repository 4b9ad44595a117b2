"""No input file and no frame has an unexpected error: it is read, or refused by an error of ours.

Every input is made from its number, so that a failure names the input to look at. `make fuzz` tries more.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from featurama_core.datasets.spine_sources import label_source, read_keys
from featurama_core.files.layout import FileLayout
from featurama_core.files.table_file import TableFile
from featurama_core.files.typed import ByName, typed_frame
from featurama_core.frames.imports import frame_part
from featurama_core.frames.mapping import Mapping
from featurama_core.frames.spine import SpineColumns, label_rows
from featurama_core.frames.writes import write_requests
from featurama_core.frames.zones import TimeRules
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode

from .odd_files import content, mutated
from .odd_frames import odd_frame

pytestmark = pytest.mark.unit

INPUTS = int(os.environ.get("FEATURAMA_FUZZ_INPUTS", "10000"))
BATCH = 250
TYPES = dict(zip("abcdefgh", [*ValueType] * 2, strict=False))


def read_file(path: Path, dice: random.Random) -> None:
    """As values and as label rows."""
    rules = TimeRules(dice.choice([None, "UTC"]), dice.choice([None, "s"]))
    mapping = Mapping(times=rules, ingested=rules, ignore_extra=dice.random() < 0.5)
    layout = FileLayout.of(
        dice.choice([None, {"a": "int", "b": "double"}, {"a": "bool"}]),
        dice.choice([None, ";"]),
        dice.choice(['"', ""]),
        decimal=dice.choice([".", ","]),
        rename=dice.choice([None, {"b": "a"}, {"a": "é"}]),
    )
    for batch in TableFile(path).batches(as_text=True):
        rows = pa.Table.from_batches([batch])
        frame_part(rows, mapping, set(TYPES))
        types = {name: kind for name, kind in TYPES.items() if name in rows.column_names}
        frame = (
            typed_frame(rows, types, ByName("feature_name", "value", TYPES)) if path.name.startswith("a.csv") else rows
        )
        list(write_requests(frame, mapping=mapping, features=set(TYPES), mode=WriteMode.BULK, request_ids=RequestIds()))
    columns = SpineColumns.of(times=rules)
    source = label_source(path, columns, layout)
    for batch in source.batches():
        read_keys(batch, columns, 0)


def refusals(frame: Any, dice: random.Random) -> list[str]:
    """The messages of the errors when a frame is read as values and as label rows, in memory and streamed."""
    rules = TimeRules(
        dice.choice([None, "UTC", "Europe/Rome"]), dice.choice([None, "s"]), ambiguous=dice.choice(["refuse", "later"])
    )
    types = {"a": dice.choice(["bool", "int", "double", "text", "vector[2]"])}
    layout = FileLayout.of(dice.choice([None, types]), decimal=dice.choice([".", ","]), true_values=["yes"])
    casts = dice.choice([(), (("a", dice.choice(["bool", "int", "double", "text"])),), (("entity_id", "text"),)])
    mapping, columns = Mapping(times=rules, ingested=rules, casts=casts), SpineColumns.of(times=rules)
    mode = dice.choice([*WriteMode])
    reads: list[Callable[[], object]] = [
        lambda: list(write_requests(frame, mapping=mapping, mode=mode, request_ids=RequestIds())),
        lambda: label_rows(frame, columns),
        lambda: [read_keys(batch, columns, 0) for batch in label_source(frame, columns, layout).batches()],
    ]
    return [message for read in reads if (message := refusal(read)) is not None]


def refusal(read: Callable[[], object]) -> str | None:
    """The message of an error of ours; None without one."""
    try:
        read()
    except FeaturamaError as error:
        return error.message
    return None


@pytest.mark.parametrize("first", range(0, INPUTS, BATCH))
def test_a_damaged_file_is_read_or_refused(first: int, tmp_path: Path) -> None:
    """Mutated CSV, Parquet and Arrow files; the message is one line."""
    for number in range(first, first + BATCH):
        dice = random.Random(number)
        name, data = content(dice)
        path = tmp_path / name
        path.write_bytes(mutated(dice, data))
        try:
            message = refusal(lambda path=path, dice=dice: read_file(path, dice))  # type: ignore[misc]
        except Exception as error:
            raise AssertionError(f"input {number}, {name}") from error
        assert message is None or len(message.splitlines()) == 1, (number, message)


@pytest.mark.parametrize("first", range(0, INPUTS, BATCH))
def test_an_odd_frame_is_read_or_refused(first: int) -> None:
    """Odd dtypes and cells of pandas, polars, Arrow and numpy, and what is no frame."""
    for number in range(first, first + BATCH):
        dice = random.Random(number)
        frame = odd_frame(dice)
        try:
            messages = refusals(frame, dice)
        except Exception as error:
            raise AssertionError(f"input {number}: {frame!r}") from error
        assert all(messages), number
