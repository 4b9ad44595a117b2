"""Model versions, their artefacts in chunks, aliases; and the audit log.

The chunks of an artefact have an id of their own and are written before the version that names it, so the chunks of two
writers of one version never mix.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from featurama_core.storage.cql.fan_out import for_each
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import AuditRecord, StoredModel
from featurama_core.types.errors import CorruptData, Reason, Unknown
from featurama_core.types.times import DAY

_INTO_CHUNKS = "INSERT INTO ks.model_chunks (artefact, position, content) VALUES (?, ?, ?)"
_INTO_MODELS = (
    "INSERT INTO ks.models (name, version, manifest, created_at, artefact_bytes, chunks, artefact)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS"
)
_LIST = "SELECT name, version, manifest, created_at, artefact_bytes FROM ks.models"
_FIND = "SELECT artefact_bytes, chunks, artefact FROM ks.models WHERE name = ? AND version = ?"
_REMOVE = "DELETE FROM ks.models WHERE name = ? AND version = ? IF EXISTS"
_CHUNKS = "SELECT content FROM ks.model_chunks WHERE artefact = ?"
_REMOVE_CHUNKS = "DELETE FROM ks.model_chunks WHERE artefact = ?"
# Always conditional: plain and conditional writes take their times from different clocks.
_INTO_ALIASES = "INSERT INTO ks.model_aliases (model, alias, version) VALUES (?, ?, ?) IF NOT EXISTS"
_MOVE_ALIAS = "UPDATE ks.model_aliases SET version = ? WHERE model = ? AND alias = ? IF version = ?"
_ALIASES = "SELECT model, alias, version FROM ks.model_aliases"
_INTO_AUDIT = "INSERT INTO ks.audit_log (day, at, id, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)"
_DAYS = "SELECT DISTINCT day FROM ks.audit_log"
_AUDIT = "SELECT at, action, subject, detail FROM ks.audit_log WHERE day = ? LIMIT ?"

_CHUNKS_AT_ONCE = 8
_CHUNKS_A_PAGE = 16


async def put_model(statements: Statements, model: StoredModel, chunks: Sequence[bytes]) -> bool:
    """Store a version with its artefact. False if the version is taken."""
    driver = statements.driver
    artefact = secrets.token_hex(16)
    into_chunks = await statements.get(_INTO_CHUNKS)
    rows = [(artefact, position, chunk) for position, chunk in enumerate(chunks)]
    await for_each(rows, lambda row: driver.write(into_chunks, row), _CHUNKS_AT_ONCE)
    row = (model.name, model.version, model.manifest, model.created_at, model.artefact_bytes, len(chunks), artefact)
    taken = await driver.decide(await statements.get(_INTO_MODELS), row)
    # A statement repeated after a lost answer finds its own row.
    if taken is None or taken["artefact"] == artefact:
        return True
    await driver.write(await statements.get(_REMOVE_CHUNKS), (artefact,))
    return False


async def list_models(statements: Statements, name: str | None = None) -> list[StoredModel]:
    """Versions of one model, or of all, by name and version."""
    return [StoredModel(*row) for row in await _sorted(statements, _LIST, "name", name)]


async def read_artefact(statements: Statements, name: str, version: int) -> bytes:
    """The chunks joined, checked against the stored sizes."""
    driver = statements.driver
    models = await driver.read(await statements.get(_FIND), (name, version))
    if not models:
        raise Unknown(f"model {name!r} has no version {version}", reason=Reason.UNKNOWN_MODEL, model=name)
    size, count, artefact = models[0]
    pages = driver.pages(await statements.get(_CHUNKS), (artefact,), _CHUNKS_A_PAGE)
    chunks = [content async for page in pages for (content,) in page]
    joined = b"".join(chunks)
    if (len(joined), len(chunks)) != (size, count):
        raise CorruptData(f"the artefact of model {name!r} version {version} is incomplete; store it anew", model=name)
    return joined


async def remove_model(statements: Statements, name: str, version: int) -> None:
    """Remove a version and its chunks."""
    driver = statements.driver
    models = await driver.read(await statements.get(_FIND), (name, version))
    await driver.decide(await statements.get(_REMOVE), (name, version))
    for _, _, artefact in models:
        await driver.write(await statements.get(_REMOVE_CHUNKS), (artefact,))


async def put_alias(
    statements: Statements, model: str, alias: str, version: int, *, expected: int | None = None
) -> bool:
    """See `NamespaceStorage.put_alias`."""
    driver = statements.driver
    named = expected or 0
    while True:
        if named:
            against = await driver.decide(await statements.get(_MOVE_ALIAS), (version, model, alias, named))
        else:
            against = await driver.decide(await statements.get(_INTO_ALIASES), (model, alias, version))
        # A statement repeated after a lost answer finds its own version.
        if against is None or against.get("version") == version:
            return True
        if expected is not None:
            return False
        named = against.get("version") or 0  # without a row the alias did not exist


async def list_aliases(statements: Statements, model: str | None = None) -> dict[tuple[str, str], int]:
    """(model, alias) -> version."""
    rows = await _sorted(statements, _ALIASES, "model", model)
    return {(name, alias): version for name, alias, version in rows}


async def append_audit(statements: Statements, record: AuditRecord) -> None:
    """Append a record."""
    # Among equal times the later id is the larger. The random part keeps the ids of processes distinct.
    own_id = f"{time.time_ns():016x}{secrets.token_hex(4)}"
    row = (record.at // DAY, record.at, own_id, record.action, record.subject, record.detail)
    await statements.driver.write(await statements.get(_INTO_AUDIT), row)


async def list_audit(statements: Statements, limit: int) -> list[AuditRecord]:
    """The newest records first."""
    driver = statements.driver
    days = sorted((day for (day,) in await driver.read(await statements.get(_DAYS), ())), reverse=True)
    audit = await statements.get(_AUDIT)
    found: list[AuditRecord] = []
    for day in days:
        if len(found) >= limit:
            break
        found += [AuditRecord(*row) for row in await driver.read(audit, (day, limit - len(found)))]
    return found


async def _sorted(statements: Statements, query: str, key: str, value: str | None) -> list[Any]:
    """All rows, or those with this key."""
    where, values = ("", ()) if value is None else (f" WHERE {key} = ?", (value,))
    return sorted(await statements.driver.read(await statements.get(f"{query}{where}"), values))
