"""Scores as an Arrow table beside the label rows, and their statistics in a manifest. Only this module names the score
columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.datasets.manifest import time_facts
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import Int64Array
from featurama_model.manifest import ModelManifest
from featurama_model.prediction import Scores

PREDICTION, CLASS, PROBABILITIES = "prediction", "predicted_class", "probabilities"
VERSION, MISSING = "model_version", "missing_features"
REASON, MESSAGE = "error_reason", "error_message"


def check_label_names(names: Sequence[str]) -> None:
    """Raise InvalidInput if a label column has the name of a score column."""
    for name in (PREDICTION, CLASS, PROBABILITIES, VERSION, MISSING, REASON, MESSAGE):
        if name in names:
            problem = f"the label column {name!r} has the name of a column of scores; rename the label column"
            raise InvalidInput(problem, field=name)


def score_table(labels: Any, manifest: ModelManifest, scores: Scores) -> Any:
    """The label rows (a record batch or a table of one chunk) with their score columns."""
    rows, chances = len(scores.values), scores.probabilities
    failed = np.zeros(rows, dtype=np.bool_)
    failed[[error.row for error in scores.errors]] = True
    added = {PREDICTION: pa.array(scores.values, mask=failed)}
    if chances is not None:
        likeliest = pa.array(chances.argmax(axis=1), mask=failed)
        added[CLASS] = pa.array(manifest.class_names, pa.string()).take(likeliest)
        flat = pa.array(chances.reshape(-1))
        added[PROBABILITIES] = pa.FixedSizeListArray.from_arrays(flat, chances.shape[1], mask=pa.array(failed))
    added[VERSION] = pa.array(np.full(rows, manifest.version, dtype=np.int64))
    added[MISSING] = _missing([feature.name for feature in manifest.features], scores)
    reason, message = np.full(rows, None, dtype=np.object_), np.full(rows, None, dtype=np.object_)
    for error in scores.errors:
        reason[error.row], message[error.row] = error.reason.name, error.message
    added[REASON], added[MESSAGE] = pa.array(reason, pa.string()), pa.array(message, pa.string())
    table = labels if isinstance(labels, pa.Table) else pa.Table.from_batches([labels])
    for name, array in added.items():
        table = table.append_column(name, array)
    return table


def _missing(names: Sequence[str], scores: Scores) -> Any:
    """A list of feature names per row, in the model's order."""
    row, feature = np.nonzero(scores.absent.T)
    offsets = np.searchsorted(row, np.arange(scores.absent.shape[1] + 1))
    return pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32)), pa.array(names, pa.string()).take(pa.array(feature))
    )


def facts_of(table: Any, event_time: Int64Array) -> dict[str, Any]:
    """The statistics of one part, for the manifest."""
    prediction = table.column(PREDICTION)
    bounds = pc.min_max(prediction).as_py()
    return time_facts(event_time) | {
        "failed": _counts(table.column(REASON).drop_null()),
        "missing": _counts(pc.list_flatten(table.column(MISSING))),
        "min": bounds["min"],
        "max": bounds["max"],
    }


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The statistics of all parts: rows predicted, failed by reason, missing by feature, and the range."""
    failed: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for part in parts:
        failed.update(part["failed"])
        missing.update(part["missing"])
    return {
        "predicted": sum(part["rows"] for part in parts) - failed.total(),
        "failed": dict(sorted(failed.items())),
        "missing": dict(sorted(missing.items())),
        "min": min((part["min"] for part in parts if part["min"] is not None), default=None),
        "max": max((part["max"] for part in parts if part["max"] is not None), default=None),
    }


def _counts(texts: Any) -> dict[str, int]:
    return {each["values"]: each["counts"] for each in pc.value_counts(texts).to_pylist()}
