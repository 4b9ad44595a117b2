"""Between the oracle's words and the store's: rows become write requests, columns become `Read`s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from tests.opened import OpenedStore

from featurama_core.frames.results import FeatureHistory
from featurama_core.types.column import Column
from featurama_core.types.values import Status, ValueType, empty_values
from featurama_core.types.writes import WriteMode, WriteRequest, WriteUnit

from .oracle import Key, Oracle, Read, Row, Stored, Value, canonical
from .scene import STAY, Scene
from .strategies import DrawnRequest

Shown = dict[tuple[int, str], tuple[str, str, int | None]]
"""(row, reference) -> (status, value as text, event time)."""

_GIVEN = {bool: ValueType.BOOL, int: ValueType.INT, float: ValueType.DOUBLE, str: ValueType.TEXT}


def request_of(
    rows: Sequence[Row],
    request_id: str,
    oracle: Oracle,
    *,
    whole_rows: bool,
    mode: WriteMode = WriteMode.ATOMIC,
    ingested_at: Sequence[int] | None = None,
    import_number: int | None = None,
) -> WriteRequest:
    """Rows as columns: one a feature, version and type that a value is given in, and of rows with keys one a key."""
    given: dict[tuple[str, int, ValueType, int], dict[int, Value]] = {}
    for number, row in enumerate(rows):
        for (name, kind), key in zip(STAY.columns, row.keys, strict=False):
            key_type = ValueType[kind.upper()] if key is None else _GIVEN[type(key)]
            given.setdefault((name, 0, key_type, 0), {})[number] = key
        for key, value in row.values.items():
            given.setdefault((*key, *_type_of(key, value, oracle)), {})[number] = value
    columns = [
        _column(name, version, value_type, length, values, len(rows))
        for (name, version, value_type, length), values in given.items()
    ]
    return WriteRequest(
        entity_ids=[row.beside or row.entity for row in rows if row.beside or not row.keys],
        event_time=np.array([row.time for row in rows], dtype=np.int64),
        columns=columns,
        request_id=request_id,
        mode=mode,
        unit=WriteUnit.ROW if whole_rows else WriteUnit.VALUE,
        ingested_at=None if ingested_at is None else np.array(ingested_at, dtype=np.int64),
        import_number=import_number,
    )


def reads_of(entity_ids: Sequence[str], columns: Sequence[Column]) -> dict[tuple[int, str], Read]:
    """(row, reference) -> what was answered."""
    reads = {}
    for column in columns:
        assert len(column) == len(entity_ids)
        for row, (status, value, time) in enumerate(_rows(column)):
            reads[row, column.reference] = Read(status, value, time)
    return reads


def stored_in(history: FeatureHistory) -> list[Stored]:
    """A page or a whole history, in its order."""
    return [
        Stored(time or 0, ingested, canonical(value))
        for (_, value, time), ingested in zip(_rows(history.column), history.ingested_at.tolist(), strict=True)
    ]


def shown(reads: Mapping[tuple[int, str], Read]) -> Shown:
    """Comparable, also where a value is NaN."""
    return {at: (read.status, canonical(read.value), read.time) for at, read in reads.items()}


def expected(
    scene: Scene,
    rows: Sequence[tuple[str, int | None]],
    known_at: Sequence[int | None] | None = None,
    of: Mapping[str, tuple[Key, ...]] | None = None,
) -> Shown:
    """What the oracle answers for rows of (entity, t or None for now). of: references, else those of the scene."""
    now, oracle = scene.clock.now, scene.oracle
    reads = {}
    for number, (entity, at) in enumerate(rows):
        known = None if known_at is None else known_at[number]
        for reference, keys in (of or scene.references).items():
            if len(keys) == 2:
                path = (keys[0], keys[1])
                reads[number, reference] = oracle.follow(entity, path, now, at=at, known_at=known)
            else:
                reads[number, reference] = oracle.read(entity, keys[0], now, at=at, known_at=known)
    return shown(reads)


async def read_online(
    store: OpenedStore,
    scene: Scene,
    entities: Sequence[str] = (),
    references: Iterable[str] = (),
) -> Shown:
    """Every entity and reference of the scene, or the given ones, by an online read."""
    answer = await store.get_online_features(list(entities or scene.entities), list(references or scene.references))
    assert scene.clock.now == answer.as_of_time
    return shown(reads_of(answer.entity_ids, answer.columns))


def write_all(scene: Scene, drawn: Sequence[DrawnRequest]) -> None:
    """Write them one after another, by two servers in turn."""
    for number, each in enumerate(drawn):
        request = request_of(
            each.placed(scene), scene.new_id(each.delay), scene.oracle, whole_rows=each.whole_rows, mode=each.mode
        )
        scene.run(scene.servers[number % 2].write(request))


def _type_of(key: Key, value: Value, oracle: Oracle) -> tuple[ValueType, int]:
    if isinstance(value, tuple):
        return ValueType.VECTOR, len(value)
    if value is not None:
        return _GIVEN[type(value)], 0
    feature = oracle.resolve(key)
    return (ValueType[feature.kind.upper()], feature.length) if feature else (ValueType.DOUBLE, 0)


def _column(name: str, version: int, value_type: ValueType, length: int, values: dict[int, Value], rows: int) -> Column:
    array = empty_values(value_type, rows, length)
    status = np.full(rows, Status.NOT_FOUND, dtype=np.uint8)
    for row, value in values.items():
        status[row] = Status.NULL_VALUE if value is None else Status.PRESENT
        if value is not None:
            array[row] = value
    return Column(name, value_type, array, status, np.zeros(rows, dtype=np.int64), version)


def _rows(column: Column) -> list[tuple[str, Value, int | None]]:
    out: list[tuple[str, Value, int | None]] = []
    values = column.values.tolist()
    for value, status, time in zip(values, column.status.tolist(), column.event_time.tolist(), strict=True):
        name = Status(status).name
        plain = tuple(value) if isinstance(value, list) else value
        out.append((name, plain if name == "PRESENT" else None, None if name in ("NOT_FOUND", "ERROR") else time))
    return out


Story = dict[str, object]


async def story(store: OpenedStore, scene: Scene) -> Story:
    """All that can be read of the scene, in words that do not depend on its entity ids."""
    told: Story = {}
    at_now = await store.get_historical_features(scene.entities, list(scene.references))
    for (row, reference), read in (await read_online(store, scene)).items():
        told[f"online {row} {_plain(reference, scene)}"] = _plain(read, scene)
    for (row, reference), read in shown(reads_of(scene.entities, at_now.columns)).items():
        told[f"at now {row} {_plain(reference, scene)}"] = _plain(read, scene)
    for row, entity in enumerate(scene.entities):
        for name, version in (keys[0] for keys in scene.references.values() if len(keys) == 1):
            found = await store.get_feature_history(entity, f"{name}@{version}", corrections=True)
            values = [(each.time, each.ingested, _plain(each.value, scene)) for each in stored_in(found)]
            told[f"history {row} {_plain(name, scene)}@{version}"] = values
    return told


def _plain(words: object, scene: Scene) -> str:
    text = str(words)
    for number, name in enumerate([*scene.entities, scene.growing]):
        text = text.replace(name, f"<{number}>")
    return text
