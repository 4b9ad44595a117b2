"""The content of a part of an import, determined before the import begins."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import open_frame, read_cells
from featurama_core.frames.keys import coded_texts, read_keys
from featurama_core.frames.writes import feature_columns
from featurama_core.types.errors import InvalidInput
from featurama_core.types.imports import ImportScope
from featurama_core.types.times import TimeUnit
from featurama_core.types.values import Int64Array

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(29), np.uint64(32))


@dataclass(frozen=True, slots=True, eq=False)
class ImportPart:
    """scope: of the rows that can be sent, None if there are none. rows: int64[k], these rows. keys: uint64[k], hashes
    of what is unique in an import: entity, event time, ingest time, and in a long frame the feature.
    """

    scope: ImportScope | None
    rows: Int64Array
    keys: NDArray[np.uint64]


def import_part(frame: object, *, timezone: str | None = None, ingested_at_unit: TimeUnit | None = None) -> ImportPart:
    """The content of a frame with a column ingested_at. Raises InvalidInput as `write_requests` does."""
    opened = open_frame(frame)
    features = feature_columns(list(opened.columns))
    keys = read_keys(opened, timezone, ingested_at_unit)
    if keys.ingested_at is None:
        raise InvalidInput("an import has a column ingested_at", field="ingested_at")
    codes: list[NDArray[np.uint64]] = []
    if features is None:
        texts = coded_texts(read_cells(opened.columns["feature_name"]), "feature_name")
        names = texts.rows()
        keys.reject(texts.problems("feature_name"), "feature_name", list(opened.columns).index("feature_name"))
        rows = keys.sendable()
        features = sorted(set(names[rows].tolist()))
        codes.append(_hashes(names[rows].tolist()))
    else:
        rows = keys.sendable()
    mixed = _hashes(keys.entity_ids[rows].tolist())
    for column in (*codes, keys.event_time[rows].view(np.uint64), keys.ingested_at[rows].view(np.uint64)):
        mixed = _mixed(mixed ^ _mixed(column + _MIX[0]))
    return ImportPart(keys.scope(rows, features), rows, mixed)


def _hashes(texts: list[str]) -> NDArray[np.uint64]:
    """uint64[n], equal for equal texts in all frames."""
    of_text = {text: int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) for text in set(texts)}
    return np.fromiter(map(of_text.__getitem__, texts), dtype=np.uint64, count=len(texts))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    first, second, some, half = _MIX
    values = (values ^ (values >> some)) * first
    return (values ^ (values >> half)) * second
