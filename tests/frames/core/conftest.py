"""What a frame's requests say, unpacked a value at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from featurama_core.frames.mapping import Mapping
from featurama_core.frames.report import FrameWrite
from featurama_core.frames.writes import write_requests
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.values import Status
from featurama_core.types.writes import WriteUnit

Value = tuple[int, str, int, str, str, object]
"""(frame row, entity, event time, feature, type or "null", value)."""


@pytest.fixture
def prepare() -> Callable[..., FrameWrite]:
    """`write_requests` with ids of its own, and with arguments of `Mapping.of`; numbers are microseconds."""

    def call(frame: object, **options: Any) -> FrameWrite:
        own = {
            name: options.pop(name)
            for name in ("version", "batch_size", "mode", "nulls", "features")
            if name in options
        }
        mapping = Mapping.of(**({"time_unit": "us"} | options))
        return write_requests(frame, request_ids=RequestIds(), mapping=mapping, **own)

    return call


@pytest.fixture
def unpack() -> Callable[[FrameWrite], list[Value]]:
    """All values that the requests of a frame hold, with the frame row each comes from."""

    def call(write: FrameWrite) -> list[Value]:
        values: list[Value] = []
        for prepared in write:
            request = prepared.request
            for position, column in enumerate(request.columns):
                assert len(request) == len(column.status) == len(column.values) == len(column.event_time)
                for row, value in enumerate(column.values.tolist()):
                    if column.status[row] == Status.NOT_FOUND:
                        continue
                    by_value = request.unit is WriteUnit.VALUE
                    origin = prepared.rows[position, row] if by_value else prepared.rows[row]
                    null = column.status[row] == Status.NULL_VALUE
                    kind = "null" if null else column.value_type.label
                    held = None if null else (tuple(value) if isinstance(value, list) else value)
                    key = request.entity_ids[row], int(request.event_time[row]), column.name
                    values.append((int(origin), *key, kind, held))
        return values

    return call
