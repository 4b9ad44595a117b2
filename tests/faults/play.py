"""A short play of writes, corrections and deletions, and what may be read after any part of it was interrupted.

Whatever happened: all that was acknowledged is in every table, nothing appears that was never sent, and sending what
was not acknowledged again, with the same ids, leads to the same end as if nothing had happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.laws.oracle import SECOND, Key, Oracle, Row, Stored, Value, ingest_time
from tests.laws.scene import Scene, definitions
from tests.laws.wire import Shown, read_online, reads_of, request_of, shown, stored_in
from tests.opened import OpenedStore
from tests.sent_units import units_sent

from featurama_core.types.errors import OutcomeUnknown, StoreUnavailable
from featurama_core.types.writes import Outcome, WriteMode


@dataclass(frozen=True)
class Write:
    """One request; its id is made once, whoever sends it."""

    rows: Sequence[Row]
    request_id: str
    mode: WriteMode = WriteMode.ATOMIC
    whole_rows: bool = True


@dataclass(frozen=True)
class Delete:
    """A deletion up to a given moment, so that it may be asked for again."""

    entity: str
    features: tuple[str, ...]
    through: int


Step = Write | Delete


@dataclass
class Played:
    """What the caller knows: the units (row, feature or None for the row) of each step that were acknowledged, those
    that were rejected and so are surely not stored, and the deletions.
    """

    acknowledged: dict[int, set[tuple[int, Key | None]]] = field(default_factory=dict)
    rejected: dict[int, set[tuple[int, Key | None]]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)


def script(scene: Scene) -> list[Step]:
    """Every type and group, partial rows, both modes and units, a correction, a late write under a mark."""
    fry, leela, zoidberg = scene.entities
    now = scene.clock.now
    at = [now - back * SECOND for back in (40, 20, 1)]

    def row(entity: str, time: int, **values: Value) -> Row:
        return Row(entity, time, {(name, 1): value for name, value in values.items()})

    def request_id(number: int) -> str:
        return scene.next_id(now - 30 * SECOND + number)

    return [
        Write(
            [
                row(fry, at[0], tally=1, note="first", flag=True, shape=(1.0, 2.0, 3.0), pace=0.5, heat=9.0),
                row(leela, at[0], tally=2, note="gone", pace=1.5, link=fry),
                row(zoidberg, at[0], tally=3, word="gone too"),
            ],
            request_id(0),
        ),
        Write(
            [row(fry, at[1], level=2.5), row(leela, at[1], heat=None, tally=4), row(leela, at[2], word="é☃")],
            request_id(1),
            WriteMode.BULK,
            whole_rows=False,
        ),
        Write([row(fry, at[0], tally=10, note="corrected")], request_id(2)),
        Delete(leela, ("note", "pace"), at[1]),
        Write([row(leela, at[0], note="late", home=fry), row(leela, at[2], note="alive")], request_id(3)),
        Delete(zoidberg, (), at[1]),
        Write(
            [row(zoidberg, at[2], tally=5, link=leela), row(zoidberg, at[0], tally=6)], request_id(4), WriteMode.BULK
        ),
    ]


Interruptible = Callable[[Awaitable[object]], Awaitable[object]]


async def wait_for(work: Awaitable[object]) -> object:
    """Nothing stalls."""
    return await work


async def play(
    scene: Scene,
    store: OpenedStore,
    steps: Sequence[Step],
    *,
    only: Iterable[int] | None = None,
    interruptible: Interruptible = wait_for,
    acknowledge: Callable[[int], None] = lambda _: None,
) -> Played:
    """Do the steps in order; an error ends its step, not the play."""
    played = Played()
    for number in range(len(steps)) if only is None else only:
        step = steps[number]
        try:
            if isinstance(step, Delete):
                if step.features:
                    await interruptible(store.delete_feature_values(step.entity, step.features, step.through))
                else:
                    await interruptible(store.delete_entity(step.entity, step.through))
                played.deleted.add(number)
            else:
                request = request_of(
                    step.rows, step.request_id, scene.oracle, whole_rows=step.whole_rows, mode=step.mode
                )
                report = await interruptible(store.write(request))
                assert units_sent(request) == report.sent  # type: ignore[attr-defined]
                ended: dict[Outcome, set[tuple[int, Key | None]]] = {Outcome.REJECTED: set(), Outcome.UNKNOWN: set()}
                for verdict in report:  # type: ignore[attr-defined]
                    name = None if verdict.column < 0 else (request.columns[verdict.column].name, 1)
                    ended[verdict.outcome].add((verdict.row, name))
                played.rejected[number] = ended[Outcome.REJECTED]
                played.acknowledged[number] = units(step) - ended[Outcome.REJECTED] - ended[Outcome.UNKNOWN]
            acknowledge(number)
        except (StoreUnavailable, OutcomeUnknown, TimeoutError, asyncio.CancelledError):
            continue
    return played


def unfinished(steps: Sequence[Step], played: Played) -> list[int]:
    """The steps of which something was not acknowledged."""
    return [
        number
        for number, step in enumerate(steps)
        if (
            number not in played.deleted if isinstance(step, Delete) else played.acknowledged.get(number) != units(step)
        )
    ]


async def check_interrupted(scene: Scene, store: OpenedStore, steps: Sequence[Step], played: Played) -> None:
    """What must be there is, what cannot be is not; in history, online, and the past read at now."""
    least, most = _oracle(scene, steps, played, least=True), _oracle(scene, steps, played, least=False)
    now = scene.clock.now
    online, past = await read_online(store, scene), await _read_at_now(store, scene)
    for (row, entity, key), history in (await _histories(store, scene, steps)).items():
        name = f"{key[0]}@{key[1]}"
        must = least.history(entity, key, now, corrections=True)
        may = most.history(entity, key, now, corrections=True)
        assert set(must) <= set(history) <= set(may), (entity, name)
        newest = least.read(entity, key, now).time
        for read in (online, past):
            found = read[row, name][2]
            assert newest is None or (found is not None and found >= newest), (entity, name)
            assert may or found is None, (entity, name)


async def check_finished(scene: Scene, store: OpenedStore, steps: Sequence[Step]) -> None:
    """All tables tell what the oracle tells of the whole play."""
    done = Played({number: units(step) for number, step in enumerate(steps) if isinstance(step, Write)})
    done.deleted = {number for number, step in enumerate(steps) if isinstance(step, Delete)}
    oracle, now = _oracle(scene, steps, done, least=True), scene.clock.now
    online = await read_online(store, scene)
    assert online == await _read_at_now(store, scene)
    for (row, entity, key), history in (await _histories(store, scene, steps)).items():
        assert oracle.history(entity, key, now, corrections=True) == history
        assert oracle.read(entity, key, now).time == online[row, f"{key[0]}@{key[1]}"][2]


async def _histories(
    store: OpenedStore, scene: Scene, steps: Sequence[Step]
) -> dict[tuple[int, str, Key], list[Stored]]:
    """Of every entity (with its position) and every feature; of those that no step writes the reads tell enough."""
    rows = [row for step in steps if isinstance(step, Write) for row in step.rows]
    written = {(row.entity, key) for row in rows for key in row.values}
    keys = sorted({key for _, key in written})
    pairs = [(row, entity, key) for row, entity in enumerate(scene.entities) for key in keys]
    asked = [(row, entity, key) for row, entity, key in pairs if (entity, key) in written]
    found = await asyncio.gather(
        *(
            store.get_feature_history(entity, f"{name}@{version}", corrections=True)
            for _, entity, (name, version) in asked
        )
    )
    return {pair: [] for pair in pairs} | dict(zip(asked, map(stored_in, found), strict=True))


async def _read_at_now(store: OpenedStore, scene: Scene) -> Shown:
    answer = await store.get_historical_features(scene.entities, list(scene.references))
    return shown(reads_of(scene.entities, answer.columns))


def units(step: Write) -> set[tuple[int, Key | None]]:
    if step.whole_rows:
        return {(number, None) for number in range(len(step.rows))}
    return {(number, key) for number, row in enumerate(step.rows) for key in row.values}


def _oracle(scene: Scene, steps: Sequence[Step], played: Played, *, least: bool) -> Oracle:
    """least: acknowledged rows under every mark that may be set; else every row but the rejected ones, under the
    acknowledged marks.
    """
    oracle = Oracle(definitions())
    for number, step in enumerate(steps):
        if isinstance(step, Delete):
            if least or number in played.deleted:
                oracle.delete(step.entity, step.features, step.through, scene.clock.now)
            continue
        kept = played.acknowledged.get(number, set()) if least else units(step) - played.rejected.get(number, set())
        rows = [
            Row(row.entity, row.time, {k: v for k, v in row.values.items() if {(at, None), (at, k)} & kept})
            for at, row in enumerate(step.rows)
        ]
        ingested = ingest_time(int(step.request_id.replace("-", ""), 16))
        judged = oracle.write(rows, ingested, scene.clock.now, whole_rows=step.whole_rows)
        assert 0 == judged.rejected
    return oracle
