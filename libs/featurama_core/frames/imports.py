"""The content of a part of a file, determined before its first row is written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import open_frame, read_cells
from featurama_core.frames.keys import coded_texts, read_keys
from featurama_core.frames.mapping import UNMAPPED, Mapping
from featurama_core.frames.writes import feature_columns
from featurama_core.types.imports import ImportScope
from featurama_core.types.values import Int64Array
from featurama_core.types.writes import Verdict

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(29), np.uint64(32))


@dataclass(frozen=True, slots=True, eq=False)
class FramePart:
    """scope: of the rows of an import that can be sent, else None. rows: int64[k], the rows that can be sent. keys:
    uint64[k], hashes of what is unique: entity, event time, in an import the ingest time, in a long frame the feature.
    event_time: int64[k] microseconds. refused: the rows that cannot be sent.
    """

    scope: ImportScope | None
    rows: Int64Array
    keys: NDArray[np.uint64]
    event_time: Int64Array
    refused: tuple[Verdict, ...] = ()


def frame_part(frame: object, mapping: Mapping = UNMAPPED, known: Collection[str] | None = None) -> FramePart:
    """The content of a frame. known: see `write_requests`, whose errors are raised."""
    opened, _ = mapping.applied(open_frame(frame), known)
    features = feature_columns(list(opened.columns))
    keys = read_keys(opened, mapping.times, mapping.ingested)
    codes: list[NDArray[np.uint64]] = []
    if features is None:
        texts = coded_texts(read_cells(opened.columns["feature_name"]), "feature_name")
        names = texts.rows()
        keys.reject(texts.problems("feature_name"), "feature_name", opened.positions["feature_name"])
        rows = keys.sendable()
        features = sorted(set(names[rows].tolist()))
        codes.append(_hashes(names[rows].tolist()))
    else:
        rows = keys.sendable()
    mixed = _hashes(keys.entity_ids[rows].tolist())
    codes += [each[rows].view(np.uint64) for each in (keys.event_time, keys.ingested_at) if each is not None]
    for column in codes:
        mixed = _mixed(mixed ^ _mixed(column + _MIX[0]))
    return FramePart(keys.scope(rows, features), rows, mixed, keys.event_time[rows], tuple(keys.verdicts()))


def _hashes(texts: list[str]) -> NDArray[np.uint64]:
    """uint64[n], equal for equal texts in all frames."""
    of_text = {text: int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) for text in set(texts)}
    return np.fromiter(map(of_text.__getitem__, texts), dtype=np.uint64, count=len(texts))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    first, second, some, half = _MIX
    values = (values ^ (values >> some)) * first
    return (values ^ (values >> half)) * second
