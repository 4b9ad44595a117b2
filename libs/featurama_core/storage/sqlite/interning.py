"""Entity ids and group names as integers. They are looked up in each transaction and not cached, so a rolled-back id is
never used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

from featurama_core.storage.sqlite.connections import Reader, Transaction
from featurama_core.types.values import Int64Array

_FIND_ENTITIES = """
SELECT wanted.value, entities.id FROM json_each(?) AS wanted
CROSS JOIN entities ON entities.entity_id = wanted.value
"""


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_json(values: Sequence[object]) -> str:
    """A list as one bound parameter for `json_each`, so that the text of a statement does not depend on its length."""
    return _ENCODE(values)


def entity_keys(connection: Reader, entity_ids: Iterable[str]) -> dict[str, int]:
    """The keys of the ids that have one."""
    return dict(connection.execute(_FIND_ENTITIES, (as_json(list(entity_ids)),)).fetchall())


def entity_key(connection: Reader, entity_id: str) -> int | None:
    """The key of one id."""
    row = connection.execute("SELECT id FROM entities WHERE entity_id = ?", (entity_id,)).fetchone()
    return None if row is None else int(row[0])


def intern_entities(transaction: Transaction, entity_ids: Sequence[str]) -> Int64Array:
    """Keys of these ids, in order. New ids get a key."""
    distinct = dict.fromkeys(entity_ids)
    keys = entity_keys(transaction, distinct)
    if len(keys) < len(distinct):
        missing = [entity_id for entity_id in distinct if entity_id not in keys]
        transaction.executemany("INSERT INTO entities (entity_id) VALUES (?)", zip(missing, strict=True))
        keys |= entity_keys(transaction, missing)
    return np.fromiter(map(keys.__getitem__, entity_ids), dtype=np.int64, count=len(entity_ids))


def group_key(connection: Reader, name: str) -> int | None:
    """The key of a group's history, None before its first value."""
    row = connection.execute("SELECT id FROM history_groups WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def intern_group(transaction: Transaction, name: str) -> int:
    """The key of a group's history."""
    found = group_key(transaction, name)
    if found is not None:
        return found
    cursor = transaction.execute("INSERT INTO history_groups (name) VALUES (?)", (name,))
    assert cursor.lastrowid is not None
    return cursor.lastrowid
