"""Label rows from a file: CSV, Parquet or Arrow, with a column of entity ids, one of times and one of targets.

Synchronous: callers on an event loop use a thread.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.frames.spine import label_rows
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import Status, ValueType
from featurama_trainer.classes import Classes
from featurama_trainer.config import LabelSource
from featurama_trainer.labels import Labels, Targets, sorted_labels


def read_label_file(source: LabelSource, classes: Classes | None = None) -> Labels:
    """The rows of `source.file` that have a target: a number, or with `classes` (None for a regression) one of them.

    Raises InvalidInput that names the file, column or row.
    """
    table = _table(Path(source.file), source)
    for field in ("entity_column", "time_column", "target"):
        if getattr(source, field) not in table.column_names:
            raise InvalidInput(
                f"the label file has no column {getattr(source, field)!r}, it has "
                f"{', '.join(table.column_names)[:500]}; name one of them",
                field=f"labels.{field}",
            )
    keys = table.select([source.entity_column, source.time_column]).rename_columns(["entity_id", "timestamp"])
    rows = label_rows(keys)
    column = target_column(table.column(source.target), source.target)
    read = Targets(source.target, column.value_type, classes)
    target = read.numbers(column)
    there = np.flatnonzero(np.isfinite(target))
    ids = [rows.entity_ids[row] for row in there.tolist()]
    labels = sorted_labels(ids, rows.event_time[there], target[there], without_target=len(target) - len(there))
    return read.encoded(labels)


def _table(path: Path, source: LabelSource) -> Any:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.ipc
    import pyarrow.parquet

    texts = {source.entity_column: pa.string(), source.time_column: pa.string()}
    try:
        if path.suffix == ".csv":
            return pyarrow.csv.read_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(column_types=texts),
            )
        if path.suffix == ".parquet":
            return pyarrow.parquet.read_table(path)
        if path.suffix in (".arrow", ".feather", ".ipc"):
            return pyarrow.ipc.open_file(path).read_all()
    except OSError as error:
        raise InvalidInput(f"label file {path.name!r} cannot be read: {error.strerror}", field="labels.file") from error
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"label file {path.name!r} is not {path.suffix[1:]}", field="labels.file") from error
    raise InvalidInput(f"label file {path.name!r} is none of .csv, .parquet, .arrow; convert it", field="labels.file")


def target_column(column: Any, name: str) -> Column:
    """An Arrow column of numbers, truth values or texts. Raises InvalidInput for others."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    present = column.is_valid().to_numpy(zero_copy_only=False)
    status = np.where(present, Status.PRESENT, Status.NULL_VALUE).astype(np.uint8)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return replace(column_of(name, ValueType.TEXT, np.array(column.to_pylist(), dtype=np.object_)), status=status)
    if pa.types.is_boolean(kind):
        values = column.fill_null(False).to_numpy(zero_copy_only=False).astype(np.bool_)
        return replace(column_of(name, ValueType.BOOL, values), status=status)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return replace(column_of(name, ValueType.DOUBLE, numbers), status=status)
    raise InvalidInput(
        f"labels.target {name!r} is {kind}; a number is needed", reason=Reason.TYPE_MISMATCH, field="labels.target"
    )
