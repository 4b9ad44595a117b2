"""Reading the history of given entities: slices of the periods with data, one partition (entity, period) at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from featurama_core.storage.cql.both_tables import both, newest_of_both
from featurama_core.storage.cql.decoding import history_of, int64s
from featurama_core.storage.cql.driver import Prepared
from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.history_rows import VALUE_COLUMNS
from featurama_core.storage.cql.packed import PackedSlices
from featurama_core.storage.cql.periods import periods_of
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import History
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

_FEATURES_A_SLICE = 50
"""ScyllaDB allows 100 combinations of clustering keys in one statement."""

_ROWS = (
    " FROM ks.feature_values WHERE entity_id = ? AND period = ? AND feature_name {} ? AND version = ?"
    " AND timestamp >= ? AND timestamp <= ?"
)
_SLICE, _NEWEST = _ROWS.format("IN"), _ROWS.format("=")


@dataclass(slots=True)
class _Found:
    """Rows of one feature so far."""

    codes: list[int] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)

    def add(self, code: int, rows: list[Any]) -> None:
        self.rows += rows
        self.codes += [code] * len(rows)

    def history(self, feature: FeatureDefinition) -> History:
        if not self.rows:
            return History.nothing(feature)
        times, ingested, values = zip(*self.rows, strict=True)
        return history_of(feature, int64s(self.codes), int64s(times), int64s(ingested), values)


@dataclass(frozen=True, slots=True)
class _Read:
    """One read: start <= event time <= end. within: group name -> periods that overlap these bounds, ascending."""

    statements: Statements
    entity_ids: Sequence[str]
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]]
    start: int
    end: int
    within: dict[str, list[int]]
    found: dict[tuple[str, int], _Found]

    async def all(self) -> None:
        """All rows. One statement reads all features of a group with the same version and type."""
        alike: dict[tuple[str, int, ValueType], list[str]] = {}
        for definition, group in self.features:
            alike.setdefault((group.name, definition.version, definition.value_type), []).append(definition.name)
        wanted: list[tuple[Prepared, list[str], int, int, int]] = []
        for (group_name, version, value_type), names in alike.items():
            prepared = await self.statements.get(f"SELECT feature_name, {_columns(value_type)}{_SLICE}")
            for first in range(0, len(names), _FEATURES_A_SLICE):
                some = names[first : first + _FEATURES_A_SLICE]
                wanted += [
                    (prepared, some, version, period, code)
                    for period in self.within[group_name]
                    for code in range(len(self.entity_ids))
                ]
        await collect(wanted, self._slice, self.statements.driver.width)

    async def newest(self, count: int) -> None:
        """The newest rows of each (entity, feature), from the newest period backwards."""
        wanted = []
        for definition, group in self.features:
            columns = _columns(definition.value_type)
            limited = await self.statements.get(f"SELECT {columns}{_NEWEST} LIMIT ?")
            whole = await self.statements.get(f"SELECT {columns}{_NEWEST}")
            wanted += [(definition, group, limited, whole, code, count) for code in range(len(self.entity_ids))]
        await collect(wanted, self._newest, self.statements.driver.width)

    async def _slice(self, one: tuple[Prepared, list[str], int, int, int]) -> None:
        prepared, names, version, period, code = one
        values = (self.entity_ids[code], period, names, version, self.start, self.end)
        rows = await self.statements.driver.read(prepared, values)
        if len(names) == 1:
            self.found[names[0], version].add(code, [row[1:] for row in rows])
        else:
            for name, *row in rows:
                self.found[name, version].add(code, [row])

    async def _newest(self, one: tuple[FeatureDefinition, FeatureGroup, Prepared, Prepared, int, int]) -> None:
        definition, group, limited, whole, code, count = one
        read = self.statements.driver.read
        taken: list[Any] = []
        for period in reversed(self.within[group.name]):
            left = count - len(taken)
            at = (self.entity_ids[code], period, definition.name, definition.version)
            rows = await read(limited, (*at, self.start, self.end, left + 1))
            if len(rows) > left:
                # Cut off: the last event time may have more corrections than were read.
                last = rows[left - 1][0]
                full = [row for row in rows if row[0] > last]
                same = [row for row in rows if row[0] == last]
                if rows[left][0] == last:
                    same = await read(whole, (*at, last, last))
                taken += full + same
                break
            taken += rows
            if len(taken) == count:
                break
        self.found[definition.key].add(code, taken)


async def read_history(
    statements: Statements,
    entity_ids: Sequence[str],
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
    *,
    start: int,
    end: int,
    newest: int | None = None,
) -> list[History]:
    """See `NamespaceStorage.read_history`."""
    count = None if newest is None else max(newest, 1)
    first, last = start // statements.history_period, end // statements.history_period
    within = {
        name: {number: period for number, period in sorted(known.items()) if first <= number <= last}
        for name, known in (await periods_of(statements, (group for _, group in features))).items()
    }
    in_rows = {name: [at for at, period in known.items() if period.rows] for name, known in within.items()}
    found = {definition.key: _Found() for definition, _ in features}
    read = _Read(statements, entity_ids, features, start, end, in_rows, found)
    if any(in_rows.values()):
        await (read.all() if count is None else read.newest(count))
    histories = [found[definition.key].history(definition) for definition, _ in features]
    in_cells = {name for name, known in within.items() if any(period.packed for period in known.values())}
    packed_at = [at for at, (_, group) in enumerate(features) if group.name in in_cells]
    if packed_at:
        numbers = {at for name in in_cells for at, period in within[name].items() if period.packed}
        packed_features = [features[at][0] for at in packed_at]
        slices = PackedSlices(statements, entity_ids, packed_features, (start, end), sorted(numbers))
        packed = await (slices.all() if count is None else slices.newest(count))
        for at, feature, other in zip(packed_at, packed_features, packed, strict=True):
            if count is None or not len(histories[at].entity):
                histories[at] = both(histories[at], other, feature)
            else:
                histories[at] = newest_of_both(histories[at], other, feature, count, len(entity_ids))
    return histories


def _columns(value_type: ValueType) -> str:
    return f"timestamp, ingested_at, {VALUE_COLUMNS[value_type]}"
