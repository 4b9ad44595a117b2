"""Entities from a file: CSV, Parquet or Arrow, with the column entity_id and optional others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from featurama_core.files.table_files import files_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import entity_id_problem
from featurama_core.types.schema import Entity

_COLUMNS = ("entity_id", "entity_type", "name", "metadata")


def is_file(text: str) -> bool:
    """Whether a text is the path of a file."""
    return Path(text).is_file()


def read_entities(path: Path, entity_type: str) -> Iterator[list[Entity]]:
    """The entities of a file, some thousands at a time. entity_type: of rows that name none.

    Raises InvalidInput with the file, the row and the column.
    """
    for file in files_of(path):
        names = file.schema.names
        unknown = [name for name in names if name not in _COLUMNS]
        if unknown or "entity_id" not in names:
            problem = f"column {unknown[0]!r} is not known" if unknown else "column 'entity_id' is missing"
            raise InvalidInput(f"{file.name}: {problem}; the columns are {', '.join(_COLUMNS)}", field="file")
        row = 0
        for batch in file.batches():
            yield [
                _entity(each, entity_type, f"{file.name}, row {number}")
                for number, each in enumerate(batch.to_pylist(), start=row + 1)
            ]
            row += batch.num_rows


def _entity(row: dict[str, object], entity_type: str, where: str) -> Entity:
    for name, value in row.items():
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"{where}: {name} {value!r:.40} is not text", field=name)
    if problem := entity_id_problem(row["entity_id"]):
        raise InvalidInput(f"{where}: {problem}", reason=Reason.INVALID_ENTITY_ID, field="entity_id")
    given = {"entity_type": entity_type, "name": "", "metadata": "{}"}
    given.update((name, value) for name, value in row.items() if isinstance(value, str) and value)
    return Entity(given["entity_id"], given["entity_type"], given["name"], given["metadata"])
