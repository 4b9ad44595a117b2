"""Reading the history of given entities: slices of the periods with data, one partition (entity, period) at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from featurama_core.storage.cql.decoding import history_of, int64s
from featurama_core.storage.cql.driver import Prepared
from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.history_rows import VALUE_COLUMNS
from featurama_core.storage.cql.periods import HistoryPeriods
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.port import History
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

_GROUPS_AT_ONCE = 16
_FEATURES_A_SLICE = 50
"""ScyllaDB allows 100 combinations of clustering keys in one statement."""

_SLICE = (
    " FROM ks.feature_values WHERE entity_id = ? AND period = ? AND feature_name IN ? AND version = ?"
    " AND timestamp >= ? AND timestamp <= ?"
)
_NEWEST = (
    " FROM ks.feature_values WHERE entity_id = ? AND period = ? AND feature_name = ? AND version = ?"
    " AND timestamp >= ? AND timestamp <= ?"
)


@dataclass(slots=True)
class _Found:
    """Rows of one feature so far."""

    codes: list[int] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)

    def history(self, feature: FeatureDefinition) -> History:
        if not self.rows:
            return History.nothing(feature)
        times, ingested, values = zip(*self.rows, strict=True)
        return history_of(feature, int64s(self.codes), int64s(times), int64s(ingested), values)


@dataclass(frozen=True, slots=True)
class Bounds:
    """start <= event time <= end, in periods of `history_period`."""

    start: int
    end: int
    history_period: int

    def within(self, periods: Sequence[int]) -> list[int]:
        """The periods that overlap the bounds, ascending."""
        first, last = self.start // self.history_period, self.end // self.history_period
        return sorted(period for period in periods if first <= period <= last)


async def read_history(
    statements: Statements,
    periods: HistoryPeriods,
    entity_ids: Sequence[str],
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
    bounds: Bounds,
    newest: int | None,
) -> list[History]:
    """See `NamespaceStorage.read_history`."""
    groups = list({group.name: group for _, group in features}.values())
    listed = await collect(groups, periods.of_group, _GROUPS_AT_ONCE)
    within = {group.name: bounds.within(list(of_group)) for group, of_group in zip(groups, listed, strict=True)}
    if newest is None:
        found = await _slices(statements, entity_ids, features, within, bounds)
    else:
        found = await _newest(statements, entity_ids, features, within, bounds, max(newest, 1))
    return [found[definition.key].history(definition) for definition, _ in features]


async def _slices(
    statements: Statements,
    entity_ids: Sequence[str],
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
    within: dict[str, list[int]],
    bounds: Bounds,
) -> dict[tuple[str, int], _Found]:
    """All rows. One statement reads all features of a group with the same version and type."""
    found = {definition.key: _Found() for definition, _ in features}
    alike: dict[tuple[str, int, ValueType], list[str]] = {}
    for definition, group in features:
        alike.setdefault((group.name, definition.version, definition.value_type), []).append(definition.name)
    wanted: list[tuple[Prepared, list[str], int, int, int]] = []
    for (group_name, version, value_type), names in alike.items():
        prepared = await statements.get(f"SELECT feature_name, {_columns(value_type)}{_SLICE}")
        for first in range(0, len(names), _FEATURES_A_SLICE):
            some = names[first : first + _FEATURES_A_SLICE]
            wanted += [
                (prepared, some, version, period, code)
                for period in within[group_name]
                for code in range(len(entity_ids))
            ]

    async def read(one: tuple[Prepared, list[str], int, int, int]) -> None:
        prepared, names, version, period, code = one
        values = (entity_ids[code], period, names, version, bounds.start, bounds.end)
        rows = await statements.driver.read(prepared, values)
        if not rows:
            return
        if len(names) == 1:
            of = found[names[0], version]
            of.rows += [row[1:] for row in rows]
            of.codes += [code] * len(rows)
            return
        for name, *row in rows:
            of = found[name, version]
            of.rows.append(row)
            of.codes.append(code)

    await collect(wanted, read, statements.driver.width)
    return found


async def _newest(
    statements: Statements,
    entity_ids: Sequence[str],
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
    within: dict[str, list[int]],
    bounds: Bounds,
    count: int,
) -> dict[tuple[str, int], _Found]:
    """The newest rows of each (entity, feature), from the newest period backwards."""
    found = {definition.key: _Found() for definition, _ in features}
    driver = statements.driver
    wanted = []
    for definition, group in features:
        columns = _columns(definition.value_type)
        limited = await statements.get(f"SELECT {columns}{_NEWEST} LIMIT ?")
        whole = await statements.get(f"SELECT {columns}{_NEWEST}")
        wanted += [(definition, group, limited, whole, code) for code in range(len(entity_ids))]

    async def read(one: tuple[FeatureDefinition, FeatureGroup, Prepared, Prepared, int]) -> None:
        definition, group, limited, whole, code = one
        taken: list[Any] = []
        for period in reversed(within[group.name]):
            left = count - len(taken)
            at = (entity_ids[code], period, definition.name, definition.version)
            rows = await driver.read(limited, (*at, bounds.start, bounds.end, left + 1))
            if len(rows) > left:
                # Cut off: the last event time may have more corrections than were read.
                last = rows[left - 1][0]
                full = [row for row in rows if row[0] > last]
                same = [row for row in rows if row[0] == last]
                if rows[left][0] == last:
                    same = await driver.read(whole, (*at, last, last))
                taken += full + same
                break
            taken += rows
            if len(taken) == count:
                break
        of = found[definition.key]
        of.rows += taken
        of.codes += [code] * len(taken)

    await collect(wanted, read, driver.width)
    return found


def _columns(value_type: ValueType) -> str:
    return f"timestamp, ingested_at, {VALUE_COLUMNS[value_type]}"
