"""Entities of frame rows: one column with ids, or the key columns of an entity type, in which ids are made from keys.

Distinct keys are encoded once. A row with a null key, or with keys that no id can hold, names no entity and has a
problem; a write rejects it, a read finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from featurama_core.frames.cells import Cells, objects
from featurama_core.frames.keys import CodedEntities, CodedTexts, EntityProblem, coded_texts
from featurama_core.frames.values import is_empty
from featurama_core.types.entity_keys import EntityKeys, KeyColumn, is_int_key, text_key
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import entity_id_problem
from featurama_core.types.schema import EntityType
from featurama_core.types.values import EXACT_INT_LIMIT, Int64Array, ValueType

_TEXTS = {str, type(None)}


@dataclass(frozen=True, slots=True)
class EntityColumns:
    """The columns that name one entity per row, by their names in the caller's table.

    keys: the codec of the entity type whose key columns these are, in order; None for one column with ids. agreeing: a
    column with the same entities as ids, "" without.
    """

    columns: tuple[str, ...] = ("entity_id",)
    keys: EntityKeys | None = None
    agreeing: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All these columns."""
        return (*self.columns, self.agreeing) if self.agreeing else self.columns


def coded_entities(cells: Sequence[Cells], entities: EntityColumns) -> CodedEntities:
    """The entities that rows of these columns name. cells: of `entities.names`, in order.

    InvalidInput for a column of ids or text keys that holds another type.
    """
    if entities.keys is None:
        (column,) = entities.columns
        ids = coded_texts(cells[0], column)
        wrong = ids.problems("entity_id")
        return CodedEntities(ids, {row: EntityProblem(column, *error) for row, error in wrong.items()})
    found = [_coded_keys(*each) for each in zip(cells, entities.columns, entities.keys.columns, strict=False)]
    problems: dict[int, EntityProblem] = {}
    for keys in reversed(found):
        problems.update(keys.problems)
    codes, parts = found[0].codes, [[part] for part in found[0].parts]
    for keys in found[1:]:
        pairs = np.where((codes < 0) | (keys.codes < 0), -1, codes * max(len(keys.parts), 1) + keys.codes)
        distinct, at = np.unique(pairs, return_inverse=True)
        missing = int(len(distinct) > 0 and distinct[0] < 0)
        codes = at.astype(np.int64) - missing
        split = (divmod(pair, len(keys.parts)) for pair in distinct[missing:].tolist())
        parts = [[*parts[left], keys.parts[right]] for left, right in split]
    coded = _checked([entities.keys.prefix + "|".join(each) for each in parts], codes, problems, entities)
    if entities.agreeing:
        ids = coded_texts(cells[-1], entities.agreeing)
        message = f"{entities.agreeing} is not the id of {', '.join(entities.columns)}; give one of the two"
        problem = EntityProblem(entities.columns[0], Reason.INVALID_ENTITY_ID, message, "wrong")
        for row in disagreeing(ids, coded.ids).tolist():
            if coded.problems.get(row, problem).kind != "wrong" or row not in coded.problems:
                coded.problems[row] = problem
    return coded


def id_of_keys(kind: EntityType, keys: Mapping[str, Any]) -> str:
    """The id of one entity. keys: by name. InvalidInput (INVALID_ENTITY_ID) for keys that no id can hold."""
    codec = kind.id_keys
    if codec is None or set(keys) != set(codec.names):
        has = f"the keys {', '.join(codec.names)}" if codec is not None else "no keys; name it by its id"
        raise InvalidInput(
            f"the keys {', '.join(map(str, keys)) or 'none'} are given; a {kind.name} has {has}",
            reason=Reason.INVALID_ENTITY_ID,
            field="entity_id",
        )
    found = coded_entities([Cells(objects([keys[name]])) for name in codec.names], EntityColumns(codec.names, codec))
    for problem in found.problems.values():
        raise InvalidInput(problem.message, reason=Reason.INVALID_ENTITY_ID, field=problem.column)
    return found.ids.texts[0]


def disagreeing(ids: CodedTexts, others: CodedTexts) -> Int64Array:
    """The rows that name different entities in two columns, ascending. A null differs from every id."""
    numbers = {text: code for code, text in enumerate(ids.texts)}
    same = np.array([*(numbers.get(text, -2) for text in others.texts), -1], dtype=np.int64)
    return np.flatnonzero(same[others.codes] != ids.codes)


class _CodedKeys(NamedTuple):
    """A key column of n rows. parts: the distinct keys as they stand in an id. codes: int64[n], -1 for a problem."""

    parts: list[str]
    codes: Int64Array
    problems: dict[int, EntityProblem]


def _coded_keys(cells: Cells, name: str, key: KeyColumn) -> _CodedKeys:
    is_numbers = cells.values.dtype.kind in "iuf" and cells.values.ndim == 1 and not cells.unsupported
    if is_numbers and key.value_type is ValueType.INT:
        return _coded_ints(cells, name)
    return _coded_objects(cells, name, key)


def _coded_ints(cells: Cells, name: str) -> _CodedKeys:
    values = cells.values
    there = np.ones(len(values), dtype=np.bool_) if cells.missing is None else ~cells.missing
    good = there.copy()
    if values.dtype.kind == "f":
        good &= (np.abs(values) < EXACT_INT_LIMIT) & (values == np.trunc(values))
    elif values.dtype.kind == "u":
        good &= values <= np.iinfo(np.int64).max
    problems = dict.fromkeys(np.flatnonzero(~there).tolist(), _missing(name))
    for row in np.flatnonzero(there & ~good).tolist():
        problems[row] = _problem(name, values[row].item(), ValueType.INT)
    codes = np.full(len(values), -1, dtype=np.int64)
    distinct, codes[good] = np.unique(values[good].astype(np.int64), return_inverse=True)
    return _CodedKeys(list(map(str, distinct.tolist())), codes, problems)


def _coded_objects(cells: Cells, name: str, key: KeyColumn) -> _CodedKeys:
    values = cells.values
    listed: list[Any] = values.tolist()
    if cells.missing is not None:
        for row in np.flatnonzero(cells.missing).tolist():
            listed[row] = None
    if (cells.unsupported or values.dtype.kind != "O") and any(each is not None for each in listed):
        fix = f"; declare casts={{{name!r}: 'text'}}" if values.dtype.kind in "iuf" else ""
        shown = cells.unsupported or str(values.dtype)
        raise InvalidInput(f"column {name} holds {shown}; its keys are {key.value_type.label}{fix}", field=name)
    # Equal values of other types, such as 1 and True, are other keys; 17 and "17" are one.
    typed = listed if set(map(type, listed)) <= _TEXTS else [(type(each), _hashable(each)) for each in listed]
    parts: dict[str, int] = {}
    wrong: list[EntityProblem] = []
    numbers: dict[Any, int] = {}
    for each in dict.fromkeys(typed):
        part = _part(name, each[1] if isinstance(each, tuple) else each, key.value_type)
        if isinstance(part, str):
            numbers[each] = parts.setdefault(part, len(parts))
        else:
            wrong.append(part)
            numbers[each] = -len(wrong)
    codes = np.fromiter(map(numbers.__getitem__, typed), dtype=np.int64, count=len(typed))
    bad = np.flatnonzero(codes < 0)
    problems = {row: wrong[-code - 1] for row, code in zip(bad.tolist(), codes[bad].tolist(), strict=True)}
    return _CodedKeys(list(parts), np.maximum(codes, -1), problems)


def _part(name: str, value: Any, value_type: ValueType) -> str | EntityProblem:
    """A key as it stands in an id, or its problem."""
    if isinstance(value, str):
        if not value:
            return _missing(name)
        if value_type is ValueType.TEXT:
            return text_key(str(value))
        return str(value) if is_int_key(value) else _problem(name, value, value_type)
    if is_empty(value):
        return _missing(name)
    if value_type is ValueType.INT and not isinstance(value, (bool, np.timedelta64)):
        if isinstance(value, (float, np.floating)):
            is_whole = abs(float(value)) < EXACT_INT_LIMIT and value == int(value)
            return str(int(value)) if is_whole else _problem(name, value, value_type)
        if isinstance(value, (int, np.integer)):
            return str(int(value)) if -(2**63) <= int(value) < 2**63 else _problem(name, value, value_type)
    return _problem(name, value, value_type, Reason.TYPE_MISMATCH)


def _checked(
    texts: list[str], codes: Int64Array, problems: dict[int, EntityProblem], entities: EntityColumns
) -> CodedEntities:
    wrong = {code: problem for code, text in enumerate(texts) if (problem := entity_id_problem(text)) is not None}
    bad = np.flatnonzero(np.isin(codes, list(wrong))) if wrong else np.empty(0, dtype=np.int64)
    for row, code in zip(bad.tolist(), codes[bad].tolist(), strict=True):
        message = f"{', '.join(entities.columns)}: {wrong[code].replace('entity_id', 'the id', 1)}"
        problems[row] = EntityProblem(entities.columns[0], Reason.INVALID_ENTITY_ID, message)
    codes[bad] = -1
    return CodedEntities(CodedTexts(texts, codes), problems)


def _missing(name: str) -> EntityProblem:
    return EntityProblem(name, Reason.INVALID_ENTITY_ID, f"{name} is missing", "null")


def _problem(
    name: str, value: object, value_type: ValueType, reason: Reason = Reason.INVALID_ENTITY_ID
) -> EntityProblem:
    what = "a 64-bit int" if value_type is ValueType.INT else "text"
    message = f"{name} {str(value)[:80]!r} is not {what}"
    if isinstance(value, str):
        message += "; the key is declared int: write it without zeros in front or a fraction, or declare it text"
    if reason is not Reason.TYPE_MISMATCH:
        return EntityProblem(name, reason, message)
    return EntityProblem(name, reason, f"{message}; declare casts={{{name!r}: {value_type.label!r}}}", "wrong")


class _Unhashable(NamedTuple):
    """Stands for a list, an array and the like, which are no keys."""

    text: str

    def __str__(self) -> str:
        return self.text


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return _Unhashable(str(value)[:80])
    return value
