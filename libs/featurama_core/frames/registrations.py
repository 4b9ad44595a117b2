"""Rows of entities to register: each has an id or the keys of its type, and may have a type, a name and metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from featurama_core.frames.cells import Cells, Frame, objects, read_cells
from featurama_core.frames.entities import coded_entities
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.values import is_empty
from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import InvalidInput
from featurama_core.types.json_texts import json_object
from featurama_core.types.roles import NO_ROLE
from featurama_core.types.schema import Entity, EntityType
from featurama_core.types.values import Int64Array

COLUMNS = ("entity_id", "entity_type", "name", "metadata")

Where = Callable[[int | None], str]
"""What a message about a row, by its number from 0, begins with; of None one about all rows."""


def in_rows(row: int | None) -> str:
    """`Where` of a frame."""
    return "" if row is None else f"row {row}: "


def entities_of_rows(
    frame: Frame, kinds: Mapping[str, EntityType], entity_type: str, where: Where = in_rows
) -> list[Entity]:
    """The entities of the rows of a frame, in order. A column named like a key of a row's type holds keys.

    kinds: the registered types. entity_type: of rows without one. InvalidInput names the column and the first bad row.
    """
    columns = {name: read_cells(column) for name, column in frame.columns.items()}
    types = [each or entity_type for each in _texts(columns, "entity_type", frame.rows, where)]
    named = {each: kinds[each] for each in dict.fromkeys(types or [entity_type]) if each in kinds}
    keys = {key.name: None for kind in named.values() for key in kind.keys}
    _check_names(columns, [*COLUMNS, *(name for name in keys if name not in COLUMNS)], where)
    ids = objects([""] * frame.rows)
    problems: dict[int, InvalidInput] = {}
    for each in dict.fromkeys(types):
        rows = np.flatnonzero(objects(types) == each)
        of_type = {name: _rows(cells, rows) for name, cells in columns.items()}
        ids[rows], found = _ids(of_type, named.get(each), where)
        problems |= {int(rows[row]): problem for row, problem in found.items()}
    for row, problem in sorted(problems.items())[:1]:
        raise InvalidInput(f"{where(row)}{problem.message}", reason=problem.reason, **problem.metadata)
    # A key may be called `name`.
    names = [""] * frame.rows if "name" in keys else _texts(columns, "name", frame.rows, where)
    texts = _texts(columns, "metadata", frame.rows, where)
    return [
        Entity(id_, kind, name, metadata or "{}")
        for id_, kind, name, metadata in zip(ids.tolist(), types, names, texts, strict=True)
    ]


def _check_names(columns: Mapping[str, Cells], known: list[str], where: Where) -> None:
    for name in columns:
        if name not in known:
            there = f"the columns are {', '.join(known)}"
            problem = f"column {name!r:.80} is not known; {did_you_mean(name, known, there)}"
            raise InvalidInput(f"{where(None)}{problem}", field=name)


def _ids(
    columns: Mapping[str, Cells], kind: EntityType | None, where: Where
) -> tuple[list[str], dict[int, InvalidInput]]:
    """(the ids of rows of one type, their problems by row)."""
    # In rows of several types the columns of the others are empty.
    names = [name for name, cells in columns.items() if not _is_empty(cells)] or list(columns)
    if kind is None or kind.id_keys is None:
        names = ["entity_id"]
    if names == ["entity_id"] and "entity_id" not in columns:
        raise InvalidInput(
            f"{where(None)}column 'entity_id' is missing; there are {', '.join(columns)}", field="entity_id"
        )
    try:
        entity = SpineColumns().with_keys([] if kind is None else [kind], names).entities[NO_ROLE]
        coded = coded_entities([columns[name] for name in entity.names], entity)
    except InvalidInput as error:
        raise InvalidInput(f"{where(None)}{error.message}", reason=error.reason, **error.metadata) from error
    problems = {
        row: InvalidInput(each.message, reason=each.reason, field=each.column) for row, each in coded.problems.items()
    }
    return [each or "" for each in coded.ids.rows().tolist()], problems


def _rows(cells: Cells, rows: Int64Array) -> Cells:
    return replace(cells, values=cells.values[rows], missing=None if cells.missing is None else cells.missing[rows])


def _is_empty(cells: Cells) -> bool:
    if cells.missing is not None and cells.missing.all():
        return True
    return cells.values.dtype.kind == "O" and all(each == "" or is_empty(each) for each in cells.values.tolist())


def _texts(columns: Mapping[str, Cells], name: str, rows: int, where: Where) -> list[str]:
    """The cells of a column of texts, "" for an empty one; metadata may be mappings."""
    if name not in columns:
        return [""] * rows
    cells = columns[name]
    if cells.unsupported:
        raise InvalidInput(f"{where(None)}column {name} holds {cells.unsupported}, not texts", field=name)
    missing = np.zeros(rows, dtype=np.bool_) if cells.missing is None else cells.missing
    found: list[Any] = []
    for row, (value, lacks) in enumerate(zip(cells.values.tolist(), missing.tolist(), strict=True)):
        if lacks or is_empty(value):
            found.append("")
        elif name == "metadata" and isinstance(value, Mapping):
            found.append(json_object(value, "metadata"))
        elif isinstance(value, str):
            found.append(value)
        else:
            raise InvalidInput(f"{where(row)}{name} {value!r:.40} is not text", field=name)
    return found
