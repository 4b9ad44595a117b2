"""Label rows: the entities and moments that a point-in-time read answers for. No row is lost, moved or changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from featurama_core.frames.cells import Frame, FrameKind, frame_kind, objects, open_frame, read_cells
from featurama_core.frames.keys import named_rows
from featurama_core.frames.times import event_times
from featurama_core.frames.values import Problem
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import to_micros
from featurama_core.types.values import Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """n label rows. event_time: int64[n] microseconds.

    carried: all columns of the caller, in order, as the caller's own column objects; a `timestamp` that was given
    apart is int64[n] microseconds. kind: the kind of frame they came in.
    """

    entity_ids: list[str]
    event_time: Int64Array
    carried: dict[str, Any]
    kind: FrameKind = "columns"
    at_now: bool = False
    """No time was given: the rows stand for the moment of the read itself."""

    def __len__(self) -> int:
        return len(self.entity_ids)

    def refuse_names(self, names: Iterable[str]) -> None:
        """Raise InvalidInput if a carried column has the name of an output column."""
        for name in names:
            if name in self.carried:
                raise InvalidInput(
                    f"the label column {name!r} has the name of a feature that is asked for; rename it", field=name
                )


def label_rows(
    labels: object,
    timestamp: datetime | str | int | None = None,
    *,
    now: int | None = None,
    timezone: str | None = None,
) -> Labels:
    """Label rows from a list of entity ids and one `timestamp` (else `now`, microseconds), or from a frame with
    entity_id and timestamp columns and any others, which are carried along.

    A frame without a timestamp column takes `timestamp` for every row. Raises InvalidInput that names the first row
    whose id or time is no good: a label row is never dropped.
    """
    if frame_kind(labels) is None and type(labels).__name__ != "LazyFrame":
        return _of_ids(labels, timestamp, now)
    frame = open_frame(labels)
    if "entity_id" not in frame.columns:
        raise InvalidInput("the label rows lack the column entity_id", field="entity_id")
    entity_ids = _entity_ids(frame.columns["entity_id"])
    if "timestamp" in frame.columns:
        if timestamp is not None:
            raise InvalidInput(
                "the label rows have a timestamp column; leave timestamp= out, or drop the column", field="timestamp"
            )
        event_time, problems = event_times(read_cells(frame.columns["timestamp"]), "timestamp", timezone)
        _refuse(problems)
        return Labels(entity_ids, event_time, dict(frame.columns), frame.kind)
    if timestamp is None:
        raise InvalidInput("the label rows lack the column timestamp; add it, or give timestamp=", field="timestamp")
    event_time = np.full(frame.rows, to_micros(timestamp, "timestamp"), dtype=np.int64)
    return Labels(entity_ids, event_time, _with_times(frame, event_time), frame.kind)


def _of_ids(ids: Any, timestamp: datetime | str | int | None, now: int | None) -> Labels:
    if isinstance(ids, (str, bytes)) or not hasattr(ids, "__iter__"):
        raise InvalidInput(
            "entity_ids must be a list of entity ids, or a frame with entity_id and timestamp", field="entity_ids"
        )
    if timestamp is None and now is None:
        raise InvalidInput("timestamp is missing; give the moment to read at", field="timestamp")
    entity_ids = _entity_ids(ids if hasattr(ids, "dtype") else list(ids))
    moment = to_micros(timestamp, "timestamp") if timestamp is not None else now
    event_time = np.full(len(entity_ids), moment, dtype=np.int64)
    carried = {"entity_id": entity_ids, "timestamp": event_time}
    return Labels(entity_ids, event_time, carried, at_now=timestamp is None)


def _entity_ids(column: Any) -> list[str]:
    cells = read_cells(objects(column) if isinstance(column, list) else column)
    if not len(cells) and cells.values.dtype.kind != "O":
        return []
    texts, _, problems = named_rows(cells, "entity_id")
    _refuse(problems)
    ids: list[str] = texts.tolist()
    return ids


def _with_times(frame: Frame, event_time: Int64Array) -> dict[str, Any]:
    carried: dict[str, Any] = {}
    for name, column in frame.columns.items():
        carried[name] = column
        if name == "entity_id":
            carried["timestamp"] = event_time
    return carried


def _refuse(problems: dict[int, Problem]) -> None:
    if not problems:
        return
    row = min(problems)
    reason, problem = problems[row]
    raise InvalidInput(f"label row {row}: {problem}", reason=reason or Reason.INVALID_ARGUMENT, field="labels", row=row)
