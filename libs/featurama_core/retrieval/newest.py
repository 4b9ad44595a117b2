"""The newest values of a request's entities, in the blocks in which a server sends them."""

from __future__ import annotations

from featurama_core.namespace import Namespace
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.port import Consistency
from featurama_core.types.block import Answer
from featurama_core.types.column import concatenate
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import RowEntities


async def read_newest(
    namespace: Namespace, entities: RowEntities, features: FeatureSelection, consistency: str | None = None
) -> tuple[Answer, int]:
    """-> (a column per feature, the wall clock that ages are measured from). entities: checked."""
    plan = await namespace.compiled(features, ReadPlan.of)
    level = None if consistency is None else Consistency(consistency)
    most = max(1, namespace.settings.max_online_entities // len(entities.of_role))
    if len(entities) <= most:
        return await read_plan(namespace, entities, plan, level)
    runs = [entities.cut(at, at + most) for at in range(0, len(entities), most)]
    parts = [await read_plan(namespace, run, plan, level) for run in runs]
    columns = zip(*(part.columns() for part, _ in parts), strict=True)
    return Answer.of([concatenate(list(each)) for each in columns]), parts[0][1]


async def read_plan(
    namespace: Namespace, entities: RowEntities, plan: ReadPlan, consistency: Consistency | None = None
) -> tuple[Answer, int]:
    """`read_newest` of a plan, all entities at once."""
    bounds = ReadBounds(None, namespace.now(), at_now=True)
    source = ValueSource(namespace, consistency=consistency)
    retrieval = Retrieval(source, plan, bounds, errors_as_status=True)
    return await retrieval.newest(entities), bounds.now


async def vector_length(namespace: Namespace, features: FeatureSelection) -> int:
    """The elements of all vectors of a row of these features."""
    return (await namespace.compiled(features, ReadPlan.of)).features.vector_length
