"""Whom a reference names, estimated from a sample of label rows: enough to plan the second round of a path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featurama_core.namespace import Namespace
from featurama_core.retrieval.entity_rows import SortedKeys
from featurama_core.retrieval.past import KnownAt, read_as_of
from featurama_core.retrieval.plan import follow
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME
from featurama_core.types.values import Int64Array

SAMPLE_ROWS = 500


@dataclass(frozen=True, slots=True, eq=False)
class TargetSample:
    """rows: label rows that were looked at. keys: of those whose reference names an entity, sorted by that entity.
    entities: how many all label rows name, about.
    """

    rows: int
    keys: SortedKeys
    entities: int


async def sample_targets(
    namespace: Namespace, link: ResolvedFeature, keys: SortedKeys, rows: int, known_at: KnownAt | str, now: int
) -> TargetSample:
    """Look at what `link` names in some of the label rows `keys` (at least one), which are some of `rows`.

    Moments of MAX_TIME stand for now.
    """
    looked = np.unique(np.linspace(0, len(keys) - 1, SAMPLE_ROWS).astype(np.int64))
    moments = keys.event_time[looked]
    ids = [keys.entity_ids[code] for code in keys.entity[looked].tolist()]
    known = moments if isinstance(known_at, str) else known_at
    times = None if moments[0] == MAX_TIME else moments
    (column,) = await read_as_of(namespace, ids, times, [link], known_at=known, now=now)
    hops = follow(column)
    names, codes, seen = np.unique(np.array(hops.targets, dtype=np.str_), return_inverse=True, return_counts=True)
    # Good and Turing: the share of rows whose entity was met once is the chance that the next row names a new one.
    newly = (seen == 1).sum() / len(looked)
    entities = min(len(names) + round(newly * (rows - len(looked))), rows)
    return TargetSample(len(looked), _sorted(names.tolist(), codes, moments[hops.rows]), entities)


def _sorted(names: list[str], codes: Int64Array, moments: Int64Array) -> SortedKeys:
    order = np.lexsort((moments, codes))
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    return SortedKeys(names, codes[order], bounds, moments[order], np.arange(len(order)))
