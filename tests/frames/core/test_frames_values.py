"""Frames of many columns: a request has no more values than one may have."""

from __future__ import annotations

import numpy as np
import pytest

from featurama_core.types.writes import MAX_VALUES_PER_WRITE, check_counts


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_a_request_of_many_columns_has_fewer_rows(prepare, shape):
    """Every row is sent, whatever the batch size."""
    rows, names = 5_000, [f"f{at}" for at in range(1_000)]
    ids = np.array([f"e{row}" for row in range(rows)], dtype=object)
    if shape == "wide":
        values = np.ones(rows)
        frame = {"entity_id": ids, "timestamp": np.full(rows, 1), **dict.fromkeys(names, values)}
    else:
        features = np.array(names * (rows // len(names)), dtype=object)
        frame = {"entity_id": ids, "feature_name": features, "value": np.ones(rows), "timestamp": np.full(rows, 1)}
    requests = [each.request for each in prepare(frame, batch_size=5_000)]
    for each in requests:
        check_counts(len(each), len(each.columns))
    assert rows == sum(map(len, requests))
    assert MAX_VALUES_PER_WRITE // len(names) == len(requests[0])
