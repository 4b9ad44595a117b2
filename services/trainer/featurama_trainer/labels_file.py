"""Label rows from a file: CSV, Parquet or Arrow, with columns of entity ids (or the keys of a type), times and targets.

`read_label_file` is synchronous: callers on an event loop use `label_file`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.frames.casts import checked_casts
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.texts import AS_WRITTEN, TextRules, declaration_for
from featurama_core.frames.zones import TimeRules
from featurama_core.namespace import Namespace
from featurama_core.store import EmbeddedStore
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.schema import EntityType
from featurama_core.types.values import Status, ValueType
from featurama_trainer.classes import Classes
from featurama_trainer.config import SpineSource
from featurama_trainer.labels import Labels, Targets, sorted_labels


async def label_file(namespace: Namespace, source: SpineSource, classes: Classes | None = None) -> Labels:
    """`read_label_file` with the keys of the entity type, in a thread."""
    kinds = [await EmbeddedStore(namespace).get_entity_type(source.entity_type)] if source.entity_type else []
    return await asyncio.to_thread(read_label_file, source, classes, kinds)


def read_label_file(source: SpineSource, classes: Classes | None = None, kinds: Sequence[EntityType] = ()) -> Labels:
    """The rows of `source.file` with an entity and a target: a number, or one of `classes` (None for a regression).

    kinds: the entity type of the rows, whose key columns the file may have instead of ids.

    Raises InvalidInput with the file, column or row.
    """
    import pyarrow as pa

    from featurama_core.datasets.spine_sources import keyed_source, one_batch, read_keys
    from featurama_core.files.layout import FileLayout

    times = TimeRules(source.timezone, source.time_unit, source.time_format, ambiguous=source.ambiguous)
    columns = SpineColumns.of(
        source.entity_column,
        source.time_column,
        times=times,
        casts=checked_casts(source.casts),
        clock_column=source.clock_column,
    )
    layout = FileLayout.of(
        source.types,
        source.delimiter,
        source.quote,
        source.encoding,
        source.null_values,
        source.decimal,
        source.true_values,
        source.false_values,
        source.rename,
    )
    rows, columns = keyed_source(Path(source.file), columns, kinds, layout)
    if source.target not in rows.schema.names:
        raise InvalidInput(
            f"the label file has no column {source.target!r}, it has {', '.join(rows.schema.names)[:500]}; name one of "
            "them",
            field="labels.target",
        )
    batch = one_batch(pa.Table.from_batches(rows.batches(), rows.schema))
    keys = read_keys(batch, columns, 0)
    column = target_column(batch.column(source.target), source.target, classes, layout.texts)
    read = Targets(source.target, column.value_type, classes)
    target = read.numbers(column)
    has_target, is_named = np.isfinite(target), keys.entity_ids.is_valid().to_numpy(zero_copy_only=False)
    there = np.flatnonzero(has_target & is_named)
    ids = keys.entity_ids.take(there).to_pylist()
    labels = sorted_labels(ids, keys.event_time[there], target[there], without_target=int((~has_target).sum()))
    return read.encoded(replace(labels, without_entity=int((has_target & ~is_named).sum())))


def target_column(column: Any, name: str, classes: Classes | None, rules: TextRules = AS_WRITTEN) -> Column:
    """An Arrow column of numbers, booleans or texts. Texts are numbers for a regression (classes: None), else labels of
    classes. Raises InvalidInput for other types, and for a text that is no number.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    present = column.is_valid().to_numpy(zero_copy_only=False)
    status = np.where(present, Status.PRESENT, Status.NULL_VALUE).astype(np.uint8)
    values: Any
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        if classes is None:
            return target_column(_numbers(column, name, rules), name, classes)
        value_type, values = ValueType.TEXT, np.array(column.to_pylist(), dtype=np.object_)
    elif pa.types.is_boolean(kind):
        value_type, values = ValueType.BOOL, column.fill_null(False).to_numpy(zero_copy_only=False)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        value_type, values = ValueType.DOUBLE, column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    else:
        problem = f"labels.target {name!r} is {kind}; a number is needed"
        raise InvalidInput(problem, reason=Reason.TYPE_MISMATCH, field="labels.target")
    return replace(column_of(name, value_type, values), status=status)


def _numbers(texts: Any, name: str, rules: TextRules) -> Any:
    import pyarrow as pa

    from featurama_core.files.typed import typed_column

    numbers, left = typed_column(texts.cast(pa.string()), ValueType.DOUBLE, rules)
    for row, text in left.items():
        fix = declaration_for(str(text), ValueType.DOUBLE, rules)
        problem = f"labels.target {name!r} is {text!r} in row {row}; a number is needed{fix and f'; declare {fix}'}"
        raise InvalidInput(problem, reason=Reason.TYPE_MISMATCH, field="labels.target")
    return numbers
