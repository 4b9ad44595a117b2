"""Beginning imports of old history, and the ingest times of their rows."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from featurama_core.namespace import Namespace
from featurama_core.storage.records import AuditRecord
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.imports import MAX_IMPORT_NUMBER, ImportScope, numbered_times
from featurama_core.types.names import check_name
from featurama_core.types.request_ids import parse_request_id
from featurama_core.types.times import MAX_EVENT_TIME, MAX_INGEST_TIME, MIN_EVENT_TIME, to_rfc3339
from featurama_core.types.writes import WriteMode, WriteRequest


async def begin_import(namespace: Namespace, scope: ImportScope, import_id: str = "") -> int:
    """Begin an import and write an audit record. -> its number, 0 to 999.

    import_id: a UUIDv7, kept for retries: beginning again with it returns the same number. "" creates one. Raises
    InvalidInput for an empty scope, and if no number is left (LIMIT_EXCEEDED); FailedPrecondition for one that is not
    settled (KNOWN_AT_NOT_SETTLED).
    """
    _check_scope(scope)
    check_settled_import(namespace, scope.last_ingested)
    import_id = str(parse_request_id(import_id, "import_id") if import_id else namespace.request_ids.next())
    scope = replace(scope, features=tuple(sorted(set(scope.features))))
    number = await namespace.storage.take_import(import_id, scope)
    namespace.begun_imports.add(number)
    detail = json.dumps({"number": number, **asdict(scope)})
    await namespace.storage.append_audit(AuditRecord(namespace.now(), "import", import_id, detail))
    return number


async def numbered(namespace: Namespace, request: WriteRequest) -> WriteRequest:
    """A request with its stored ingest times: floored, with the import number as their last digits."""
    if request.ingested_at is None:
        if request.import_number is not None:
            raise InvalidInput("import_number belongs to rows with ingested_at; leave it out", field="import_number")
        return request
    if request.mode is not WriteMode.BULK:
        raise InvalidInput("ingested_at belongs to imports; send them in mode BULK", field="ingested_at")
    if request.import_number is None:
        raise InvalidInput(
            "ingested_at needs the number of an import: begin one (BeginImport) and send its import_number with every "
            "request of it",
            field="import_number",
        )
    if not 0 <= request.import_number <= MAX_IMPORT_NUMBER:
        raise InvalidInput(
            f"import_number {request.import_number} is not from 0 to {MAX_IMPORT_NUMBER}; send that of BeginImport",
            field="import_number",
        )
    check_settled_import(namespace, int(request.ingested_at.max()) // 1_000)
    if int(request.ingested_at.min()) // 1_000 < -MAX_INGEST_TIME:
        raise InvalidInput("ingested_at lies before the year 1678", reason=Reason.INVALID_TIME, field="ingested_at")
    if request.import_number not in namespace.begun_imports:
        namespace.begun_imports.update(each.number for each in await namespace.storage.list_imports())
    if request.import_number not in namespace.begun_imports:
        raise InvalidInput(
            f"no import has the number {request.import_number}; begin one (BeginImport) and send its number",
            field="import_number",
        )
    return replace(request, ingested_at=numbered_times(request.ingested_at, request.import_number))


def check_settled_import(namespace: Namespace, newest: int) -> None:
    """Raise FailedPrecondition (KNOWN_AT_NOT_SETTLED) if an import's newest ingest time (microseconds) is too young."""
    settled = namespace.now() - namespace.settings.settling_time
    if newest > settled:
        raise FailedPrecondition(
            f"ingested_at must not be later than {to_rfc3339(settled)}: younger times are not settled",
            reason=Reason.KNOWN_AT_NOT_SETTLED,
            field="ingested_at",
        )


def _check_scope(scope: ImportScope) -> None:
    if not scope.features:
        raise InvalidInput(
            "features is empty; name the features of the import", reason=Reason.EMPTY_REQUEST, field="features"
        )
    for name in scope.features:
        check_name(name, "features")
    for field, first, last in (
        ("event_time", scope.first_event, scope.last_event),
        ("ingested_time", scope.first_ingested, scope.last_ingested),
    ):
        if not MIN_EVENT_TIME <= first <= last <= MAX_EVENT_TIME:
            raise InvalidInput(
                f"first_{field} and last_{field} must be in order, from the year 1 to 9999",
                reason=Reason.INVALID_TIME,
                field=f"first_{field}",
            )
