"""The reads of a build, without building: the periods of each group, for label rows and for referenced entities.

The referenced entities are estimated from a sample of the label rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from featurama_core.datasets.plan import PlannedRead, Strategy
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.entity_rows import EntityRows
from featurama_core.retrieval.join import RowJoin
from featurama_core.retrieval.matches import Matches
from featurama_core.retrieval.partitions import GroupReader
from featurama_core.retrieval.plan import Features, OwnStage, ReadPlan, ReferenceHop
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.spill import EntityRowShards
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.roles import RowEntities
from featurama_core.types.values import Int64Array

SAMPLE_ROWS = 500


async def explain_stages(
    source: ValueSource,
    plan: ReadPlan,
    bounds: ReadBounds,
    shards: Sequence[tuple[EntityRowShards, int]],
    rows: int,
    strategy: Strategy,
) -> tuple[list[PlannedRead], int]:
    """-> (the reads of all stages, distinct entities of the label rows). shards: per own stage its label rows and the
    number of passes over them. rows: label rows in all.
    """
    reads: list[PlannedRead] = []
    entities = 0
    largest: list[EntityRows] = []
    for stage, (of_stage, passes) in zip(plan.own, shards, strict=True):
        loads = []
        for number in range(passes):
            loaded = await asyncio.to_thread(of_stage.load, number, passes)
            loads.append((len(loaded), number))
            entities += len(loaded.entity_ids)
            found = await _explained(source.of_shard(number, passes), stage.features, loaded, bounds, strategy, 1.0)
            reads += [replace(each, roles=_roles(stage)) for each in found]
        _, number = max(loads)
        largest.append(await asyncio.to_thread(of_stage.load, number, passes))
    for followed in plan.followed:
        at, link = plan.link(followed)
        stage, passes = plan.own[at], shards[at][1]
        if not len(largest[at]):
            continue
        sample = await _sample_targets(source, link, largest[at], rows * len(followed.links), bounds)
        scale = sample.entities / max(len(sample.rows.entity_ids), 1) / passes
        for number in range(passes):
            of_shard = source.of_shard(number, passes)
            found = await _explained(of_shard, followed.features, sample.rows, bounds, strategy, scale)
            reads += [replace(each, via=link.reference, sampled=sample.seen, roles=_roles(stage)) for each in found]
    return reads, entities


def _roles(stage: OwnStage) -> tuple[str, ...]:
    return tuple(filter(None, stage.roles))


async def _explained(
    source: ValueSource,
    features: Features,
    rows: EntityRows,
    bounds: ReadBounds,
    strategy: Strategy,
    scale: float,
) -> list[PlannedRead]:
    """scale: ratio of all entities to those of the rows."""
    reads = []
    for positions in features.groups:
        wanted = [features[at] for at in positions]
        nowhere = Matches((), 0)
        join = RowJoin(rows, positions, bounds.rows(rows.event_time), [None] * len(wanted), nowhere)
        reader = GroupReader(source, wanted, join, strategy=strategy, now=bounds.now)
        reads += await reader.explain(await reader.periods(), scale)
    return reads


@dataclass(frozen=True, slots=True, eq=False)
class _TargetSample:
    """seen: number of sampled label rows. rows: those whose reference names an entity, keyed by that entity. entities:
    estimated number of entities that all label rows name.
    """

    seen: int
    rows: EntityRows
    entities: int


async def _sample_targets(
    source: ValueSource, link: ResolvedFeature, rows: EntityRows, total: int, bounds: ReadBounds
) -> _TargetSample:
    """The entities that `link` names in a sample of the rows. total: number of all label rows."""
    looked: Int64Array = np.unique(np.linspace(0, len(rows) - 1, SAMPLE_ROWS).astype(np.int64))
    moments = rows.event_time[looked]
    ids: Sequence[str] = [rows.entity_ids[code] for code in rows.entity[looked].tolist()]
    retrieval = Retrieval(source, ReadPlan.of([link]), bounds)
    (column,) = await retrieval.columns(RowEntities.of(ids), None if bounds.at_now else moments)
    hop = ReferenceHop.of(column)
    names, codes, seen = np.unique(np.array(hop.targets, dtype=np.str_), return_inverse=True, return_counts=True)
    # Good-Turing: the share of rows whose entity was seen once estimates the chance that the next row names a new one.
    newly = (seen == 1).sum() / len(looked)
    entities = min(len(names) + round(newly * (total - len(looked))), total)
    sampled = np.arange(len(codes), dtype=np.int64)
    by_target = EntityRows.sorted(names.tolist(), codes.reshape(-1), moments[hop.rows], sampled)
    return _TargetSample(len(looked), by_target, entities)
