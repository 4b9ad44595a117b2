"""Training sets through servers: label rows go out in parts that fit a call, and come back with their values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from featurama.client.answers import concurrently
from featurama_core.datasets.build import WorkFolder
from featurama_core.datasets.dataset import Asked, Engine, TrainingSet
from featurama_core.datasets.labels import Keys, LabelColumns, LabelSource
from featurama_core.datasets.plan import Plan
from featurama_core.datasets.progress import Watcher
from featurama_core.datasets.rows_asked import rows_asked
from featurama_core.datasets.several_columns import SeveralColumns
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureRef
from featurama_core.types.times import Time, to_micros, to_rfc3339

if TYPE_CHECKING:
    from featurama.client.reading import ReadingMethods

MAX_PART_ROWS = 100_000


class ClientEngine:
    """Answers a part of the label rows with a call. The first answer pins the versions for the others."""

    def __init__(
        self,
        client: ReadingMethods,
        features: Sequence[str] | None,
        service: str | None,
        known_at: int | Literal["label"] | None,
        *,
        at_now: bool,
        now: int,
    ) -> None:
        self._client = client
        self._features = features
        self._service = service
        self._known_at: int | Literal["label"] | None = known_at
        self._at_now = at_now
        self.as_of_time = now
        self._answered = False

    @property
    def part_rows(self) -> int:
        """What one call takes."""
        return MAX_PART_ROWS

    @property
    def references(self) -> list[str]:
        """As asked, until the servers have answered; then pinned."""
        return list(self._features or ())

    async def prepare(
        self,
        source: LabelSource,
        columns: LabelColumns,  # noqa: ARG002 - nothing is read ahead
        work: WorkFolder,  # noqa: ARG002
        watcher: Watcher | None,  # noqa: ARG002
    ) -> int | None:
        """Nothing: each part is read when it is asked for."""
        return source.rows

    async def columns(self, part: int, keys: Keys) -> list[Column]:  # noqa: ARG002 - rows say it all
        """One call, or several for newest values."""
        if not keys.entity_ids.null_count:
            return await self._read(keys)
        named = keys.naming()
        if len(named):
            some = Keys(keys.entity_ids.take(pa.array(named)), keys.event_time[named])
        else:
            # Only what the columns are like is of use, which no call without an id tells.
            some = Keys(pa.array(["-"]), keys.event_time[:1])
        return [each.spread(named, len(keys)) for each in await self._read(some)]

    async def _read(self, keys: Keys) -> list[Column]:
        ids = await asyncio.to_thread(keys.entity_ids.to_pylist)
        if self._at_now:
            read = await self._client.get_online_features(ids, self._features, service=self._service)
            columns, as_of = list(read.columns), read.as_of_time
        else:
            columns, as_of = await self._client.point_in_time(
                ids, keys.event_time, features=self._features, service=self._service, known_at=self._known_at
            )
        if not self._answered:
            self._answered, self.as_of_time = True, as_of
            pinned = [column.reference for column in columns]
            if all(pinned):
                self._features, self._service = pinned, None
        return columns

    async def explain(
        self,
        source: LabelSource,
        columns: LabelColumns,  # noqa: ARG002 - the servers plan each call themselves
        work: WorkFolder,  # noqa: ARG002
    ) -> Plan:
        """How many calls it takes; the servers read each by slices of its entities."""
        rows = await asyncio.to_thread(_count, source)
        return Plan(rows, 0, 1, -(-rows // MAX_PART_ROWS), (), ())


def _count(source: LabelSource) -> int:
    return source.rows if source.rows is not None else sum(batch.num_rows for batch in source.batches())


async def ask(
    client: ReadingMethods,
    labels: Any,
    features: Sequence[str] | None,
    *,
    service: str | None,
    known_at: Time | Literal["label"] | None,
    columns: LabelColumns,
    entity_type: str | None,
    start: Time | None,
    end: Time | None,
    every: str | timedelta | int | None,
    statuses: bool,
    event_times: bool,
    now: int,
) -> TrainingSet:
    """See `AsyncClient.training_set`."""
    if (features is None) == (service is None):
        raise InvalidInput("name either features or a feature service", field="features")
    listed = partial(_registered, client)
    source, columns, at_now = await rows_asked(
        labels, columns, entity_type, start, end, every, now=now, entities=listed
    )
    bound: int | Literal["label"] | None = None
    if known_at is not None:
        bound = "label" if known_at == "label" else to_micros(known_at, "known_at")
    if at_now and bound is not None:
        raise InvalidInput("newest values are read without known_at; leave it out", field="known_at")
    begin: Callable[[], Engine] = partial(ClientEngine, client, features, service, bound, at_now=at_now, now=now)
    if columns.of_types:
        references = (await client.get_feature_service(service)).features if service is not None else features or ()
        types = await _entity_types(client, references)
        columns = columns.needed(types, source.schema.names)

        def one(positions: list[int]) -> Engine:
            return ClientEngine(client, [references[at] for at in positions], None, bound, at_now=at_now, now=now)

        begin = partial(SeveralColumns, [columns.of_type(each) for each in types], one)
    told = to_rfc3339(bound) if isinstance(bound, int) else bound
    asked = Asked(tuple(features or ()), service, told, statuses=statuses, event_times=event_times, at_now=at_now)
    return TrainingSet(begin, source, columns, asked)


async def _entity_types(client: ReadingMethods, references: Sequence[str]) -> list[str]:
    """Of each reference, for a path of the reference that it follows: the same in all versions."""
    parsed = [FeatureRef.parse(each) for each in references]
    names = [each.name if each.via is None else each.via.name for each in parsed]
    asked = list(dict.fromkeys(names))
    found = await concurrently([partial(client.get_feature, name) for name in asked])
    types = {name: each.entity_type for name, each in zip(asked, found, strict=True)}
    return [types[name] for name in names]


async def _registered(client: ReadingMethods, entity_type: str) -> Any:
    ids = sorted(each.entity_id for each in await client.list_entities(entity_type))
    return await asyncio.to_thread(pa.array, ids, pa.string())
