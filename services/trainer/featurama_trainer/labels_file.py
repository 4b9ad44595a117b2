"""Label rows from a file: CSV, Parquet or Arrow, with a column of entity ids, one of times and one of targets.

Synchronous: callers on an event loop use a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.model.errors import InvalidInput, Reason
from featurama_core.model.labels import label_rows
from featurama_model.engineered import Float64Array
from featurama_trainer.config import LabelSource
from featurama_trainer.labels import Labels, sorted_labels


def read_label_file(source: LabelSource) -> Labels:
    """The rows of `source.file` whose target is a number. Raises InvalidInput that names the file, column or row."""
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
    target = target_numbers(table.column(source.target), source.target)
    there = np.flatnonzero(np.isfinite(target))
    ids = [rows.entity_ids[row] for row in there.tolist()]
    return sorted_labels(ids, rows.event_time[there], target[there], without_target=len(target) - len(there))


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


def target_numbers(column: Any, name: str) -> Float64Array:
    """An Arrow column of numbers or truth values as float64[n], NaN where null. Raises InvalidInput for others."""
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise InvalidInput(
            f"labels.target {name!r} is {kind}; a number is needed", reason=Reason.TYPE_MISMATCH, field="labels.target"
        )
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    target: Float64Array = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return target
