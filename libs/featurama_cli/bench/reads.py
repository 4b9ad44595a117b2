"""The reads that `featurama bench` sends: which features, of which entities."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurama_core.types.errors import InvalidInput, Reason, Unknown
from featurama_core.types.references import FeatureRef
from featurama_core.types.values import Status

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

MOST_IDS = 10_000
_USUAL = 10
_DIFFERENT_READS = 256


@dataclass(frozen=True, slots=True)
class Reads:
    """Online reads of one shape. names: feature references, or None with a service. ids: one list per read."""

    names: list[str] | None
    service: str | None
    ids: list[list[str]]

    def call_of(self, store: FeatureStore) -> Callable[[int], Awaitable[object]]:
        """The call that makes read number n; the reads are repeated."""

        def call(number: int) -> Awaitable[object]:
            return store.get_online_features(self.ids[number % len(self.ids)], self.names, service=self.service)

        return call

    async def first(self, store: FeatureStore) -> dict[str, object]:
        """Make one read, so that a mistake is an error at once. -> its shape, and the share of PRESENT values."""
        read = await store.get_online_features(self.ids[0], self.names, service=self.service)
        present = [(column.status == Status.PRESENT).mean() for column in read.columns]
        return {
            "entities_per_call": len(self.ids[0]),
            "features_per_call": len(read.columns),
            "values_present_share": round(float(sum(present) / max(1, len(present))), 3),
        }


async def reads_of(
    store: FeatureStore,
    features: str | None,
    service: str | None,
    entity_type: str | None,
    rows: int,
    file: Path | None,
) -> Reads:
    """Reads of random entities, the same each time.

    features: a number of features, or references separated by commas; None for the first ten. rows: entities per read.
    file: of entity ids, one per line; otherwise those of the type are listed. Raises InvalidInput or Unknown: a
    feature, or too few entities.
    """
    names, kind = None, entity_type
    if service is None:
        names, kind = await _names(store, features, entity_type)
    elif entity_type is None and file is None:
        used = await store.get_feature_service(service)
        if used.roles:
            raise InvalidInput(
                f"service {service!r} reads several entities per row; measure the features of one with --features",
                field="service",
            )
        kind = await _type_of(store, used.features[0])
    ids = _ids_in(file) if file is not None else await _ids_of(store, str(kind))
    if len(ids) < rows:
        where = file or f"entity type {kind!r}"
        raise InvalidInput(
            f"{where} has {len(ids)} entities, fewer than the {rows} of a read; lower --entities or give --ids FILE",
            field="entities",
        )
    draw = random.Random(1)
    return Reads(names, service, [draw.sample(ids, rows) for _ in range(_DIFFERENT_READS)])


async def _names(store: FeatureStore, features: str | None, entity_type: str | None) -> tuple[list[str], str]:
    """(references, the type of the first one)."""
    if features is not None and not features.strip().isdecimal():
        names = [name.strip() for name in features.split(",") if name.strip()]
        return names, entity_type or await _type_of(store, names[0])
    wanted = _USUAL if features is None else int(features)
    if wanted < 1:
        raise InvalidInput("features must be at least 1, or references", field="features")
    kind = entity_type
    if kind is None:
        first, _ = await store.page_features(limit=1)
        if not first:
            raise Unknown("the namespace has no features; register some first", field="features")
        kind = first[0].entity_type
    found, after = await store.page_features(limit=wanted, entity_type=kind)
    while len(found) < wanted and after is not None:
        page, after = await store.page_features(after, wanted, entity_type=kind)
        found += page
    if features is not None and len(found) < wanted:
        raise InvalidInput(
            f"entity type {kind!r} has {len(found)} features, not {wanted}; give a number up to that, or references",
            field="features",
        )
    return [each.name for each in found[:wanted]], kind


async def _type_of(store: FeatureStore, reference: str) -> str:
    """The entity type whose ids a reference reads; of a path, that of its first step."""
    first = FeatureRef.parse(reference).steps[0].name
    found = await store.find_features([first])
    if not found:
        raise Unknown(f"feature {first!r} is not registered", reason=Reason.UNKNOWN_FEATURE, field="features")
    return found[0].entity_type


async def _ids_of(store: FeatureStore, entity_type: str) -> list[str]:
    ids: list[str] = []
    after: str | None = None
    while len(ids) < MOST_IDS:
        page, after = await store.page_entities(entity_type, after, 1_000)
        ids += [each.entity_id for each in page]
        if after is None:
            break
    return ids


def _ids_in(file: Path) -> Sequence[str]:
    return [line for line in map(str.strip, file.read_text(encoding="utf-8").splitlines()) if line]
