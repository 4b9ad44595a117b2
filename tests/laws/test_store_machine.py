"""Laws 1, 2, 3, 4, 6, 8 and 10: whatever happens in whatever order, two servers answer what the oracle says."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from featurama_core.ingest.purge import purge
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.roles import RowEntities
from featurama_core.types.writes import WriteRequest

from .oracle import RETRY_WINDOW, SECOND, SETTLING, SKEW, Row, ingest_time
from .scene import Arena, Scene
from .strategies import SLOT, DrawnRequest, requests
from .wire import expected, read_online, reads_of, request_of, shown, stored_in

ENTITIES = ("fry_0", "leela_0", "zoidberg é☃_0")
GROWING = "grow_0"
SERVER = st.integers(0, 1)
ENTITY = st.integers(0, 2)
MOMENTS = st.sampled_from([0, 1, SECOND, 3 * SECOND, SLOT, 61 * SECOND, 150 * SECOND, 301 * SECOND, 86_400 * SECOND])


class StoreMachine(RuleBasedStateMachine):
    """Two servers and a clock against the oracle."""

    def __init__(self, arena: Arena) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.scene: Scene = self._stack.enter_context(arena.scene())
        self.oracle = self.scene.oracle
        self.sent: list[tuple[list[Row], str, DrawnRequest]] = []

    @initialize()
    def begin(self) -> None:
        """The servers know the scene's definitions."""
        note(f"scene {self.scene.namespace}, now {self.scene.clock.now}")

    @rule(drawn=requests(range(3), "growing"), server=SERVER)  # type: ignore[arg-type]
    def write(self, drawn: DrawnRequest, server: int) -> None:
        """A new request; its id is a client's, so requests arrive in another order than they were made."""
        request_id = self.scene.new_id(drawn.delay)
        rows = drawn.placed(self.scene)
        self.sent.append((rows, request_id, drawn))
        self._send(rows, request_id, drawn, server)

    @rule(which=st.integers(0, 50), drops=st.integers(1, 7), server=SERVER)
    def correct(self, which: int, drops: int, server: int) -> None:
        """Some values of an earlier request at the same event times: null now, and in another layout."""
        if not self.sent:
            return
        rows, _, drawn = self.sent[which % len(self.sent)]
        corrected = [
            Row(row.entity, row.time, {key: None for at, key in enumerate(row.values) if at % 8 != drops})
            for row in rows
        ]
        self._send(corrected, self.scene.new_id(0), drawn, server)

    @rule(which=st.integers(0, 50), server=SERVER)
    def replay(self, which: int, server: int) -> None:
        """An earlier request again, to any server."""
        if self.sent:
            self._send(*self.sent[which % len(self.sent)], server)

    @rule(dt=MOMENTS)
    def wait(self, dt: int) -> None:
        """Time goes by."""
        self.scene.clock.advance(dt)

    @rule(entity=ENTITY, slot=st.sampled_from([None, None, 0, 1, 3, 13]), server=SERVER)
    def delete_entity(self, entity: int, slot: int | None, server: int) -> None:
        """Everything of an entity, up to now or an earlier moment."""
        self._delete(entity, (), slot, server)

    @rule(
        entity=ENTITY,
        names=st.sets(st.sampled_from(["level", "note", "home", "link", "pace", "heat"]), min_size=1, max_size=3),
        slot=st.sampled_from([None, None, 0, 1, 3, 13]),
        server=SERVER,
    )
    def delete_values(self, entity: int, names: set[str], slot: int | None, server: int) -> None:
        """Some features of an entity."""
        self._delete(entity, sorted(names), slot, server)

    @rule(server=SERVER)
    def purge(self, server: int) -> None:
        """Housekeeping changes nothing that can be read."""
        self.scene.run(purge(self.scene.servers[server].space))

    @rule()
    def register_version(self) -> None:
        """A new version of a feature, of another type, while its values lie in cells of the old one."""
        if (self.oracle.newest_version(self.scene.growing) or 0) < 4:
            self.scene.grow()

    @rule(server=SERVER)
    def restart(self, server: int) -> None:
        """A server forgets all it knew, the column sets it writes among them."""
        self.scene.restart(server)

    @rule(
        rows=st.lists(st.tuples(ENTITY, st.integers(-10, 320)), min_size=1, max_size=6),
        known=st.sampled_from([None, None, "label", 0, 1, 40, 400]),
        server=SERVER,
    )
    def read_the_past(self, rows: list[tuple[int, int]], known: int | str | None, server: int) -> None:
        """Laws 3 and 4: label rows in any order, duplicates too, at any settled known_at."""
        now = self.scene.clock.now
        # Times on the grid meet event times exactly; the others lie a microsecond beside them.
        labels = [
            (self.scene.entities[entity], (now // SLOT - back // 4) * SLOT + back % 4 - 1) for entity, back in rows
        ]
        bound: int | str | None = known
        each: list[int | None] = [None] * len(labels)
        if isinstance(known, int):
            bound = now - SETTLING - known * SECOND
            each = [bound] * len(labels)
        elif known == "label":
            each = [at for _, at in labels]
        read = partial(
            self.scene.servers[server].point_in_time,
            [entity for entity, _ in labels],
            np.array([at for _, at in labels], dtype=np.int64),
            features=list(self.scene.references),
            known_at=bound,  # type: ignore[arg-type]
        )
        if known == "label" and max(at for _, at in labels) > now - SETTLING:
            with pytest.raises(FailedPrecondition) as refused:
                self.scene.run(read())
            assert Reason.KNOWN_AT_NOT_SETTLED == refused.value.reason
            return
        answer = self.scene.run(read())
        assert [entity for entity, _ in labels] == list(answer.entity_ids)
        assert expected(self.scene, labels, each) == shown(reads_of(answer.entity_ids, answer.columns))
        # The same rows with a second entity each, that of the next row: each role as if it were alone.
        of_role = {"one": labels, "other": [(labels[row - 1][0], at) for row, (_, at) in enumerate(labels)]}
        read_both = self.scene.servers[server].point_in_time(
            RowEntities({role: [entity for entity, _ in rows] for role, rows in of_role.items()}),
            np.array([at for _, at in labels], dtype=np.int64),
            features=[f"{role}.{reference}" for role in of_role for reference in self.scene.references],
            roles=dict.fromkeys(of_role, "thing"),
            known_at=bound,  # type: ignore[arg-type]
        )
        found = self.scene.run(read_both).columns
        for role, entities in of_role.items():
            mine = [
                replace(column, reference=column.reference.removeprefix(f"{role}."))
                for column in found
                if column.reference.startswith(f"{role}.")
            ]
            ids = [entity for entity, _ in entities]
            assert expected(self.scene, entities, each) == shown(reads_of(ids, mine))

    @rule(
        entity=ENTITY,
        which=st.integers(0, 20),
        start=st.sampled_from([None, 0, 3, 30]),
        end=st.sampled_from([None, 0, 1, 2]),
        limit=st.sampled_from([None, 1, 2, 3, 5]),
        corrections=st.booleans(),
        page_size=st.sampled_from([1, 2, 3, 100]),
        server=SERVER,
    )
    def read_history(
        self,
        entity: int,
        which: int,
        start: int | None,
        end: int | None,
        limit: int | None,
        corrections: bool,
        page_size: int,
        server: int,
    ) -> None:
        """Bounds, limits and pages of one history."""
        keys = list(self.oracle.features)
        name, version = keys[which % len(keys)]
        now = self.scene.clock.now
        first = None if start is None else (now // SLOT - start) * SLOT
        last = None if end is None else (now // SLOT - end) * SLOT
        found, token = [], ""
        for _ in range(200):
            page = self.scene.run(
                self.scene.servers[server].page_feature_history(
                    self.scene.entities[entity],
                    f"{name}@{version}",
                    start=first,
                    end=last,
                    limit=limit,
                    corrections=corrections,
                    page_size=page_size,
                    page_token=token,
                )
            )
            found += stored_in(page)
            token = page.next_page
            if not token:
                break
        wanted = self.oracle.history(
            self.scene.entities[entity],
            (name, version),
            now,
            start=first,
            end=last,
            limit=limit,
            corrections=corrections,
        )
        assert wanted == found

    @invariant()
    def online_is_what_the_oracle_says(self) -> None:
        """Law 6, on both servers."""
        wanted = expected(self.scene, [(entity, None) for entity in self.scene.entities])
        for server in self.scene.servers:
            assert wanted == self.scene.run(read_online(server, self.scene))

    def teardown(self) -> None:
        """Law 1 at the end: online, the past read at now, and all of history tell one story."""
        try:
            self._tell_one_story()
        finally:
            self._stack.close()

    def _tell_one_story(self) -> None:
        scene, now = self.scene, self.scene.clock.now
        store = scene.servers[0]
        wanted = expected(scene, [(entity, None) for entity in scene.entities])
        at_now = scene.run(store.get_historical_features(scene.entities, list(scene.references)))
        assert wanted == shown(reads_of(scene.entities, at_now.columns))
        for entity in scene.entities:
            for name, version in self.oracle.features:
                for corrections in (False, True):
                    history = scene.run(store.get_feature_history(entity, f"{name}@{version}", corrections=corrections))
                    wanted_history = self.oracle.history(entity, (name, version), now, corrections=corrections)
                    assert wanted_history == stored_in(history)

    def _send(self, rows: list[Row], request_id: str, drawn: DrawnRequest, server: int) -> None:
        now, ingested = self.scene.clock.now, ingest_time(int(request_id.replace("-", ""), 16))
        request = request_of(rows, request_id, self.oracle, whole_rows=drawn.whole_rows, mode=drawn.mode)
        store = self.scene.servers[server]
        refused = None
        if ingested < (now - RETRY_WINDOW) * 1_000:
            refused = Reason.REQUEST_TOO_OLD
        elif ingested > (now + SKEW) * 1_000:
            refused = Reason.REQUEST_IN_FUTURE
        if refused is not None:
            with pytest.raises(InvalidInput) as error:
                self.scene.run(store.write(request))
            assert refused == error.value.reason
            return
        judged = self.oracle.write(rows, ingested, now, whole_rows=drawn.whole_rows)
        report = self.scene.run(store.write(request))
        assert (judged.accepted, judged.rejected, 0) == (report.accepted, report.rejected, report.unknown)
        assert request.sent() == report.sent
        assert len(report.verdicts) == report.rejected
        for verdict in report.verdicts:
            reasons = judged.units[verdict.row, None if verdict.column < 0 else _key_of(request, verdict.column)]
            assert verdict.reason.name in reasons

    def _delete(self, entity: int, names: list[str] | tuple[()], slot: int | None, server: int) -> None:
        now, store = self.scene.clock.now, self.scene.servers[server]
        through = None if slot is None else (now // SLOT - slot) * SLOT
        entity_id = self.scene.entities[entity]
        wanted = self.oracle.delete(entity_id, names, through, now)
        work = (
            store.delete_feature_values(entity_id, names, through) if names else store.delete_entity(entity_id, through)
        )
        done = self.scene.run(work)
        assert (wanted, True) == (done.deleted_through, done.cleaned)


def _key_of(request: WriteRequest, column: int) -> tuple[str, int]:
    return request.columns[column].name, request.columns[column].version


def test_two_servers_answer_what_the_oracle_says(arena: Arena, examples: settings) -> None:
    """Writes of every kind, replays, deletions, purges, new versions and restarts, in any order."""
    run_state_machine_as_test(partial(StoreMachine, arena), settings=examples)
