"""Model versions, their artefacts in chunks, aliases; and the audit log."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from featurama_core.storage.records import AuditRecord, StoredModel
from featurama_core.storage.sqlite.connections import Transaction
from featurama_core.types.errors import CorruptData, Reason, Unknown


def put_model(transaction: Transaction, model: StoredModel, chunks: Sequence[bytes]) -> bool:
    """Store a version with its artefact. False if the version is taken."""
    stored = transaction.execute(
        "INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?, ?, ?)",
        (model.name, model.version, model.manifest, model.created_at, model.artefact_bytes, len(chunks)),
    )
    if stored.rowcount == 0:
        return False
    transaction.executemany(
        "INSERT INTO model_chunks VALUES (?, ?, ?, ?)",
        [(model.name, model.version, position, chunk) for position, chunk in enumerate(chunks)],
    )
    return True


def list_models(connection: sqlite3.Connection, name: str | None = None) -> list[StoredModel]:
    """Versions of one model, or of all."""
    rows = connection.execute(
        "SELECT name, version, manifest, created_at, artefact_bytes FROM models"
        " WHERE :name IS NULL OR name = :name ORDER BY name, version",
        {"name": name},
    )
    return [StoredModel(*row) for row in rows]


def read_artefact(connection: sqlite3.Connection, name: str, version: int) -> bytes:
    """The chunks joined, checked against the stored sizes."""
    model = connection.execute(
        "SELECT artefact_bytes, chunks FROM models WHERE name = ? AND version = ?", (name, version)
    ).fetchone()
    if model is None:
        raise Unknown(f"model {name!r} has no version {version}", reason=Reason.UNKNOWN_MODEL, model=name)
    chunks = [
        content
        for (content,) in connection.execute(
            "SELECT content FROM model_chunks WHERE name = ? AND version = ? ORDER BY position",
            (name, version),
        )
    ]
    artefact = b"".join(chunks)
    if (len(artefact), len(chunks)) != tuple(model):
        raise CorruptData(f"the artefact of model {name!r} version {version} is incomplete; store it anew", model=name)
    return artefact


def remove_model(transaction: Transaction, name: str, version: int) -> None:
    """Remove a version and its chunks."""
    transaction.execute("DELETE FROM models WHERE name = ? AND version = ?", (name, version))
    transaction.execute("DELETE FROM model_chunks WHERE name = ? AND version = ?", (name, version))


def put_alias(transaction: Transaction, model: str, alias: str, version: int, *, expected: int | None = None) -> bool:
    """See `NamespaceStorage.put_alias`."""
    named = transaction.execute(
        "SELECT version FROM model_aliases WHERE model = ? AND alias = ?", (model, alias)
    ).fetchone()
    if expected is not None and (named[0] if named else 0) not in (expected, version):
        return False
    transaction.execute("INSERT OR REPLACE INTO model_aliases VALUES (?, ?, ?)", (model, alias, version))
    return True


def list_aliases(connection: sqlite3.Connection, model: str | None = None) -> dict[tuple[str, str], int]:
    """(model, alias) -> version."""
    rows = connection.execute(
        "SELECT model, alias, version FROM model_aliases WHERE :model IS NULL OR model = :model ORDER BY model, alias",
        {"model": model},
    )
    return {(name, alias): version for name, alias, version in rows}


def append_audit(transaction: Transaction, record: AuditRecord) -> None:
    """Append a record."""
    transaction.execute(
        "INSERT INTO audit_log (at, action, subject, detail) VALUES (?, ?, ?, ?)",
        (record.at, record.action, record.subject, record.detail),
    )


def list_audit(connection: sqlite3.Connection, limit: int) -> list[AuditRecord]:
    """The newest records first."""
    rows = connection.execute(
        "SELECT at, action, subject, detail FROM audit_log ORDER BY at DESC, number DESC LIMIT ?", (limit,)
    )
    return [AuditRecord(*row) for row in rows]
