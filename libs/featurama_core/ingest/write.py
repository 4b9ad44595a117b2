"""Writing a request: rows are validated, packed into cells and written, and every row gets a verdict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from featurama_core.ingest.convert import RowError, RowErrors, Target
from featurama_core.ingest.imports import check_settled_import, numbered
from featurama_core.ingest.key_columns import with_ids
from featurama_core.ingest.validate import ANY_IDS, Validated, check_shape, validate
from featurama_core.namespace import Namespace
from featurama_core.off_loop import off_loop
from featurama_core.registry import Snapshot
from featurama_core.storage.cell_plan import plan_cells
from featurama_core.storage.records import WriteBatch
from featurama_core.types.entity_keys import IdRules
from featurama_core.types.errors import FeaturamaError, InvalidInput, OutcomeUnknown, Reason, StoreUnavailable
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, entity_id_problem
from featurama_core.types.request_ids import ingest_time, parse_request_id
from featurama_core.types.values import Int64Array, Status, UInt8Array
from featurama_core.types.writes import Outcome, WriteReport, WriteRequest

_FEW_VALUES = 10_000
"""Rows times columns that are judged and packed on the event loop."""


async def write(namespace: Namespace, request: WriteRequest) -> WriteReport:
    """Write one request. Raises InvalidInput if it is refused as a whole; other problems are verdicts on rows."""
    check_shape(request)
    return await _write(namespace, await numbered(namespace, request))


async def restore(namespace: Namespace, request: WriteRequest) -> WriteReport:
    """Write one request of an exported namespace to a new one. Unlike `write`, it keeps the original ingest times to
    the nanosecond. The imports themselves must be restored before.
    """
    check_shape(request)
    if request.ingested_at is None or request.import_number is not None:
        raise InvalidInput("restored rows need their exported ingest times", field="ingested_at")
    check_settled_import(namespace, int(request.ingested_at.max()) // 1_000)
    # Values of an id may be older than the entity type that now owns such ids.
    return await _write(namespace, request, id_rules=ANY_IDS)


async def _write(namespace: Namespace, request: WriteRequest, *, id_rules: IdRules | None = None) -> WriteReport:
    now = namespace.now()
    request_id = parse_request_id(request.request_id) if request.request_id else namespace.request_ids.next()
    _check_age(namespace, ingest_time(request_id), now)
    names, given = {column.name for column in request.columns}, request
    snapshot = await namespace.registry.snapshot(names=names)
    rules = snapshot.id_rules if id_rules is None else id_rules
    large = len(given) * len(given.columns) > _FEW_VALUES
    request, targets, unnamed = await off_loop(large, _understood, given, snapshot, rules)
    if _has_unknown(request, targets):
        snapshot = await namespace.registry.snapshot(fresh=True, names=names)
        rules = snapshot.id_rules if id_rules is None else id_rules
        request, targets, unnamed = await off_loop(large, _understood, given, snapshot, rules)
    if not request.entity_ids:
        raise InvalidInput(
            "entity_ids is empty; send one per row, or the key columns of the entity type",
            reason=Reason.EMPTY_REQUEST,
            field="entity_ids",
        )
    typed = any(
        not isinstance(target, RowError) and target[0].entity_type != DEFAULT_ENTITY_TYPE for target in targets.values()
    )
    validated = await off_loop(
        large,
        validate,
        request,
        lambda name, version: targets[name, version],
        # Only of valid ids: an adapter may refuse an empty key.
        await namespace.entity_types(each for each in request.entity_ids if not entity_id_problem(each))
        if typed
        else {},
        rules,
        unnamed,
        now=now,
        max_clock_skew=namespace.settings.max_clock_skew,
    )
    ingested_at = request.ingested_at
    if ingested_at is None:
        ingested_at = np.full(len(request), ingest_time(request_id), dtype=np.int64)
    outcome = await _store(namespace, validated, ingested_at, large=large)
    return await off_loop(large, validated.report, outcome, str(request_id))


async def _store(namespace: Namespace, validated: Validated, ingested_at: Int64Array, *, large: bool) -> UInt8Array:
    rows = len(validated.entity_ids)
    if not rows:
        return np.zeros(0, dtype=np.uint8)
    ingested = ingested_at[validated.source_row]
    book, groups = namespace.layout_book, {each.group.name for each in validated.columns}
    whole = {each: await namespace.registry.whole_group(each) for each in groups if book.is_full(each)}
    runs = await off_loop(large, plan_cells, book, whole, validated.columns, validated.event_time, ingested)
    batch = WriteBatch(validated.entity_ids, validated.event_time, ingested, validated.columns, runs)
    try:
        await namespace.put_layouts(run.layout for run in runs)
        return await namespace.storage.write(batch, validated.request.mode)
    except StoreUnavailable:
        return np.full(rows, Outcome.REJECTED, dtype=np.uint8)
    except OutcomeUnknown:
        return np.full(rows, Outcome.UNKNOWN, dtype=np.uint8)


def _resolve_columns(request: WriteRequest, snapshot: Snapshot) -> dict[tuple[str, int], Target | RowError]:
    targets: dict[tuple[str, int], Target | RowError] = {}
    for column in request.columns:
        try:
            definition = snapshot.feature(column.name, column.version or None)
        except FeaturamaError as error:
            targets[column.name, column.version] = RowError(error.reason, column.name, error.message)
        else:
            targets[column.name, column.version] = definition, snapshot.group_of(definition)
    return targets


def _understood(
    request: WriteRequest, snapshot: Snapshot, rules: IdRules
) -> tuple[WriteRequest, dict[tuple[str, int], Target | RowError], RowErrors]:
    """(the request with entity ids, the definitions of its columns, the rows that name no entity)."""
    targets = _resolve_columns(request, snapshot)
    kinds = {each[0].entity_type for each in targets.values() if not isinstance(each, RowError)}
    request, unnamed = with_ids(request, {each: rules.of[each] for each in sorted(kinds & rules.of.keys())})
    return request, targets, unnamed


def _has_unknown(request: WriteRequest, targets: Mapping[tuple[str, int], Target | RowError]) -> bool:
    """Whether a column with values is no feature."""
    return any(
        isinstance(targets[each.name, each.version], RowError) and bool((each.status != Status.NOT_FOUND).any())
        for each in request.columns
    )


def _check_age(namespace: Namespace, ingested_at: int, now: int) -> None:
    settings = namespace.settings
    if ingested_at < (now - settings.retry_window) * 1_000:
        raise InvalidInput(
            "request_id is older than the retry window; make a new one (the rows may be stored already: read them)",
            reason=Reason.REQUEST_TOO_OLD,
            field="request_id",
        )
    if ingested_at > (now + settings.max_clock_skew) * 1_000:
        raise InvalidInput(
            "request_id lies in the future; check the client's clock",
            reason=Reason.REQUEST_IN_FUTURE,
            field="request_id",
        )
