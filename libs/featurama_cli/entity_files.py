"""Entities from a file: CSV, Parquet or Arrow, with ids or the keys of their types, and optional other columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from featurama_core.files.table_files import files_of
from featurama_core.frames.cells import open_frame
from featurama_core.frames.registrations import entities_of_rows
from featurama_core.types.schema import Entity, EntityType


def is_file(text: str) -> bool:
    """Whether a text is the path of a file."""
    return Path(text).is_file()


def read_entities(path: Path, kinds: Mapping[str, EntityType], entity_type: str) -> Iterator[list[Entity]]:
    """The entities of a file, some thousands at a time. kinds: the registered types. entity_type: of rows without one.

    Raises InvalidInput with the file, the row and the column.
    """
    for file in files_of(path):
        first = 1
        for batch in file.batches():
            yield entities_of_rows(open_frame(batch), kinds, entity_type, partial(_where, file.name, first))
            first += batch.num_rows


def _where(name: str, first: int, row: int | None) -> str:
    return f"{name}: " if row is None else f"{name}, row {first + row}: "
