"""The embedded store's writer: group commit, faults at every step, cancellation, full disks and held locks."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from featurama_core.storage.layouts import Layout
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.records import AuditRecord, Tombstone, WriteBatch
from featurama_core.storage.sqlite import SqliteStorage
from featurama_core.storage.sqlite.namespace import SqliteNamespace
from featurama_core.storage.sqlite.writer import GROUP_WEIGHT
from featurama_core.types.errors import OutcomeUnknown, StoreUnavailable
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.writes import Outcome, WriteMode

from .batches import NOW, Row, batch, definition

GROUP = FeatureGroup("crew")
SPEED, MOOD = definition("speed", group="crew"), definition("mood", group="crew")
INTO_HISTORY = "INSERT INTO feature_history"


class Faults:
    """The seam: counts steps, raises at one of them, holds the writer, and notes what it saw."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.fail_at: dict[int, Exception] = {}
        self.fail_commit = 0
        """Which COMMIT fails, counted from now; 0: none."""
        self.free = threading.Event()
        self.free.set()
        self.held = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, step: str) -> None:
        self.steps.append(step.split("\n")[1] if step.startswith("\n") else step)
        if step == "BEGIN" and not self.free.is_set():
            self._loop.call_soon_threadsafe(self.held.set)
            assert self.free.wait(30)
        if error := self.fail_at.pop(len(self.steps) - 1, None):
            raise error
        if step == "COMMIT" and self.fail_commit:
            self.fail_commit -= 1
            if not self.fail_commit:
                raise sqlite3.OperationalError("disk I/O error")

    def seen(self, start: str) -> int:
        return sum(step.startswith(start) for step in self.steps)


@pytest.fixture
async def faults() -> Faults:
    return Faults()


@pytest.fixture
async def namespace(tmp_path: Path, faults: Faults) -> AsyncIterator[SqliteNamespace]:
    async with SqliteStorage.open(str(tmp_path), faults) as storage:
        await storage.create_namespace("crew", NamespaceOptions())
        opened = await storage.namespace("crew")
        await opened.put_layouts([run.layout for run in one_row("any").runs])
        faults.steps.clear()
        yield opened
        faults.free.set()


def one_row(entity: str, value: float = 1.0) -> WriteBatch:
    """A row with a value in each of two layouts."""
    return batch([Row(entity, NOW, {"speed": value, "mood": value})], [[SPEED], [MOOD]], GROUP)


async def stored(namespace: SqliteNamespace, *entities: str) -> list[tuple[int, int]]:
    """(rows of history, cells of latest) of each entity; (2, 2) is a whole row."""
    found = []
    for entity in entities:
        histories = await namespace.read_history([entity], [(SPEED, GROUP), (MOOD, GROUP)], start=0, end=2**62)
        cells = await namespace.read_cells([entity])
        found.append((sum(len(history.entity) for history in histories), len(cells.cells)))
    return found


async def write(namespace: SqliteNamespace, entity: str) -> Outcome:
    (outcome,) = (await namespace.write(one_row(entity), WriteMode.ATOMIC)).tolist()
    return Outcome(outcome)


async def queued(namespace: SqliteNamespace, faults: Faults, *entities: str) -> list[asyncio.Task[Outcome]]:
    """Hold the writer at a first write; let writes of `entities` wait together behind it."""
    faults.free.clear()
    first = asyncio.ensure_future(write(namespace, "first"))
    await faults.held.wait()
    tasks = [asyncio.ensure_future(write(namespace, entity)) for entity in entities]
    await asyncio.sleep(0)  # each task runs to its place in the queue
    assert namespace._writer._queue.qsize() == len(entities)
    return [first, *tasks]


async def test_a_failure_at_any_step_leaves_all_or_nothing_and_a_resend_completes_it(
    namespace: SqliteNamespace, faults: Faults
) -> None:
    """Law 5 for every n: rejected means nothing is there, unknown may be; then the same batch again."""
    assert await write(namespace, "first of the group") is Outcome.ACCEPTED
    faults.steps.clear()
    assert await write(namespace, "dry run") is Outcome.ACCEPTED
    steps = list(faults.steps)
    assert (steps[0], steps[-2:], len(steps) > 8) == ("BEGIN", ["COMMIT", "COMMITTED"], True)
    for n, step in enumerate(steps):
        faults.steps.clear()
        faults.fail_at = {n: sqlite3.OperationalError("disk I/O error")}
        outcome = await write(namespace, f"fry{n}")
        assert faults.fail_at == {}
        if step == "COMMITTED":
            assert outcome is Outcome.UNKNOWN
        else:
            assert outcome is Outcome.REJECTED
            assert await stored(namespace, f"fry{n}") == [(0, 0)]
        for _ in range(2):
            assert await write(namespace, f"fry{n}") is Outcome.ACCEPTED
            assert await stored(namespace, f"fry{n}") == [(2, 2)]


async def test_requests_that_wait_are_committed_together(namespace: SqliteNamespace, faults: Faults) -> None:
    """Twenty writes behind a running one take one commit."""
    tasks = await queued(namespace, faults, *[f"e{n}" for n in range(20)])
    faults.free.set()
    assert set(await asyncio.gather(*tasks)) == {Outcome.ACCEPTED}
    assert faults.seen("COMMITTED") == 2
    assert set(await stored(namespace, *[f"e{n}" for n in range(20)])) == {(2, 2)}


async def test_a_failing_request_fails_no_other_of_its_group(namespace: SqliteNamespace, faults: Faults) -> None:
    """The second of three loses its savepoint, the others are kept."""
    tasks = await queued(namespace, faults, "fry", "leela", "bender")
    faults.steps.clear()
    statements = 0

    def fail_in_the_third(step: str) -> None:
        nonlocal statements
        statements += INTO_HISTORY in step
        # Two layouts a request: the first request makes 1 and 2, fry 3 and 4, leela 5 and 6.
        if statements == 6 and INTO_HISTORY in step:
            raise sqlite3.OperationalError("no")

    namespace._writer._transaction._on_statement = fail_in_the_third
    faults.free.set()
    expected = [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    assert await asyncio.gather(*tasks) == expected
    assert await stored(namespace, "first", "fry", "leela", "bender") == [(2, 2), (2, 2), (0, 0), (2, 2)]


async def test_a_group_whose_transaction_is_lost_is_tried_one_by_one(
    namespace: SqliteNamespace, faults: Faults
) -> None:
    """SQLite rolls everything back on some I/O errors; then nobody was kept and nobody may be told so falsely."""
    tasks = await queued(namespace, faults, "fry", "leela", "bender")
    statements = 0

    def lose_the_transaction(step: str) -> None:
        nonlocal statements
        statements += INTO_HISTORY in step
        if statements == 6 and INTO_HISTORY in step:
            namespace._writer._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")

    namespace._writer._transaction._on_statement = lose_the_transaction
    faults.free.set()
    assert await asyncio.gather(*tasks) == [Outcome.ACCEPTED] * 4
    assert await stored(namespace, "first", "fry", "leela", "bender") == [(2, 2)] * 4


async def test_a_cancelled_caller_takes_only_its_own_request_along(namespace: SqliteNamespace, faults: Faults) -> None:
    """What it asked for and had not begun is dropped; the writer goes on."""
    first, fry, leela = await queued(namespace, faults, "fry", "leela")
    fry.cancel()
    await asyncio.wait([fry])
    assert fry.cancelled()
    faults.free.set()
    assert set(await asyncio.gather(first, leela)) == {Outcome.ACCEPTED}
    assert await stored(namespace, "fry", "leela") == [(0, 0), (2, 2)]
    assert await write(namespace, "bender") is Outcome.ACCEPTED


async def test_a_deadline_that_ends_during_a_write_ends_the_waiting(namespace: SqliteNamespace, faults: Faults) -> None:
    """TimeoutError from the ambient deadline; the write itself goes on and is kept."""
    faults.free.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await write(namespace, "fry")
    assert faults.held.is_set()
    faults.free.set()
    assert await write(namespace, "leela") is Outcome.ACCEPTED
    assert await stored(namespace, "leela") == [(2, 2)]


async def test_more_writers_than_the_queue_holds_are_all_served(namespace: SqliteNamespace, faults: Faults) -> None:
    """The queue is bounded; the rest wait on the event loop."""
    outcomes = await asyncio.gather(*(write(namespace, f"e{n}") for n in range(600)))
    assert set(outcomes) == {Outcome.ACCEPTED}
    assert faults.seen("COMMITTED") < 600


async def test_reads_go_on_while_a_write_is_open(namespace: SqliteNamespace, faults: Faults) -> None:
    """A reader sees the state before, and does not wait."""
    assert await write(namespace, "fry") is Outcome.ACCEPTED
    reached, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold_before_commit(step: str) -> None:
        if step == "COMMIT":
            loop.call_soon_threadsafe(reached.set)
            assert go_on.wait(30)

    namespace._writer._transaction._on_statement = hold_before_commit
    task = asyncio.ensure_future(write(namespace, "leela"))
    await reached.wait()
    assert await stored(namespace, "fry", "leela") == [(2, 2), (0, 0)]
    go_on.set()
    assert await task is Outcome.ACCEPTED
    assert await stored(namespace, "leela") == [(2, 2)]


async def test_a_full_disk_rejects_and_recovers(namespace: SqliteNamespace) -> None:
    """SQLite's own SQLITE_FULL; with space again the same batch is accepted."""
    big = batch([Row(f"e{n}", NOW, {"speed": 1.0}) for n in range(5_000)], [[SPEED]], GROUP)
    connection = namespace._writer._connection
    (pages,) = await asyncio.to_thread(lambda: connection.execute("PRAGMA page_count").fetchone())
    await asyncio.to_thread(lambda: connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    assert set((await namespace.write(big, WriteMode.ATOMIC)).tolist()) == {Outcome.REJECTED}
    assert await write(namespace, "fry") is Outcome.ACCEPTED
    await asyncio.to_thread(lambda: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert set((await namespace.write(big, WriteMode.ATOMIC)).tolist()) == {Outcome.ACCEPTED}
    assert len((await namespace.read_cells(list(big.entity_ids))).cells) == 5_000


async def test_a_lock_that_another_process_holds_rejects(namespace: SqliteNamespace, tmp_path: Path) -> None:
    """After the busy timeout (cut short here) the row is rejected, never unknown."""
    await asyncio.to_thread(namespace._writer._connection.execute, "PRAGMA busy_timeout = 20")
    other = sqlite3.connect(tmp_path / "crew.db", isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        assert await write(namespace, "fry") is Outcome.REJECTED
        await asyncio.to_thread(other.execute, "ROLLBACK")
        assert await write(namespace, "fry") is Outcome.ACCEPTED
    finally:
        await asyncio.to_thread(other.close)


async def test_errors_tell_neither_paths_nor_sql(namespace: SqliteNamespace, faults: Faults) -> None:
    """What SQLite says stays the cause; the caller gets a sentence of ours."""
    record = AuditRecord(1, "a", "b")
    faults.fail_at = {1: sqlite3.OperationalError("/secret/path: near SELECT")}
    with pytest.raises(StoreUnavailable) as caught:
        await namespace.append_audit(record)
    assert "secret" not in str(caught.value)
    faults.steps.clear()
    faults.fail_at = {3: sqlite3.OperationalError("/secret/path")}
    with pytest.raises(OutcomeUnknown) as unknown:
        await namespace.append_audit(record)
    assert "secret" not in str(unknown.value)


async def test_what_waits_is_committed_before_the_storage_closes(tmp_path: Path, faults: Faults) -> None:
    """Closing drains the queue; later requests are refused."""
    async with SqliteStorage.open(str(tmp_path), faults) as storage:
        await storage.create_namespace("late", NamespaceOptions())
        late = await storage.namespace("late")
        await late.put_layouts([run.layout for run in one_row("any").runs])
        tasks = await queued(late, faults, "fry", "leela")
        faults.free.set()
    assert await asyncio.gather(*tasks) == [Outcome.ACCEPTED] * 3
    assert await write(late, "bender") is Outcome.REJECTED
    with pytest.raises(StoreUnavailable):
        await late.read_cells(["fry"])
    with pytest.raises(StoreUnavailable):
        await storage.namespace("late")


async def test_a_layout_of_a_transaction_that_was_not_kept_is_forgotten(
    namespace: SqliteNamespace, faults: Faults
) -> None:
    """A cleaning in the same transaction has read it; its number is given to the next layout, whose cells are read."""
    assert await write(namespace, "fry") is Outcome.ACCEPTED
    kept, lost = definition("kept", group="crew"), definition("lost", group="crew")
    faults.free.clear()
    faults.held.clear()
    first = asyncio.ensure_future(write(namespace, "first"))
    await faults.held.wait()
    later = [
        asyncio.ensure_future(namespace.put_layouts([Layout.of([lost])])),
        asyncio.ensure_future(namespace.clean(Tombstone("fry", "speed", NOW), [(SPEED, GROUP)])),
    ]
    while namespace._writer._queue.qsize() < 2:  # noqa: ASYNC110 - the cleaning looks its periods up in a thread first
        await asyncio.sleep(0)
    faults.fail_commit = 2
    faults.free.set()
    assert await first is Outcome.ACCEPTED
    assert [StoreUnavailable] * 2 == [type(each) for each in await asyncio.gather(*later, return_exceptions=True)]
    await namespace.put_layouts([Layout.of([kept])])
    made = batch([Row("fry", NOW + 1, {"kept": 5.0})], [[kept]], GROUP)
    assert [Outcome.ACCEPTED] == (await namespace.write(made, WriteMode.ATOMIC)).tolist()
    (history,) = await namespace.read_history(["fry"], [(kept, GROUP)], start=0, end=2**62)
    assert [5.0] == history.column.to_list()


async def test_a_transaction_takes_no_further_request_when_it_is_heavy(
    namespace: SqliteNamespace, faults: Faults
) -> None:
    """What a caller may have to wait for is bounded: heavy requests are committed one by one, light ones together."""
    faults.free.clear()
    tasks = [asyncio.ensure_future(write(namespace, "first"))]
    await faults.held.wait()
    heavy = ["nobody"] * GROUP_WEIGHT, [1] * GROUP_WEIGHT, [0] * GROUP_WEIGHT
    changes = [asyncio.ensure_future(namespace.drop_cells(*heavy)) for _ in range(2)]
    tasks += [asyncio.ensure_future(write(namespace, f"e{n}")) for n in range(3)]
    await asyncio.sleep(0)
    faults.free.set()
    assert {Outcome.ACCEPTED} == set(await asyncio.gather(*tasks))
    await asyncio.gather(*changes)
    assert 4 == faults.seen("COMMITTED")
