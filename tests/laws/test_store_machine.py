"""Laws 1, 2, 3, 4, 6, 8 and 10: whatever happens in whatever order, two servers answer what the oracle says."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import note, settings
from hypothesis import strategies as st

from featurama_core.frames.results import FeatureHistory
from featurama_core.ingest.purge import purge
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.writes import WriteRequest

from .oracle import RETRY_WINDOW, SECOND, SETTLING, SKEW, Key, Row, ingest_time
from .scene import NAMED_STAYS, STAY, STAYS, Arena, Scene
from .stays import (
    Rows,
    by_keys,
    of_few,
    read_roles,
    read_roles_at_now,
    read_roles_online,
    requests_of_stays,
    without_floats,
)
from .steps import play, step
from .strategies import SLOT, DrawnRequest, requests
from .wire import Shown, expected, read_online, reads_of, request_of, shown, stored_in

SERVER = st.integers(0, 1)
ENTITY = st.integers(0, 2)
NAMED = st.integers(0, 2 + NAMED_STAYS)
"""A thing, or a stay, by its keys or by its id."""
REQUESTS = requests(range(3), "growing")  # type: ignore[arg-type]
OF_STAYS = {"level": "tally", "note": "nights", "home": "home", "link": "onward", "pace": "nights", "heat": "tally"}
"""A feature of stays in place of one of things."""
MOMENTS = st.sampled_from([0, 1, SECOND, 3 * SECOND, SLOT, 61 * SECOND, 150 * SECOND, 301 * SECOND, 86_400 * SECOND])


class StoreMachine:
    """Two servers and a clock against the oracle."""

    def __init__(self, arena: Arena) -> None:
        self._stack = ExitStack()
        self.scene: Scene = self._stack.enter_context(arena.scene())
        self.oracle = self.scene.oracle
        self.sent: list[tuple[list[Row], str, DrawnRequest]] = []
        self.turn = 0
        note(f"scene {self.scene.namespace}, now {self.scene.clock.now}")

    @step(drawn=st.one_of(REQUESTS, REQUESTS, requests_of_stays()), server=SERVER)
    def write(self, drawn: DrawnRequest, server: int) -> None:
        """A new request; its id is a client's, so requests arrive in another order than they were made."""
        request_id = self.scene.new_id(drawn.delay)
        rows = drawn.placed(self.scene)
        self.sent.append((rows, request_id, drawn))
        self._send(rows, request_id, drawn, server)

    @step(which=st.integers(0, 50), drops=st.integers(1, 7), server=SERVER)
    def correct(self, which: int, drops: int, server: int) -> None:
        """Some values of an earlier request at the same event times: null now, in another layout, and by id."""
        if not self.sent:
            return
        rows, _, drawn = self.sent[which % len(self.sent)]
        corrected = [
            Row(row.entity, row.time, {key: None for at, key in enumerate(row.values) if at % 8 != drops})
            for row in rows
            if row.entity
        ]
        if not corrected:
            return
        self._send(corrected, self.scene.new_id(0), drawn, server)

    @step(which=st.integers(0, 50), server=SERVER)
    def replay(self, which: int, server: int) -> None:
        """An earlier request again, to any server."""
        if self.sent:
            self._send(*self.sent[which % len(self.sent)], server)

    @step(dt=MOMENTS)
    def wait(self, dt: int) -> None:
        """Time goes by."""
        self.scene.clock.advance(dt)

    @step(entity=NAMED, slot=st.sampled_from([None, None, 0, 1, 3, 13]), server=SERVER)
    def delete_entity(self, entity: int, slot: int | None, server: int) -> None:
        """Everything of an entity, up to now or an earlier moment."""
        self._delete(entity, (), slot, server)

    @step(
        entity=NAMED,
        names=st.sets(st.sampled_from(list(OF_STAYS)), min_size=1, max_size=3),
        slot=st.sampled_from([None, None, 0, 1, 3, 13]),
        server=SERVER,
    )
    def delete_values(self, entity: int, names: set[str], slot: int | None, server: int) -> None:
        """Some features of an entity."""
        self._delete(entity, sorted(names if entity < 3 else {OF_STAYS[name] for name in names}), slot, server)

    @step(server=SERVER)
    def purge(self, server: int) -> None:
        """Housekeeping changes nothing that can be read."""
        self.scene.run(purge(self.scene.servers[server].space))

    @step()
    def register_version(self) -> None:
        """A new version of a feature, of another type, while its values lie in cells of the old one."""
        if (self.oracle.newest_version(self.scene.growing) or 0) < 4:
            self.scene.grow()

    @step(server=SERVER)
    def restart(self, server: int) -> None:
        """A server forgets all it knew, the column sets it writes among them."""
        self.scene.restart(server)

    @step(
        rows=st.lists(st.tuples(ENTITY, st.integers(-10, 320)), min_size=1, max_size=6),
        known=st.sampled_from([None, None, "label", 0, 1, 40, 400]),
        stay=st.integers(0, STAYS - 1),
        way=st.sampled_from(["ids", "keys", "keys", "set"]),
        server=SERVER,
    )
    def read_the_past(
        self,
        rows: list[tuple[int, int]],
        known: int | Literal["label"] | None,
        stay: int,
        way: Literal["ids", "keys", "set"],
        server: int,
    ) -> None:
        """Laws 3 and 4: label rows in any order, duplicates too, at any settled known_at."""
        now = self.scene.clock.now
        # Times on the grid meet event times exactly; the others lie a microsecond beside them.
        labels = [
            (self.scene.entities[entity], (now // SLOT - back // 4) * SLOT + back % 4 - 1) for entity, back in rows
        ]
        bound: int | Literal["label"] | None = known
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
            known_at=bound,
        )
        if known == "label" and max(at for _, at in labels) > now - SETTLING:
            with pytest.raises(FailedPrecondition) as refused:
                self.scene.run(read())
            assert Reason.KNOWN_AT_NOT_SETTLED == refused.value.reason
            return
        answer = self.scene.run(read())
        assert [entity for entity, _ in labels] == list(answer.entity_ids)
        assert expected(self.scene, labels, each) == shown(reads_of(answer.entity_ids, answer.columns))
        # The same rows with two stays each, one of which may be nobody: each role as if it were alone.
        stays = [self.scene.stays[(stay + row) % NAMED_STAYS] for row in range(len(rows))]
        others = [self.scene.stays[stay], *stays[1:]]
        if way == "set":
            # No Arrow column holds a float beside an int above 2^53.
            stays, others = ([without_floats(keys) for keys in each] for each in (stays, others))
        ones, at = [entity for entity, _ in labels], [at for _, at in labels]
        both = Rows(self.scene, ones, stays, others, at, each)
        wanted = both.expected()
        found = self.scene.run(read_roles(self.scene.servers[server], both, way, bound))
        assert (of_few(wanted) if way == "set" else wanted) == found

    @step(
        entity=NAMED,
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
        entity_id, given = self._named(entity)
        keys = self._features_of(entity)
        name, version = keys[which % len(keys)]
        now = self.scene.clock.now
        first = None if start is None else (now // SLOT - start) * SLOT
        last = None if end is None else (now // SLOT - end) * SLOT
        found, token = [], ""
        for _ in range(200):
            page = self.scene.run(
                self.scene.servers[server].page_feature_history(
                    **given,
                    feature_name=f"{name}@{version}",
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
            entity_id,
            (name, version),
            now,
            start=first,
            end=last,
            limit=limit,
            corrections=corrections,
        )
        assert wanted == found

    def check(self) -> None:
        """Law 6: on one server things by their ids, on the other things and stays, in roles, by keys; then in turn."""
        scene, self.turn = self.scene, self.turn + 1
        plain, other = scene.servers if self.turn % 2 else scene.servers[::-1]
        stays = [scene.stays[(self.turn + row) % STAYS] for row in range(3)]
        rows = Rows(scene, scene.entities, stays, [stays[-1], *stays[1:]])

        async def read() -> tuple[Shown, Shown]:
            return await asyncio.gather(read_online(plain, scene), read_roles_online(other, rows))

        things, of_roles = scene.run(read())
        assert expected(scene, [(entity, None) for entity in scene.entities]) == things
        assert rows.expected() == of_roles

    def close(self) -> None:
        """The scene ends."""
        self._stack.close()

    def end(self) -> None:
        """Law 1 at the end: online, the past read at now, and all of history tell one story."""
        scene, now = self.scene, self.scene.clock.now
        store = scene.servers[0]
        wanted = expected(scene, [(entity, None) for entity in scene.entities])
        at_now = scene.run(store.get_historical_features(scene.entities, list(scene.references)))
        assert wanted == shown(reads_of(scene.entities, at_now.columns))
        rows = Rows(scene, [scene.entities[each % 3] for each in range(STAYS)], scene.stays, scene.stays[::-1])
        assert rows.expected() == scene.run(read_roles_at_now(store, rows))
        by_id = scene.run(read_online(store, scene, scene.stay_ids, scene.of_stays))
        assert expected(scene, [(entity, None) for entity in scene.stay_ids], of=scene.of_stays) == by_id
        asked = [
            (entity, key, corrections)
            for entity in (0, 1, 2, 3, 4, 5, 6, 7)
            for key in self._features_of(entity)
            for corrections in (False, True)
        ]

        async def read() -> list[FeatureHistory]:
            async def history(entity: int, key: Key, corrections: bool) -> FeatureHistory:
                given = self._named(entity)[1]
                return await store.get_feature_history(
                    **given, feature_name=f"{key[0]}@{key[1]}", corrections=corrections
                )

            return await asyncio.gather(*(history(*each) for each in asked))

        for (entity, key, corrections), history in zip(asked, scene.run(read()), strict=True):
            wanted_history = self.oracle.history(self._named(entity)[0], key, now, corrections=corrections)
            assert wanted_history == stored_in(history)

    def _named(self, entity: int) -> tuple[str, dict[str, Any]]:
        """The id of an entity, and the arguments that name it: a stay by its keys, two of them by their ids."""
        if entity < 3:
            return self.scene.entities[entity], {"entity_id": self.scene.entities[entity]}
        keys = self.scene.stays[entity - 3]
        entity_id = self.scene.id_of[keys] or ""
        given: Any = entity_id if entity in (4, 6) else by_keys(keys)
        return entity_id, {"entity_id": given, "entity_type": STAY.name}

    def _features_of(self, entity: int) -> list[Key]:
        """The features that an entity of this number may have values of."""
        if entity >= 3:
            return [("nights", 1), ("onward", 1), ("tally", 1), ("home", 1)]
        return [each.key for each in self.oracle.features.values() if each.entity_type != STAY.name]

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
        assert len(judged.units) == report.sent
        assert len(report.verdicts) == report.rejected
        for verdict in report.verdicts:
            reasons = judged.units[verdict.row, None if verdict.column < 0 else _key_of(request, verdict.column)]
            assert verdict.reason.name in reasons

    def _delete(self, entity: int, names: list[str] | tuple[()], slot: int | None, server: int) -> None:
        now, store = self.scene.clock.now, self.scene.servers[server]
        through = None if slot is None else (now // SLOT - slot) * SLOT
        entity_id, given = self._named(entity)
        wanted = self.oracle.delete(entity_id, names, through, now)
        work: Coroutine[Any, Any, Any] = (
            store.delete_feature_values(**given, features=names, deleted_through=through)
            if names
            else store.delete_entity(**given, deleted_through=through)
        )
        done = self.scene.run(work)
        assert (wanted, True) == (done.deleted_through, done.cleaned)


def _key_of(request: WriteRequest, column: int) -> tuple[str, int]:
    return request.columns[column].name, request.columns[column].version


def test_two_servers_answer_what_the_oracle_says(arena: Arena, examples: settings) -> None:
    """Writes of every kind, replays, deletions, purges, new versions and restarts, in any order."""
    play(partial(StoreMachine, arena), StoreMachine, examples)
