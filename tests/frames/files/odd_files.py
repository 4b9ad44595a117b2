"""Files to try a reader with: rows of any Arrow type, CSV texts of odd cells, and damage to their bytes."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet

AT = datetime(2026, 1, 1, tzinfo=UTC)
CELLS = ["", "NA", "0x10", "1_000", "3.0", "1e999", "-", "é", "\x00", '"', "'", "\ud800", "[1,2]", "{}", " ", "9" * 400]
CELLS += ["2026-01-01T00:00:00Z", "2026-W01", "1767268800", "0001-01-01", "9999-12-31T24:00Z", "true", "nan", "-inf"]
NAMES = ["a", "b", "c", "entity_id", "timestamp", "ingested_at", "feature_name", "value", "__x", ""]
UNITS, ZONES = ["s", "ms", "us", "ns"], [None, "UTC", "Asia/Tokyo"]

KINDS: list[tuple[list[object], Callable[[random.Random], Any]]] = [
    ([0, 1, None], lambda dice: dice.choice([pa.int8(), pa.uint64(), pa.float16()])),
    ([0.5, None], lambda dice: dice.choice([pa.float16(), pa.float32(), pa.float64()])),
    (["x", "", None], lambda dice: dice.choice([pa.string(), pa.large_string(), pa.string_view(), pa.binary()])),
    ([[1], [], None, [None]], lambda dice: dice.choice([pa.list_(pa.int8()), pa.large_list(pa.float64())])),
    ([[1.0, 2.0], None], lambda _: pa.list_(pa.float32(), 2)),
    ([{"k": 1}, None], lambda _: None),
    ([AT, None], lambda dice: pa.timestamp(dice.choice(UNITS), dice.choice(ZONES))),
    ([date(2026, 1, 1), None], lambda dice: dice.choice([pa.date32(), pa.date64()])),
    ([Decimal("1.5"), None], lambda _: pa.decimal128(5, 2)),
    ([timedelta(1), None], lambda _: None),
    ([time(1), None], lambda dice: dice.choice([pa.time32("s"), pa.time64("us")])),
    ([None], lambda _: pa.null()),
]
"""Cells of a column, and its Arrow type."""


def odd_column(dice: random.Random, rows: int) -> Any:
    """A column of any Arrow type, sometimes encoded."""
    cells, kind = dice.choice(KINDS)
    column = pa.array([dice.choice(cells) for _ in range(rows)], kind(dice))
    if pa.types.is_string(column.type):
        return dice.choice([column, column.dictionary_encode(), pc.run_end_encode(column)])
    return column


def table(dice: random.Random, rows: int) -> pa.Table:
    """Rows with keys, and columns of any Arrow type, which may be the keys."""
    hours = [AT + timedelta(hours=dice.randrange(9)) for _ in range(rows)]
    columns: dict[str, Any] = {
        "entity_id": pa.array([dice.choice("xyz") for _ in range(rows)], pa.string()),
        "timestamp": pa.array(hours, pa.timestamp("us", "UTC")),
    }
    columns |= {name: odd_column(dice, rows) for name in dice.sample(NAMES, dice.randrange(1, 4))}
    return pa.table(columns)


def csv_text(dice: random.Random) -> bytes:
    """Rows of cells, most of them odd, some too short."""
    more = ["a", "b", "c", "feature_name", "value", "x,y", "", "a"]
    lines = [["entity_id", "timestamp", *dice.sample(more, dice.randrange(1, 4))]]
    for _ in range(dice.randrange(5)):
        row = [dice.choice("xyz"), "2026-01-01T00:00:00Z", *(dice.choice(CELLS) for _ in lines[0][2:])]
        lines.append(row[: dice.choice([len(row)] * 9 + [2])])
    text = dice.choice(["\n", "\r\n"]).join(dice.choice([",", ",", ";"]).join(line) for line in lines)
    return text.encode("utf-8", "surrogatepass")


def content(dice: random.Random) -> tuple[str, bytes]:
    """The name and bytes of a file."""
    ending = dice.choice(["csv", "parquet", "arrow", "arrows", "csv.gz", "csv.zst"])
    if ending.startswith("csv"):
        text = csv_text(dice)
        if ending == "csv.zst":
            text = pa.Codec("zstd").compress(text, asbytes=True)
        return f"a.{ending}", text
    rows, sink = table(dice, dice.randrange(4)), io.BytesIO()
    try:
        if ending == "parquet":
            pa.parquet.write_table(rows, sink)
        else:
            open_stream = pa.ipc.new_file if ending == "arrow" else pa.ipc.new_stream
            with open_stream(sink, rows.schema) as stream:
                stream.write_table(rows)
    except pa.ArrowException:
        return f"a.{ending}", b""
    return f"a.{ending}", sink.getvalue()


def mutated(dice: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out, doubled or put in."""
    found = bytearray(data)
    for _ in range(dice.choice([0, 1, 1, 2, 5, 20])):
        if not found:
            break
        at = dice.randrange(len(found))
        until = min(len(found), at + dice.choice([1, 2, 9]))
        kind = dice.randrange(5)
        if kind == 0:
            found[at] = dice.randrange(256)
        elif kind == 1:
            del found[at:until]
        elif kind == 2:
            found[at:at] = found[at:until]
        elif kind == 3:
            found[at:at] = dice.choice([b'"', b"\n", b"\xff", b",", b"\x00", b"\r"])
        else:
            del found[dice.randrange(len(found)) :]
    return bytes(found)
