"""Requests that are answered by several calls read the same versions in all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featurama_core.api import FeatureStore
from featurama_core.types.column import Column
from featurama_core.types.references import FeatureSelection


def pinned(features: FeatureSelection, columns: Sequence[Column]) -> FeatureSelection:
    """The versions that a response has; the features themselves if a server names none."""
    references = tuple(column.reference for column in columns)
    return FeatureSelection(references) if all(references) else features


async def pinned_at(store: FeatureStore, features: FeatureSelection, newest: int) -> FeatureSelection:
    """The versions of rows with `known_at="label"`, the newest of which is at this time, microseconds. One call."""
    # Any id will do: only the references of the columns are used.
    row = ["-"], np.array([newest], dtype=np.int64)
    read = await store.point_in_time(
        *row, features=features.references or None, service=features.service, known_at="label"
    )
    return pinned(features, read.columns)
