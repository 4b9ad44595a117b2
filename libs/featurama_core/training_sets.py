"""Training sets over a store: the arguments of a call become a `TrainingSet`, and a written set is built again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from featurama_core.datasets.dataset import Answer, Asked, Engine, TrainingSet
from featurama_core.datasets.kept_rows import kept
from featurama_core.datasets.labels import Keys, LabelColumns, LabelSource, read_keys
from featurama_core.datasets.manifest import Manifest
from featurama_core.datasets.plan import Reading
from featurama_core.datasets.rows_asked import rows_asked
from featurama_core.datasets.several_columns import SeveralColumns
from featurama_core.datasets.verify import Verified
from featurama_core.datasets.verify import verify as verify_set
from featurama_core.frames.results import distinct, feature_columns, output_names, refuse_repeats
from featurama_core.namespace import Namespace
from featurama_core.reading_methods import ReadingMethods
from featurama_core.retrieval.spilled import Sizes, SpilledRetrieval, part_rows_of
from featurama_core.retrieval.visibility import KnownAt, ReadBounds, check_settled
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MIN_TIME, Time, to_micros, to_rfc3339

_MEMORY = "2GB"
LEAST_MEMORY = 64 * 1024 * 1024
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_PAGE = 10_000


async def ask(
    store: ReadingMethods,
    namespace: Namespace,
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
    memory: int | str,
    reading: Reading,
    answer: Answer | None = None,
) -> TrainingSet:
    """See `FeatureStore.training_set`. answer: what is made of the values, if not columns."""
    now = store.now()
    listed = partial(entities_of, store, namespace)
    source, columns, at_now = await rows_asked(
        labels, columns, entity_type, start, end, every, now=now, entities=listed
    )
    bound = known_at_asked(known_at, at_now)
    newest = NewestMoment(namespace, bound, now)
    # A definition may have been registered up to the newest row; the pass over the rows serves the first build too.
    source = kept(source) if isinstance(bound, str) else source
    await asyncio.to_thread(newest.see_all, source, columns.certain)
    resolved = await store.resolve(features, service=service, known_at=newest.time)
    if answer is None:
        made = feature_columns(output_names(distinct(resolved)), statuses=statuses, event_times=event_times)
        refuse_repeats([*source.schema.names, *made])
    else:
        answer.check_names(source.schema.names)
    one = partial(
        SpilledRetrieval,
        namespace,
        bounds=ReadBounds(bound, now, at_now),
        values_only=not statuses and not event_times,
        reading=reading,
    )
    begin: Callable[[], Engine] = partial(one, features=resolved, memory=memory_bytes(memory))
    if columns.of_types:
        columns = columns.needed([each.entity_type for each in resolved], source.schema.names)
        begin = _several(one, resolved, columns, memory_bytes(memory))
    asked = Asked(
        features=tuple(features or ()),
        service=service,
        known_at=bound if isinstance(bound, str) else None if bound is None else to_rfc3339(bound),
        statuses=statuses,
        event_times=event_times,
        at_now=at_now,
    )
    return TrainingSet(begin, source, columns, asked, answer)


def _several(
    one: Callable[..., Engine], features: Sequence[ResolvedFeature], columns: LabelColumns, memory: int
) -> Callable[[], Engine]:
    """An engine an entity column, which shares the memory with the others."""
    sizes = Sizes(part_rows=part_rows_of(features))
    share = memory // len(columns.entities)

    def begin(positions: list[int]) -> Engine:
        return one(features=[features[at] for at in positions], memory=share, sizes=sizes)

    return partial(SeveralColumns, [columns.of_type(each.entity_type) for each in features], begin)


async def verify(out: str | Path, store: ReadingMethods | None = None) -> Verified:
    """See `datasets.verify.verify`; with a store the set is built again from it."""
    return await verify_set(out, None if store is None else _Again(store))


class _Again:
    """Sets built again from a store."""

    def __init__(self, store: ReadingMethods) -> None:
        self._store = store

    async def resolve(self, references: Sequence[str]) -> Sequence[ResolvedFeature]:
        """Pinned references."""
        return await self._store.resolve(references)

    async def deleted(self) -> set[tuple[str, str]]:
        """(entity id, feature name) of what is deleted; "" for all features."""
        return {(each.entity_id, each.feature_name) for each in await self._store.storage.list_marks()}

    async def build(
        self, source: LabelSource, columns: LabelColumns, references: Sequence[str], manifest: Manifest
    ) -> TrainingSet:
        """The newest values as the set found them: of these entities, with what was known then (as far as that is
        settled) or at its `known_at`, and of the age that it had then. Else the request as it was.
        """
        asked = manifest.request
        shown = {"statuses": asked["statuses"], "event_times": asked["event_times"]}
        known_at = asked["known_at"]
        if not asked["at_now"]:
            return await ask(
                self._store,
                self._store.opened,
                source,
                references,
                service=None,
                known_at=known_at,
                columns=columns,
                entity_type=None,
                start=None,
                end=None,
                every=None,
                memory=_MEMORY,
                reading="auto",
                **shown,
            )
        namespace, now, as_of = self._store.opened, self._store.now(), to_micros(manifest.content["as_of_time"])
        settled = as_of <= now - namespace.settings.settling_time
        bound = to_micros(known_at, "known_at") if known_at is not None else as_of if settled else None
        begin = partial(
            SpilledRetrieval,
            namespace,
            await self._store.resolve(references),
            ReadBounds(bound, now, at_now=True, aged_at=as_of),
            values_only=not any(shown.values()),
            memory=memory_bytes(_MEMORY),
            reading="auto",
        )
        return TrainingSet(begin, source, columns, Asked(tuple(references), None, known_at, at_now=True, **shown))


def memory_bytes(memory: int | str) -> int:
    """`"2GB"`, `"512MB"` or bytes -> bytes; InvalidInput below 64 MB."""
    match = _SIZE.fullmatch(str(memory).strip())
    found = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if found < LEAST_MEMORY:
        raise InvalidInput("memory must be at least 64MB; write 512MB or 2GB", field="memory")
    return found


async def entities_of(store: ReadingMethods, namespace: Namespace, entity_type: str) -> Any:
    """The registered entities of a type, and for the default type also those that merely have values; ids ascending:
    an Arrow string array.
    """
    await namespace.check_entity_type(entity_type)
    found: list[str] = []
    after: str | None = None
    while True:
        page, after = await store.page_entities(entity_type, after, _PAGE)
        found += [each.entity_id for each in page]
        if after is None:
            break
    if entity_type == DEFAULT_ENTITY_TYPE:
        while True:
            ids, after = await namespace.storage.list_latest_entities(after, _PAGE)
            registered = await namespace.storage.get_entities(ids) if ids else {}
            found += [each for each in ids if each not in registered]
            if after is None:
                break
    return await asyncio.to_thread(pa.array, sorted(set(found)), pa.string())


def known_at_asked(known_at: Time | Literal["label"] | None, at_now: bool) -> KnownAt:
    """Microseconds, "label" or None. InvalidInput for "label" where the rows have no moment."""
    if known_at is None:
        return None
    if known_at == "label":
        if at_now:
            raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
        return "label"
    return to_micros(known_at, "known_at")


class NewestMoment:
    """The newest moment that a set may know of, from what it may know and its label rows: `time`, None for no bound.

    Raises FailedPrecondition for a `known_at` that is not settled, and for a row that cannot be its own.
    """

    def __init__(self, namespace: Namespace, known_at: KnownAt, now: int) -> None:
        self._settling_time = namespace.settings.settling_time
        self._now = now
        self._of_rows = isinstance(known_at, str)
        self.time = known_at if not isinstance(known_at, str) else None
        check_settled(self.time, now, self._settling_time)

    def see(self, keys: Keys, first: int) -> None:
        """Label rows, of which the first is row `first` of all."""
        if self._of_rows and len(keys):
            check_settled(keys.event_time, self._now, self._settling_time, first_row=first)
            self.time = max(int(keys.event_time.max()), self.time if self.time is not None else MIN_TIME)

    def see_all(self, source: LabelSource, columns: LabelColumns) -> None:
        """All label rows, where they say what may be known. Blocks."""
        first = 0
        for batch in source.batches() if self._of_rows else ():
            keys = read_keys(batch, columns, first)
            self.see(keys, first)
            first += len(keys)
