"""Validation of a write in columns: the refused rows (or values) with their errors, and the columns to store.

Pure: definitions, entity types and clock are arguments. Numeric columns are handled by numpy; only refused values are
handled one by one. Duplicates are detected among values that are otherwise valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from featurama_core.ingest.convert import RowError, RowErrors, Target, convert
from featurama_core.ingest.repeats import overlay, refuse_conflicts, same_key
from featurama_core.retrieval.visibility import horizon, is_gone
from featurama_core.types.column import Column
from featurama_core.types.entity_keys import IdRules
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, entity_id_problem
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.times import MAX_EVENT_TIME, MIN_EVENT_TIME, MIN_TIME, to_rfc3339
from featurama_core.types.values import BoolArray, Int64Array, Status, UInt8Array, ValueType
from featurama_core.types.verdicts import Judgement, Verdicts
from featurama_core.types.writes import (
    Outcome,
    StoredColumn,
    WriteReport,
    WriteRequest,
    WriteUnit,
    check_counts,
)

ANY_IDS = IdRules()

Resolve = Callable[[str, int], Target | RowError]
"""(feature name, version or 0) -> its definition and group, or the error."""


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """The rows of a request to store: k distinct (entity, event time), and the mapping from its n rows.

    kept_row: int64[n], the kept row with the values of a request row, -1 if none of its values is stored. refused: per
    request column, errors by row. whole_rows: errors of whole rows.
    """

    request: WriteRequest
    entity_ids: list[str]
    event_time: Int64Array
    source_row: Int64Array
    columns: list[StoredColumn]
    kept_row: Int64Array
    whole_rows: RowErrors
    refused: list[RowErrors]

    def report(self, outcome: UInt8Array, request_id: str) -> WriteReport:
        """The verdict on every unit. outcome: of each kept row, uint8[k] of Outcome."""
        request, report = self.request, WriteReport(request_id)
        ended = np.full(len(request), Outcome.ACCEPTED, dtype=np.uint8)
        stored = self.kept_row >= 0
        ended[stored] = outcome[self.kept_row[stored]]
        if request.unit is WriteUnit.ROW:
            # A refused value refuses its row. The first error is reported.
            problems = dict(self.whole_rows)
            for refused in self.refused:
                for row, problem in refused.items():
                    problems.setdefault(row, problem)
            judged = self._count(report, np.ones(len(request), dtype=np.bool_), -1, problems, ended)
        else:
            judged = []
            for position, column in enumerate(request.columns):
                written = column.status != Status.NOT_FOUND
                problems = {row: problem for row, problem in self.whole_rows.items() if written[row]}
                problems.update(self.refused[position])
                judged += self._count(report, written, position, problems, ended)
        report.verdicts = Verdicts(judged)
        return report

    @staticmethod
    def _count(
        report: WriteReport, units: BoolArray, column: int, problems: RowErrors, ended: UInt8Array
    ) -> list[Judgement]:
        judged = units.copy()
        judged[list(problems)] = False
        rows: dict[RowError, list[int]] = {}
        for row, problem in problems.items():
            rows.setdefault(problem, []).append(row)
        found = [
            Judgement(of, column, Outcome.REJECTED, each.reason, each.field, each.message) for each, of in rows.items()
        ]
        for outcome, said in _STORE_SAID.items():
            if of_store := np.flatnonzero(judged & (ended == outcome)).tolist():
                found.append(Judgement(of_store, column, outcome, *said))
        report.accepted += int((judged & (ended == Outcome.ACCEPTED)).sum())
        report.rejected += len(problems) + int((judged & (ended == Outcome.REJECTED)).sum())
        report.unknown += int((judged & (ended == Outcome.UNKNOWN)).sum())
        return found


_WRITABLE = np.array([Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND], dtype=np.uint8)

_STORE_SAID: dict[Outcome, tuple[Reason, str, str]] = {
    Outcome.REJECTED: (
        Reason.STORE_UNAVAILABLE,
        "",
        "the store did not take it; send the same request again with the same request_id",
    ),
    Outcome.UNKNOWN: (
        Reason.UNKNOWN_OUTCOME,
        "",
        "the store did not answer in time and may hold it; send the same request again with the same request_id",
    ),
}


def check_shape(request: WriteRequest) -> None:
    """Raise InvalidInput for a request that is refused as a whole: no rows, too many, or columns of other lengths."""
    rows = len(request)
    if not rows or not request.columns:
        missing = "columns" if rows else "entity_ids"
        raise InvalidInput(
            f"{missing} is empty; send at least one row and column",
            reason=Reason.EMPTY_REQUEST,
            field=missing,
        )
    check_counts(rows, len(request.columns))
    lengths = [("event_time_us", len(request.event_time))]
    lengths += [(column.name or "columns", len(column)) for column in request.columns]
    if request.ingested_at is not None:
        lengths.append(("ingested_at", len(request.ingested_at)))
    for name, length in lengths:
        if length != rows:
            raise InvalidInput(f"{name} holds {length} elements for {rows} rows; send one per row", field=name)
    for column in request.columns:
        if len(column.values) != rows or not np.isin(column.status, _WRITABLE).all():
            raise InvalidInput(
                f"{column.name} must hold a value and a status PRESENT, NULL_VALUE or NOT_FOUND for each row",
                field=column.name or "columns",
            )


def validate(
    request: WriteRequest,
    resolve: Resolve,
    entity_types: Mapping[str, str],
    id_rules: IdRules = ANY_IDS,
    unnamed: RowErrors | None = None,
    *,
    now: int,
    max_clock_skew: int,
) -> Validated:
    """Validate a request that passed `check_shape`. now: microseconds. entity_types: id -> type, if registered.

    unnamed: rows that name no entity.
    """
    whole_rows = _row_problems(request, now + max_clock_skew) | (unnamed or {})
    foreign = _ForeignIds(request.entity_ids, id_rules)
    resolved = [resolve(column.name, column.version) for column in request.columns]
    refused: list[RowErrors] = []
    converted: list[Column | None] = []
    for column, target in zip(request.columns, resolved, strict=True):
        usable, problems = _judge_column(request, column, target, entity_types, foreign, now)
        refused.append(problems)
        converted.append(usable)
    _refuse_second_values(converted, resolved, refused)
    valid = _valid_values(request, converted, whole_rows, refused)
    group_of_row, groups = same_key(request)
    if groups < len(request):
        refuse_conflicts(converted, resolved, valid, refused, group_of_row, groups)
        valid = _valid_values(request, converted, whole_rows, refused)
    return _keep(request, converted, resolved, valid, whole_rows, refused, group_of_row, groups)


def _row_problems(request: WriteRequest, newest: int) -> RowErrors:
    problems: RowErrors = {}
    wrong_ids = {entity_id: entity_id_problem(entity_id) for entity_id in set(request.entity_ids)}
    if any(wrong_ids.values()):
        for row, entity_id in enumerate(request.entity_ids):
            wrong = wrong_ids[entity_id]
            if wrong is not None:
                problems[row] = RowError(Reason.INVALID_ENTITY_ID, "entity_id", wrong)
    times = request.event_time
    for row in np.flatnonzero((times < MIN_EVENT_TIME) | (times > MAX_EVENT_TIME)).tolist():
        message = "timestamp lies outside the years 1 to 9999; give microseconds since 1970 UTC"
        problems.setdefault(row, RowError(Reason.INVALID_TIME, "timestamp", message))
    for row in np.flatnonzero(times > newest).tolist():
        if row not in problems:
            message = f"timestamp {to_rfc3339(int(times[row]))} is in the future; check the writer's clock"
            problems[row] = RowError(Reason.EVENT_TIME_IN_FUTURE, "timestamp", message)
    return problems


class _ForeignIds(dict[str, dict[str, RowError]]):
    """Entity type -> the ids of a request that cannot be of that type, each with the reason. Computed once per type."""

    def __init__(self, entity_ids: Sequence[str], rules: IdRules) -> None:
        super().__init__()
        self._ids = set(entity_ids) - {""} if rules.of else set()
        self._rules = rules

    def __missing__(self, entity_type: str) -> dict[str, RowError]:
        found = {
            each: RowError(problem[0], "entity_id", problem[1])
            for each in self._ids
            if (problem := self._rules.problem(each, entity_type))
        }
        self[entity_type] = found
        return found

    def unreferable(self, column: Column, definition: FeatureDefinition) -> RowErrors:
        """The values of a reference to a type with keys that are no ids of the type, by row."""
        target = definition.references
        if target is None or target not in self._rules.of:
            return {}
        rows = np.flatnonzero(column.status == Status.PRESENT)
        texts = column.values[rows].tolist()
        wrong = {
            each: RowError(Reason.INVALID_VALUE, definition.name, f"{definition.name}: {problem[1]}")
            for each in set(texts)
            if (problem := self._rules.problem(each, target))
        }
        return {row: wrong[text] for row, text in zip(rows.tolist(), texts, strict=True) if text in wrong}


def _judge_column(
    request: WriteRequest,
    column: Column,
    target: Target | RowError,
    entity_types: Mapping[str, str],
    foreign: _ForeignIds,
    now: int,
) -> tuple[Column | None, RowErrors]:
    written = column.status != Status.NOT_FOUND
    if isinstance(target, RowError):
        return None, dict.fromkeys(np.flatnonzero(written).tolist(), target)
    definition, group = target
    usable, problems = convert(column, definition)
    if definition.entity_type != DEFAULT_ENTITY_TYPE and entity_types:
        others: dict[str, RowError] = {}
        for row in np.flatnonzero(written).tolist():
            actual = entity_types.get(request.entity_ids[row], definition.entity_type)
            if actual != definition.entity_type:
                message = f"{definition.name} describes a {definition.entity_type}, this entity is a {actual}"
                other = others.setdefault(actual, RowError(Reason.ENTITY_TYPE_MISMATCH, definition.name, message))
                problems.setdefault(row, other)
    if wrong_ids := foreign[definition.entity_type]:
        for row in np.flatnonzero(written).tolist():
            if (wrong := wrong_ids.get(request.entity_ids[row])) is not None:
                problems.setdefault(row, wrong)
    for row, problem in foreign.unreferable(usable, definition).items():
        problems.setdefault(row, problem)
    gone = horizon(group, MIN_TIME, now)
    if gone != MIN_TIME:
        expired = RowError(
            Reason.PAST_RETENTION,
            definition.name,
            f"timestamp lies further back than the retention of group {group.name}; it would be deleted at once",
        )
        for row in np.flatnonzero(written & is_gone(request.event_time, gone)).tolist():
            problems.setdefault(row, expired)
    return usable, problems


def _refuse_second_values(
    converted: list[Column | None], resolved: list[Target | RowError], refused: list[RowErrors]
) -> None:
    first: dict[tuple[str, int], list[int]] = {}
    for position, target in enumerate(resolved):
        if not isinstance(target, RowError):
            first.setdefault(target[0].key, []).append(position)
    for (name, _), positions in first.items():
        if len(positions) == 1:
            continue
        columns = [column for position in positions if (column := converted[position]) is not None]
        count = np.sum([column.status != Status.NOT_FOUND for column in columns], axis=0)
        problem = RowError(Reason.CONFLICTING_DUPLICATE, name, f"{name} is given twice in this row; give it once")
        for row in np.flatnonzero(count > 1).tolist():
            for position, column in zip(positions, columns, strict=True):
                if column.status[row] != Status.NOT_FOUND:
                    refused[position].setdefault(row, problem)


def _valid_values(
    request: WriteRequest, converted: list[Column | None], whole_rows: RowErrors, refused: list[RowErrors]
) -> list[BoolArray]:
    """Per column: bool[n], True for rows with a value that is not refused."""
    good = np.ones(len(request), dtype=np.bool_)
    good[list(whole_rows)] = False
    if request.unit is WriteUnit.ROW:
        for problems in refused:
            good[list(problems)] = False
    valid = []
    for column, problems in zip(converted, refused, strict=True):
        if column is None:
            valid.append(np.zeros(len(request), dtype=np.bool_))
            continue
        mask = good & (column.status != Status.NOT_FOUND)
        mask[list(problems)] = False
        valid.append(mask)
    return valid


def _keep(
    request: WriteRequest,
    converted: list[Column | None],
    resolved: list[Target | RowError],
    valid: list[BoolArray],
    whole_rows: RowErrors,
    refused: list[RowErrors],
    group_of_row: Int64Array,
    groups: int,
) -> Validated:
    stored = np.any(valid, axis=0)
    kept_of_group = np.full(groups, -1, dtype=np.int64)
    used = np.zeros(groups, dtype=np.bool_)
    used[group_of_row[stored]] = True
    kept_of_group[used] = np.arange(int(used.sum()))
    kept_row = np.where(stored, kept_of_group[group_of_row], -1)
    source = np.zeros(int(used.sum()), dtype=np.int64)
    rows = np.flatnonzero(stored)[::-1]
    source[kept_row[rows]] = rows
    by_feature: dict[tuple[str, int], list[int]] = {}
    for position, target in enumerate(resolved):
        if not isinstance(target, RowError) and valid[position].any():
            by_feature.setdefault(target[0].key, []).append(position)
    columns = []
    for key in sorted(by_feature):
        positions = by_feature[key]
        target = resolved[positions[0]]
        assert not isinstance(target, RowError)
        whole = overlay(converted, valid, positions)
        held = np.any([valid[position] for position in positions], axis=0)
        columns.append(StoredColumn(*target, _gather(whole, held, kept_row, len(source))))
    return Validated(
        request=request,
        entity_ids=[request.entity_ids[row] for row in source.tolist()],
        event_time=request.event_time[source],
        source_row=source,
        columns=columns,
        kept_row=kept_row,
        whole_rows=whole_rows,
        refused=refused,
    )


def _gather(column: Column, held: BoolArray, kept_row: Int64Array, kept: int) -> Column:
    """The column over the kept rows. Several request rows of a kept row have equal values."""
    if kept == len(column) and held.all():
        return column
    rows = np.flatnonzero(held)
    taken = column.take(np.zeros(kept, dtype=np.int64))
    values, status = taken.values.copy(), np.full(kept, Status.NOT_FOUND, dtype=np.uint8)
    values[:] = np.zeros_like(values) if column.value_type is not ValueType.TEXT else ""
    values[kept_row[rows]] = column.values[rows]
    status[kept_row[rows]] = column.status[rows]
    return replace(taken, values=values, status=status)
