"""Names of features in lists: of all, of each group, of each entity type, and of those that refer to an entity type.

`feature_metadata` is authoritative. Rows of a list are written before the feature and may be left over. The names of a
list lie in buckets, each in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from featurama_core.storage.cql.driver import Driver, Prepared
from featurama_core.storage.cql.fan_out import collect, for_each
from featurama_core.storage.cql.periods import stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.port import FeaturesOf
from featurama_core.types.schema import FeatureDefinition

_BUCKETS = 16
_NAMES_AT_ONCE = 50
"""Names in one query: ScyllaDB takes at most 100."""
_AT_ONCE = 64

INTO_NAMES = "INSERT INTO ks.feature_names (list, bucket, feature_name) VALUES (?, ?, ?)"
_PAGE = "SELECT feature_name FROM ks.feature_names WHERE list = ? AND bucket = ? AND feature_name >= ? LIMIT ?"
_KNOWN = "SELECT feature_name FROM ks.feature_names WHERE list = '' AND bucket = ? AND feature_name IN ?"
STORED = "SELECT feature_name, feature_group, entity_type, references_type FROM ks.feature_metadata"


async def put(statements: Statements, feature: FeatureDefinition) -> None:
    """Enter a feature into its lists. Idempotent."""
    into = await statements.get(INTO_NAMES)
    rows = _rows(feature.name, feature.group, feature.entity_type, feature.references)
    await statements.driver.write_batch([(into, row) for row in rows], logged=False)


async def list_feature_names(statements: Statements, of: FeaturesOf | None, first: str, limit: int) -> list[str]:
    """The first names that are not less than `first`."""
    driver, page = statements.driver, await statements.get(_PAGE)

    async def read(bucket: int) -> list[Any]:
        return await driver.read(page, (_list(of), bucket, first, limit))

    buckets = await collect(range(_BUCKETS), read, _BUCKETS)
    return sorted(name for rows in buckets for (name,) in rows)[:limit]


async def known_feature_names(statements: Statements, names: Sequence[str]) -> set[str]:
    """Those among the names that the list of all holds."""
    driver, known = statements.driver, await statements.get(_KNOWN)
    of_bucket: dict[int, list[str]] = {}
    for name in names:
        of_bucket.setdefault(_bucket(name), []).append(name)
    parts = [
        (bucket, held[first : first + _NAMES_AT_ONCE])
        for bucket, held in of_bucket.items()
        for first in range(0, len(held), _NAMES_AT_ONCE)
    ]
    found = await collect(parts, lambda part: driver.read(known, part), driver.width)
    return {name for rows in found for (name,) in rows}


async def enter_all(driver: Driver, into: Prepared, stored: Prepared) -> None:
    """Enter every stored feature into its lists, for a migration."""
    async for page in driver.pages(stored, ()):
        rows = {row for columns in page for row in _rows(*columns)}
        await for_each(list(rows), lambda row: driver.write(into, row), _AT_ONCE)


def _rows(name: str, group: str, entity_type: str, target: str | None) -> list[tuple[str, int, str]]:
    lists: list[FeaturesOf | None] = [None, ("feature_group", group), ("entity_type", entity_type)]
    if target is not None:
        lists.append(("references_type", target))
    return [(_list(of), _bucket(name), name) for of in lists]


def _list(of: FeaturesOf | None) -> str:
    return "" if of is None else ":".join(of)


def _bucket(name: str) -> int:
    return stable_hash(name) % _BUCKETS
