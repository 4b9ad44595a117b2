"""The newest values of a request's entities, in the blocks in which a server sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from featurama_core.namespace import Namespace
from featurama_core.retrieval.cost import NO_COST, ReadCost, TextCheck
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.latest import latest_values
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.port import Consistency
from featurama_core.types.block import Answer
from featurama_core.types.column import concatenate
from featurama_core.types.errors import InvalidInput, Unknown
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import NO_ROLE, RowEntities


async def plan_of(namespace: Namespace, features: FeatureSelection) -> ReadPlan:
    """The plan of these features. Its `features.cost` says what a row of them costs."""
    return await namespace.compiled(features, ReadPlan.of)


async def read_newest(
    namespace: Namespace, entities: RowEntities, plan: ReadPlan, consistency: str | None = None
) -> tuple[Answer, int]:
    """-> (a column per feature, the wall clock that ages are measured from). entities: checked."""
    level = None if consistency is None else Consistency(consistency)
    settings, rows = namespace.settings, len(entities)
    most = min(max(1, settings.max_online_entities // len(entities.of_role)), plan.rows_at_once)
    now = namespace.now()
    if rows <= most:
        return await read_plan(namespace, entities, plan, now, level), now
    texts, parts = TextCheck(settings.max_text_bytes, rows), []
    for at in range(0, rows, most):
        run = entities.cut(at, at + most)
        parts.append((await read_plan(namespace, run, plan, now, level)).columns())
        texts.add(parts[-1], len(run))
        await asyncio.sleep(0)  # small reads are made on the loop: others get their turn between two steps
    columns = await asyncio.to_thread(lambda: [concatenate(list(each)) for each in zip(*parts, strict=True)])
    return Answer.of(columns), now


async def read_plan(
    namespace: Namespace, entities: RowEntities, plan: ReadPlan, now: int, consistency: Consistency | None = None
) -> Answer:
    """A column per feature of a plan, all entities at once. now: the wall clock that ages are measured from."""
    bounds = ReadBounds(None, now, at_now=True)
    source = ValueSource(namespace, consistency=consistency)
    ids = entities.of_role.get(NO_ROLE)
    if plan.is_plain and len(entities.of_role) == 1 and ids is not None and None not in ids:
        wanted = [(plan.features, cast("Sequence[str]", ids))]
        (found,) = await latest_values(source, wanted, bounds.rows(None), errors_as_status=True)
        return found
    return Answer.of(await Retrieval(source, plan, bounds, errors_as_status=True).columns(entities, None))


async def read_cost(namespace: Namespace, features: FeatureSelection) -> ReadCost:
    """What a row of these features costs. Of features that cannot be read nothing: their read says what is wrong."""
    try:
        return (await plan_of(namespace, features)).features.cost
    except (InvalidInput, Unknown):
        return NO_COST
