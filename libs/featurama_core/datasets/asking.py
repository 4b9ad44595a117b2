"""From a caller's words to a TrainingSet over a store: labels found, features resolved, what cannot work refused."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from featurama_core.datasets.labels import LabelColumns, LabelSource, read_keys
from featurama_core.datasets.plan import Reading
from featurama_core.datasets.rows_asked import rows_asked
from featurama_core.datasets.several_columns import SeveralColumns
from featurama_core.datasets.training_set import Answer, Asked, Engine, TrainingSet
from featurama_core.namespace import Namespace
from featurama_core.retrieval.engine import Sizes, StoreEngine, part_rows_of
from featurama_core.retrieval.past import check_settled
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import Time, to_micros, to_rfc3339

if TYPE_CHECKING:
    from featurama_core.store import FeatureStore

LEAST_MEMORY = 64 * 1024 * 1024
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_PAGE = 10_000


async def ask(
    store: FeatureStore,
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
    newest = bound if not isinstance(bound, str) else await asyncio.to_thread(_newest, namespace, source, columns, now)
    if not isinstance(bound, str):
        check_settled(namespace, bound, now)
    resolved = await store.resolve(features, service=service, known_at=newest)
    if answer is None:
        _check_names(source.schema.names, resolved, statuses=statuses, event_times=event_times)
    else:
        answer.check_names(source.schema.names)
    one = partial(
        StoreEngine,
        namespace,
        known_at=bound,
        now=now,
        at_now=at_now,
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


async def ask_newest_again(
    store: FeatureStore,
    namespace: Namespace,
    source: LabelSource,
    columns: LabelColumns,
    references: Sequence[str],
    *,
    as_of: int,
    known_at: str | None,
    statuses: bool,
    event_times: bool,
) -> TrainingSet:
    """The newest values as a set that was built at `as_of` found them: of these entities, with what was known then
    (as far as that is settled) or at its `known_at`, and of the age that it had then.
    """
    now = store.now()
    settled = as_of <= now - namespace.settings.settling_time
    bound = to_micros(known_at, "known_at") if known_at is not None else as_of if settled else None
    begin = partial(
        StoreEngine,
        namespace,
        await store.resolve(references),
        bound,
        now=now,
        at_now=True,
        aged_at=as_of,
        values_only=not statuses and not event_times,
        memory=memory_bytes("2GB"),
        reading="auto",
    )
    asked = Asked(tuple(references), None, known_at, statuses=statuses, event_times=event_times, at_now=True)
    return TrainingSet(begin, source, columns, asked)


def memory_bytes(memory: int | str) -> int:
    """`"2GB"`, `"512MB"` or bytes -> bytes; InvalidInput below 64 MB."""
    match = _SIZE.fullmatch(str(memory).strip())
    found = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if found < LEAST_MEMORY:
        raise InvalidInput("memory must be at least 64MB; write 512MB or 2GB", field="memory")
    return found


async def entities_of(store: FeatureStore, namespace: Namespace, entity_type: str) -> Any:
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


def known_at_asked(known_at: Time | Literal["label"] | None, at_now: bool) -> int | str | None:
    """Microseconds, "label" or None. InvalidInput for "label" where the rows have no moment."""
    if known_at is None:
        return None
    if known_at == "label":
        if at_now:
            raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
        return "label"
    return to_micros(known_at, "known_at")


def _newest(namespace: Namespace, source: LabelSource, columns: LabelColumns, now: int) -> int | None:
    """The newest moment of a label row: up to then a definition may have been registered."""
    newest: int | None = None
    first = 0
    for batch in source.batches():
        keys = read_keys(batch, columns.certain, first)
        if len(keys):
            check_settled(namespace, keys.event_time, now, first_row=first)
            newest = max(int(keys.event_time.max()), newest if newest is not None else -(2**63))
        first += len(keys)
    return newest


def _check_names(
    labels: Sequence[str], features: Sequence[ResolvedFeature], *, statuses: bool, event_times: bool
) -> None:
    distinct = {(each.name, each.reference) for each in features}
    names = Counter(name for name, _ in distinct)
    for name, reference in sorted(distinct):
        shown = reference if names[name] > 1 else name
        made = [shown] + [f"{shown}__status"] * statuses + [f"{shown}__event_time"] * event_times
        for each in made:
            if each in labels:
                raise InvalidInput(f"two columns would be named {each!r}; rename the label column", field=each)
