"""Frames in: a caller's frame becomes write requests.

pandas, polars, Arrow and mappings of columns are treated in the same way and never modified. A frame is long (one row
per value) or wide (one column per feature), as its columns say. An invalid row gets a verdict and the others are sent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from featurama_core.frames.cells import open_frame
from featurama_core.frames.keys import read_keys
from featurama_core.frames.long import long_write
from featurama_core.frames.mapping import UNMAPPED, Mapping
from featurama_core.frames.report import FrameWrite
from featurama_core.frames.wide import WriteOptions, wide_write
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import RESERVED_NAMES, check_name
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.values import Status
from featurama_core.types.writes import MAX_ROWS_PER_WRITE, WriteMode

_LONG = ("entity_id", "feature_name", "value", "timestamp")
_WIDE = ("entity_id", "timestamp")


def write_requests(
    frame: object,
    *,
    version: int | None = None,
    batch_size: int = 1_000,
    mode: WriteMode = WriteMode.ATOMIC,
    nulls: Literal["write", "skip"] = "write",
    mapping: Mapping = UNMAPPED,
    features: Collection[str] | None = None,
    request_ids: RequestIds,
) -> FrameWrite:
    """The requests that write a frame, at most `batch_size` rows each.

    Long frames have the columns entity_id, feature_name, value, timestamp; wide ones entity_id, timestamp and one
    column per feature, all under the names of `mapping`. A frame with a column ingested_at is an import of old history
    (mode BULK). An empty cell (None, NaN, NA, NaT) is written as a null, or omitted with nulls="skip". Values are typed
    by their column or, in a column of objects, one by one; the store compares the types with the definitions. Times are
    read by the rules of `mapping`. features: the registered names, needed for `mapping.ignore_extra`.

    Rows with one (entity, event time) are in one request, which may exceed `batch_size` but not 10,000 rows. Raises
    InvalidInput if the frame as a whole cannot be written. `FrameWrite.local` has the problems of single rows.
    """
    if version is not None and (isinstance(version, bool) or not 1 <= version < 2**31):
        raise InvalidInput("version must be a whole number from 1, or None for the newest", field="version")
    if isinstance(batch_size, bool) or not 1 <= batch_size <= MAX_ROWS_PER_WRITE:
        raise InvalidInput(f"batch_size must be from 1 to {MAX_ROWS_PER_WRITE}", field="batch_size")
    if not isinstance(mode, WriteMode):
        raise InvalidInput("mode must be WriteMode.ATOMIC or WriteMode.BULK", field="mode")
    if nulls not in ("write", "skip"):
        raise InvalidInput('nulls must be "write" or "skip"', field="nulls")
    opened, casts = mapping.applied(open_frame(frame), features)
    names = list(opened.columns)
    columns = feature_columns(names)
    if "ingested_at" in names and mode is not WriteMode.BULK:
        raise InvalidInput(
            "column ingested_at is an import of old history and needs mode BULK; else leave it out", field="ingested_at"
        )
    null_status = Status.NULL_VALUE if nulls == "write" else Status.NOT_FOUND
    options = WriteOptions(version or 0, batch_size, mode, null_status, request_ids)
    keys = read_keys(opened, mapping.times, mapping.ingested)
    if columns is None:
        return replace(long_write(opened, keys, options), casts=casts)
    return replace(wide_write(opened, columns, keys, options), casts=casts)


def feature_columns(names: list[str]) -> list[str] | None:
    """The feature columns of a wide frame with these columns; None for a long frame. InvalidInput for others."""
    if "feature_name" in names or "value" in names:
        missing = [name for name in _LONG if name not in names]
        if missing:
            raise InvalidInput(
                f"a long frame lacks the column {', '.join(missing)}; it has entity_id, feature_name, value, timestamp",
                field=missing[0],
            )
        extra = [name for name in names if name not in (*_LONG, "ingested_at")]
        if extra:
            raise InvalidInput(
                f"a long frame has no column {extra[0]!r}; drop it, or add a row per value of it", field=extra[0]
            )
        return None
    missing = [name for name in _WIDE if name not in names]
    if missing:
        raise InvalidInput(
            f"the frame lacks the column {', '.join(missing)}; a long frame has entity_id, feature_name, value, "
            "timestamp, a wide one entity_id, timestamp and one column per feature",
            field=missing[0],
        )
    features = [name for name in names if name not in (*_WIDE, "ingested_at")]
    if not features:
        raise InvalidInput("the frame has no feature columns beside entity_id and timestamp", field="frame")
    for name in features:
        _check_feature(name)
    return features


def _check_feature(name: str) -> None:
    if name in RESERVED_NAMES:
        raise InvalidInput(
            f"column {name!r} is a reserved name, no feature; rename or drop it", reason=Reason.INVALID_NAME, field=name
        )
    if "@" in name:
        raise InvalidInput(
            f"column {name!r} names a version; name the column {name.partition('@')[0]!r} and give version=",
            reason=Reason.INVALID_NAME,
            field=name,
        )
    try:
        check_name(name, "column")
    except InvalidInput as error:
        raise InvalidInput(
            f"{error.message}; rename it with rename=, or leave it out with only= or ignore_extra=True",
            reason=error.reason,
            field=name,
        ) from error
