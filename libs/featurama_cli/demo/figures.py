"""The figures of the demonstration, for its tables and for `--json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of sequential calls."""

    calls: int
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """The percentiles of measured seconds."""
        p50, p99 = np.percentile(np.array(seconds) * 1_000, [50, 99])
        return cls(len(seconds), round(float(p50), 3), round(float(p99), 3))


@dataclass(frozen=True, slots=True)
class Freshness:
    """The delay between acknowledgement and visibility of writes. at_first_read: writes visible to the first read."""

    writes: int
    at_first_read: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class PointInTime:
    """One training set through gRPC."""

    rows: int
    features: int
    seconds: float
    rows_per_second: int


@dataclass(frozen=True, slots=True)
class OnePrediction:
    """The prediction of one delivery over gRPC and REST."""

    entity_id: str
    model: str
    version: int
    grpc_hours: float
    rest_hours: float
    actual_hours: float
    features_used: Mapping[str, object]
    agree: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The content of `--json`. The name of a time has its unit."""

    storage: str
    namespace: str
    mode: str
    seed: int
    entities: int
    rows: int
    values: int
    ingest_seconds: float
    values_per_second: int
    online_1x10: Latency
    online_100x10: Latency
    freshness: Freshness
    point_in_time: PointInTime
    model: Mapping[str, object]
    prediction: OnePrediction
    total_seconds: float
