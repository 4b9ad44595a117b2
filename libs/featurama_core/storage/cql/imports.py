"""Imports that have begun, and the number of the next one.

Imports form a sequence from 1 without gaps in one partition. The conditional statement that takes a place in the
sequence also fixes the import number, because the number follows from the imports before that place.
"""

from __future__ import annotations

from featurama_core.storage.cql.statements import Statements
from featurama_core.types.imports import ImportRecord, ImportScope, known_import, next_number

_COLUMNS = "import_id, number, features, first_event, last_event, first_ingested, last_ingested"
_LIST = f"SELECT {_COLUMNS} FROM ks.imports WHERE bucket = 0"  # noqa: S608 - our own names
INTO_IMPORTS = (
    f"INSERT INTO ks.imports (bucket, sequence, {_COLUMNS})"  # noqa: S608 - our own names
    " VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS"
)


async def list_imports(statements: Statements) -> list[ImportRecord]:
    """In the order in which they began."""
    return [ImportRecord.of_row(*row) for row in await statements.driver.read(await statements.get(_LIST), ())]


async def take_import(statements: Statements, import_id: str, scope: ImportScope) -> int:
    """Begin an import unless it has begun. -> its number."""
    insertion = await statements.get(INTO_IMPORTS)
    while True:
        begun = await list_imports(statements)
        record = known_import(begun, import_id, scope)
        if record is not None:
            return record.number
        record = ImportRecord(import_id, next_number(begun, scope), scope)
        # The place may be taken by another import, or by this statement after a lost answer: the list says which.
        if await statements.driver.decide(insertion, (len(begun) + 1, *record.row())) is None:
            return record.number
