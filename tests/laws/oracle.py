"""What a feature store means, in dicts: the naive oracle of the laws, written from semantics.md alone.

Shares no code with the store. Times are microseconds, ingest times as in the request ids. A value is a Python float,
int, str, bool, a tuple of floats (a vector) or None (a null that was written).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .oracle_keys import GivenKey, KeyedType

SECOND = 1_000_000
SKEW = 5 * SECOND
RETRY_WINDOW = 120 * SECOND
WRITE_DEADLINE = 10 * SECOND
SETTLING = RETRY_WINDOW + WRITE_DEADLINE + SKEW
EXACT = 2**53

Value = float | int | str | bool | tuple[float, ...] | None
Key = tuple[str, int]
"""(feature, version)."""


@dataclass(frozen=True)
class Feature:
    """A registered feature version. kind: double, int, text, bool or vector; length is a vector's. ttl, retention: of
    the first revision of its group.
    """

    name: str
    version: int
    kind: str
    ttl: int | None = None
    retention: int | None = None
    length: int = 0
    registered_at: int = 0
    group: str = ""
    entity_type: str = "entity"
    references: str = ""

    @property
    def key(self) -> Key:
        return self.name, self.version


@dataclass(frozen=True)
class Revision:
    """A later revision of a group."""

    start: int
    ttl: int | None
    retention: int | None


@dataclass(frozen=True)
class Row:
    """One row of a write: values by (feature, version); version 0 is the newest. What is not there is not written.

    entity: the id, "" if the row names nobody. keys: of the entity, where the row is sent with them. beside: the id
    that it is sent with too.
    """

    entity: str
    time: int
    values: Mapping[Key, Value]
    keys: tuple[GivenKey, ...] = ()
    beside: str = ""


@dataclass(frozen=True)
class Read:
    """What one read of one value answers; time is None where nothing was found."""

    status: str
    value: Value = None
    time: int | None = None


@dataclass(frozen=True, order=True)
class Stored:
    """One element of a history."""

    time: int
    ingested: int
    value: str = field(compare=False)


NOT_FOUND = Read("NOT_FOUND")


@dataclass
class Judged:
    """units: (row, feature key or None for the whole row) -> reasons to refuse it, empty when it is accepted."""

    units: dict[tuple[int, Key | None], set[str]] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        return sum(not reasons for reasons in self.units.values())

    @property
    def rejected(self) -> int:
        return len(self.units) - self.accepted


def ingest_time(request_id: int) -> int:
    """The UUID's milliseconds, and as the digits below them the 20 random bits that follow (bits 52-63 and 66-73)."""
    bits = f"{request_id:0128b}"
    millis, fraction = int(bits[:48], 2), int(bits[52:64] + bits[66:74], 2)
    return millis * 1_000_000 + fraction * 1_000_000 // 2**20


def same(left: Value, right: Value) -> bool:
    """Whether two values are one: NaN is, and the two zeros are not."""
    return canonical(left) == canonical(right)


def canonical(value: Value) -> str:
    """A text that is equal for equal values only."""
    if isinstance(value, float) and math.isnan(value):
        return "float nan"
    return f"{type(value).__name__} {value!r}"


class Oracle:
    """One namespace. Every method that depends on the moment is given it: `now`, microseconds."""

    def __init__(self, features: Iterable[Feature], keyed: Iterable[KeyedType] = ()) -> None:
        self.keyed = {each.name: each for each in keyed}
        self.features: dict[Key, Feature] = {feature.key: feature for feature in features}
        self.values: dict[tuple[str, str, int], dict[tuple[int, int], Value]] = {}
        self.marks: dict[tuple[str, str], int] = {}
        self.revisions: dict[str, list[Revision]] = {}
        self.pins: Mapping[str, int] = {}
        """Group -> number of the newest revision whose ttl applies, in reads that name it."""

    # Definitions

    def newest_version(self, name: str, known_at: int | None = None) -> int | None:
        """The newest version registered (at or before `known_at`); the first one is registered since for ever."""
        registered = {each.version: each.registered_at for each in self.features.values() if each.name == name}
        versions = [
            version
            for version, at in registered.items()
            if version == min(registered) or known_at is None or at <= known_at
        ]
        return max(versions, default=None)

    def resolve(self, key: Key) -> Feature | None:
        name, version = key
        return self.features.get((name, version or self.newest_version(name) or 0))

    def ttl(self, feature: Feature, moment: int) -> int | None:
        """The ttl in force at a moment."""
        ttl = feature.ttl
        for number, revision in enumerate(self.revisions.get(feature.group, ()), start=2):
            if revision.start <= moment and number <= self.pins.get(feature.group, number):
                ttl = revision.ttl
        return ttl

    def is_past_retention(self, feature: Feature, time: int, now: int) -> bool:
        """Whether the value is at or before min(now - retention, end) of a revision that has started."""
        later = self.revisions.get(feature.group, [])
        started = [revision for revision in later if revision.start <= now]
        retentions = [feature.retention, *(revision.retention for revision in started)]
        ends: list[int | None] = [*(revision.start for revision in later), None]
        return any(
            retention is not None and time <= now - retention and (end is None or time <= end)
            for retention, end in zip(retentions, ends, strict=False)
        )

    # Writing

    def write(self, rows: Sequence[Row], ingested: int, now: int, *, whole_rows: bool) -> Judged:
        """Judge and store; a unit is a row, or a value."""
        bad_rows = [_row_reasons(row, now) for row in rows]
        judged_values = {
            (number, key): self._judge(row, key, value, now)
            for number, row in enumerate(rows)
            for key, value in row.values.items()
        }
        refused = {unit: reasons for unit, (_, reasons) in judged_values.items()}

        def valid(number: int, key: Key) -> bool:
            others = rows[number].values if whole_rows else [key]
            return not bad_rows[number] and not any(refused[number, other] for other in others)

        given: dict[tuple[str, int, Key], list[tuple[int, Key]]] = {}
        for number, key in refused:
            feature = self.resolve(key)
            if feature is not None and valid(number, key):
                given.setdefault((rows[number].entity, rows[number].time, feature.key), []).append((number, key))
        for units in given.values():
            if len({canonical(judged_values[unit][0]) for unit in units}) > 1:
                for unit in units:
                    refused[unit].add("CONFLICTING_DUPLICATE")

        judged = Judged()
        for number, row in enumerate(rows):
            if whole_rows:
                judged.units[number, None] = bad_rows[number].union(*(refused[number, key] for key in row.values))
        for (number, key), reasons in refused.items():
            if not whole_rows:
                judged.units[number, key] = bad_rows[number] | reasons
            feature = self.resolve(key)
            if feature is not None and not judged.units[number, None if whole_rows else key]:
                history = self.values.setdefault((rows[number].entity, *feature.key), {})
                history.setdefault((rows[number].time, ingested), judged_values[number, key][0])
        return judged

    def _judge(self, row: Row, key: Key, value: Value, now: int) -> tuple[Value, set[str]]:
        feature = self.resolve(key)
        if feature is None:
            return None, {"UNKNOWN_FEATURE_VERSION" if self.newest_version(key[0]) else "UNKNOWN_FEATURE"}
        kept, wrong = _as_kind(value, feature)
        wrong = wrong | self._foreign(row.beside or row.entity, feature)
        target = self.keyed.get(feature.references)
        if isinstance(kept, str) and target is not None and not target.is_id(kept):
            wrong = wrong | {"INVALID_VALUE"}
        if self.is_past_retention(feature, row.time, now):
            wrong = wrong | {"PAST_RETENTION"}
        # A copy: the reasons of a conflict are added to it.
        return kept, set(wrong)

    def _foreign(self, entity: str, feature: Feature) -> set[str]:
        """Why an entity is none of the feature's type, by its id."""
        own = self.keyed.get(feature.entity_type)
        if own is not None:
            return set() if own.is_id(entity) else {"INVALID_ENTITY_ID"}
        is_owned = any(each.owns(entity) for each in self.keyed.values())
        return {"ENTITY_TYPE_MISMATCH"} if is_owned and feature.entity_type != "entity" else set()

    # Deleting

    def delete(self, entity: str, names: Sequence[str], through: int | None, now: int) -> int:
        """Set marks; no name means the whole entity. -> D."""
        if through is None:
            times = [
                time
                for (owner, name, _), history in self.values.items()
                if owner == entity and (not names or name in names)
                for time, _ in history
            ]
            through = max([now, *times])
        for name in names or ("",):
            self.marks[entity, name] = max(through, self.marks.get((entity, name), through))
        return through

    # Reading

    def visible(self, entity: str, key: Key, now: int) -> dict[tuple[int, int], Value]:
        """All stored values that no mark covers and that are within retention, by (event time, ingest time)."""
        feature = self.features[key]
        marks = [self.marks[at] for at in ((entity, ""), (entity, key[0])) if at in self.marks]
        return {
            (time, ingested): value
            for (time, ingested), value in self.values.get((entity, *key), {}).items()
            if all(time > mark for mark in marks) and not self.is_past_retention(feature, time, now)
        }

    def read(self, entity: str, key: Key, now: int, *, at: int | None = None, known_at: int | None = None) -> Read:
        """The value at `at`; None is the read at now, which has no upper bound."""
        admitted = {
            where: value
            for where, value in self.visible(entity, key, now).items()
            if (at is None or where[0] <= at) and (known_at is None or where[1] <= known_at * 1_000 + 999)
        }
        if not admitted:
            return NOT_FOUND
        winner = max(admitted)
        value, ttl = admitted[winner], self.ttl(self.features[key], now if known_at is None else known_at)
        if ttl is not None and winner[0] < (now if at is None else at) - ttl:
            return Read("OUTSIDE_MAX_AGE", None, winner[0])
        return Read("NULL_VALUE" if value is None else "PRESENT", value, winner[0])

    def follow(
        self, entity: str, path: tuple[Key, Key], now: int, *, at: int | None = None, known_at: int | None = None
    ) -> Read:
        """The value of a path: the reference first, then the feature of the entity it names."""
        link = self.read(entity, path[0], now, at=at, known_at=known_at)
        if link.status != "PRESENT":
            return link
        assert isinstance(link.value, str)
        return self.read(link.value, path[1], now, at=at, known_at=known_at)

    def history(
        self,
        entity: str,
        key: Key,
        now: int,
        *,
        start: int | None = None,
        end: int | None = None,
        limit: int | None = None,
        corrections: bool = False,
    ) -> list[Stored]:
        """Newest first: one winner an event time, or every correction."""
        found = self.visible(entity, key, now)
        if not corrections:
            found = {at: value for at, value in found.items() if at[1] == max(i for t, i in found if t == at[0])}
        listed = [
            Stored(time, ingested, canonical(value))
            for (time, ingested), value in sorted(found.items(), key=lambda item: item[0], reverse=True)
            if (start is None or time >= start) and (end is None or time <= end)
        ]
        return listed if limit is None else listed[:limit]


def _row_reasons(row: Row, now: int) -> set[str]:
    reasons = set()
    if not 1 <= len(row.entity.encode("utf-8", "replace")) <= 256 or any(ord(c) < 32 for c in row.entity):
        reasons.add("INVALID_ENTITY_ID")
    if row.time > now + SKEW:
        reasons.add("EVENT_TIME_IN_FUTURE")
    return reasons


def _as_kind(value: Value, feature: Feature) -> tuple[Value, set[str]]:
    """The value in the feature's own type, or why it cannot be: nothing is cast that would lose anything."""
    kind, mismatch = feature.kind, {"TYPE_MISMATCH"}
    if value is None:
        return None, set()
    if isinstance(value, bool):
        return value, set() if kind == "bool" else mismatch
    if isinstance(value, int):
        if kind == "double":
            return float(value), set() if abs(value) < EXACT else mismatch
        return value, set() if kind == "int" else mismatch
    if isinstance(value, float):
        if kind == "int":
            exact = math.isfinite(value) and value.is_integer() and abs(value) < EXACT
            return (int(value), set()) if exact else (None, mismatch)
        return value, set() if kind == "double" else mismatch
    if isinstance(value, str):
        if kind != "text":
            return None, mismatch
        if feature.references and not 1 <= len(value.encode()) <= 256:
            return None, {"INVALID_VALUE"}
        return value, set() if len(value.encode()) <= 8 * 1024 else {"TEXT_TOO_LONG"}
    if kind != "vector":
        return None, mismatch
    if len(value) != feature.length:
        return None, {"VECTOR_LENGTH_MISMATCH"}
    return tuple(_float32(each) for each in value), set()


def _float32(value: float) -> float:
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    return float(rounded)
