"""The proposal tried: the keys of all rows, as `featurama write --mapping` would read them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from time import time_ns
from typing import Any

import numpy as np

from featurama_cli.mapping_file import OPEN
from featurama_cli.proposal.propose import Proposal
from featurama_cli.proposal.scan import Advance, Scanned, opened_again
from featurama_cli.proposal.types import plural
from featurama_cli.repeated_rows import RepeatedKeys
from featurama_core.frames.imports import FramePart, frame_part
from featurama_core.frames.mapping import KEYS, Mapping
from featurama_core.types.entity_keys import key_columns
from featurama_core.types.errors import InvalidInput
from featurama_core.types.problems import Problems
from featurama_core.types.schema import EntityType
from featurama_core.types.times import SECOND, to_rfc3339

_LAYOUT = ("delimiter", "quote", "encoding", "null_values")
_SKEW = 5 * SECOND
_ZONES = 14 * 3_600 * SECOND
"""A time without its zone may be so much earlier."""


def check(made: Proposal, scanned: Scanned, advance: Advance) -> int | None:
    """Ask about rows whose keys or times would be refused, and rows that share their keys with others.

    Returns:
        The number of rows that share a key, None without a column of ids or if the files are refused.
    """
    fields = {name: value for name, value in made.mapping.items() if name not in _LAYOUT}
    # What is open has no part in whether keys are there and differ.
    stands_in = {"timezone": "UTC", "timestamp": "2000-01-01T00:00:00Z"}
    closed: dict[str, Any] = {name: stands_in.get(name) if value == OPEN else value for name, value in fields.items()}
    has_ids, about = fields.get("entity_column") != OPEN, "entity_column"
    if not has_ids:
        closed |= {"entity_column": "entity_id", "entity_id": OPEN}
    mapping = Mapping.of(**closed)
    if made.keys:
        mapping, about = (
            mapping.with_keys([EntityType(made.entity_type, keys=key_columns(made.keys))], []),
            "entity_types",
        )
    of_times = "time_column" if "time_column" in fields else "timestamp"
    future = _Future(time_ns() // 1_000 + (_ZONES if fields.get("timezone") == OPEN else _SKEW))
    rows = 0
    with ExitStack() as scratch:
        keys = RepeatedKeys(scratch)
        for file in opened_again(scanned, made.mapping.get("null_values", ()), mapping):
            refused, first = Problems(), rows
            for batch in file.batches(as_text=True):
                try:
                    part = frame_part(_table(batch), mapping.of_file(batch.schema.names, scanned.columns))
                except InvalidInput as error:
                    made.ask(about, [f"write refuses {file.name}: {error.message}"])
                    return None
                keys.add(part.keys, part.rows + rows)
                refused.add(replace(each, row=each.row + rows - first) for each in part.refused)
                future.add(part, file.name, rows - first)
                rows += batch.num_rows
                advance(batch.num_rows)
            for problem in refused.found()[:3]:
                where = f"{file.name}, row {problem.shown_rows}"
                said = f"{plural(problem.units, 'row', 'rows')} would be rejected: {problem.message} ({where})"
                made.ask(of_times if problem.field in KEYS[1:3] else about, [said])
        keys.finish(rows)
        made.ask(of_times, future.questions())
        if keys.rows and has_ids:
            sharing = plural(keys.rows, "row shares", "rows share")
            made.ask(about, [f"{sharing} a key with others; where the values differ, they are rejected"])
        return keys.rows if has_ids else None


class _Future:
    """Rows whose times lie behind a time, int64 microseconds."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._rows = 0
        self._first = ""

    def add(self, part: FramePart, file: str, first: int) -> None:
        """The rows of a part of a file. first: its first row."""
        late = np.flatnonzero(part.event_time > self._after)
        self._rows += len(late)
        if len(late) and not self._first:
            at = int(late[0])
            self._first = f"{to_rfc3339(int(part.event_time[at]))} in {file}, row {first + int(part.rows[at])}"

    def questions(self) -> list[str]:
        """What to ask about them."""
        have = plural(self._rows, "row has a time", "rows have times")
        return [f"{have} in the future and would be rejected: {self._first}"] if self._rows else []


def _table(batch: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch])
