"""Laws 1, 3, 6 and 9 while ttl and retention change: two servers with clocks and caches of their own answer what the
oracle says, each at its own now.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from hypothesis import note, settings
from hypothesis import strategies as st
from tests.opened import OpenedStore

from featurama_core.ingest.purge import purge
from featurama_core.namespace import Namespace
from featurama_core.types.errors import Reason
from featurama_core.types.times import Duration

from .oracle import SECOND, SETTLING, SKEW, Feature, Oracle, Revision, Row, Value, canonical, ingest_time
from .scene import STANDING, Arena, FakeClock
from .steps import play, step
from .wire import Shown, reads_of, request_of, shown, stored_in

HOUR = 3_600 * SECOND
TTL, RETENTION = 2 * HOUR, 3 * HOUR
LEAD = (2 + 2 * 5 + 10) * SECOND
SKEWS = (-2_500_000, 2_500_000)
"""Of the servers' clocks, microseconds: within max_clock_skew of each other."""
SERVER, ENTITY = st.integers(0, 1), st.integers(0, 1)
ANCHOR, BESIDE = st.integers(0, 20), st.sampled_from([-1, 0, 0, 1, 600 * SECOND, -1_700 * SECOND])


class SkewedClock:
    """The wall clock of one server."""

    def __init__(self, true: FakeClock, skew: int) -> None:
        self._true, self._skew = true, skew

    def __call__(self) -> int:
        return self._true.nanos + self._skew * 1_000


class RevisionMachine:
    """Two servers, the true time, and one group whose ttl and retention change."""

    def __init__(self, arena: Arena) -> None:
        self._stack = ExitStack()
        self.scene = self._stack.enter_context(arena.scene(grows=False))
        self.clock = self.scene.clock
        self.entities = self.scene.entities[:2]
        suffix = self.entities[0]
        self.group, self.heat, self.link = f"shift_{suffix}", f"heat_{suffix}", f"link_{suffix}"
        first = {"ttl": TTL, "retention": RETENTION, "group": self.group}
        self.oracle = Oracle(
            [Feature(self.heat, 1, "double", **first), Feature(self.link, 1, "text", references="thing", **first)]
        )
        self.revisions = self.oracle.revisions[self.group] = []
        self.servers = [self._server(which) for which in (0, 1)]
        self._begin()

    def _server(self, which: int) -> OpenedStore:
        space = Namespace(
            self.scene.namespace,
            self.scene.storages[which],
            STANDING,
            SkewedClock(self.clock, SKEWS[which]),
            lambda: self.clock.nanos / 1e9,
        )
        return OpenedStore(space)

    def _begin(self) -> None:
        """Both servers know the first revision."""
        note(f"scene {self.scene.namespace}, now {self.clock.now}")
        store, run = self.servers[0], self.scene.run
        ages = {"ttl": Duration(TTL), "retention": Duration(RETENTION)}
        run(store.register_feature_group(self.group, "thing", **ages))  # type: ignore[arg-type]
        run(store.register_feature(self.heat, "double", group=self.group))
        run(store.register_feature(self.link, "text", group=self.group, references="thing"))
        self.clock.advance(3 * SECOND)

    @step(
        ttl=st.sampled_from([None, HOUR, TTL]),
        retention=st.sampled_from([None, None, TTL, RETENTION, 5 * HOUR]),
        server=SERVER,
    )
    def change(self, ttl: int | None, retention: int | None, server: int) -> None:
        """A revision, from either server: it starts after the lead by that server's clock."""
        last = self.revisions[-1] if self.revisions else Revision(-(2**62), TTL, RETENTION)
        made = self.scene.run(
            self.servers[server].update_feature_group(
                self.group,
                ttl=None if ttl is None else Duration(ttl),  # type: ignore[arg-type]
                retention=None if retention is None else Duration(retention),  # type: ignore[arg-type]
                confirmed=True,
            )
        )
        if (ttl, retention) != (last.ttl, last.retention):
            self.revisions.append(Revision(max(self._now(server) + LEAD, last.start + 1), ttl, retention))
        assert len(self.revisions) + 1 == made.revision
        assert not self.revisions or self.revisions[-1].start == made.start

    @step(
        drawn=st.lists(
            st.tuples(ENTITY, ANCHOR, BESIDE, st.sampled_from([None, 1.5, 2.5, "link", "link"])), min_size=1, max_size=5
        ),
        server=SERVER,
    )
    def write(self, drawn: list[tuple[int, int, int, Value]], server: int) -> None:
        """Values whose event times lie at a bound of a revision, or beside it."""
        now = self._now(server)
        for entity, anchor, beside, value in drawn:
            time = min(self._anchor(anchor, server) + beside, now + SKEW)
            name = self.heat if value != "link" else self.link
            target = self.entities[1 - entity] if value == "link" else value
            rows = [Row(self.entities[entity], time, {(name, 1): target})]
            request_id = self.scene.new_id(0)
            judged = self.oracle.write(rows, ingest_time(int(request_id.replace("-", ""), 16)), now, whole_rows=True)
            request = request_of(rows, request_id, self.oracle, whole_rows=True)
            report = self.scene.run(self.servers[server].write(request))
            assert (judged.accepted, judged.rejected) == (report.accepted, report.rejected)
            assert all(verdict.reason is Reason.PAST_RETENTION for verdict in report)

    @step(dt=st.sampled_from([1, SECOND, 21 * SECOND, 150 * SECOND, 600 * SECOND, 1_700 * SECOND, HOUR]))
    def wait(self, dt: int) -> None:
        """Time goes by."""
        self.clock.advance(dt)

    @step(server=SERVER, which=st.integers(0, 3), beside=st.sampled_from([-1, 0, 1]))
    def arrive(self, server: int, which: int, beside: int) -> None:
        """A start, or the moment at which a value is too old, by the clock of one server."""
        times = {time for history in self.oracle.values.values() for time, _ in history}
        moments = {time + age for time in times for age in self._ages()} | {each.start for each in self.revisions}
        ahead = sorted(each for moment in moments if (each := moment + beside - self._now(server)) > 0)
        if ahead:
            self.clock.advance(ahead[which % len(ahead)])

    @step(server=SERVER)
    def purge(self, server: int) -> None:
        """Removes nothing that either server may show, now or later."""
        self.scene.run(purge(self.servers[server].space))

    @step(server=SERVER)
    def restart(self, server: int) -> None:
        """A server forgets the definitions that it knew."""
        self.servers[server] = self._server(server)

    @step(
        labels=st.lists(st.tuples(ENTITY, ANCHOR, BESIDE), min_size=4, max_size=12),
        known=st.one_of(st.none(), st.just("label"), st.tuples(ANCHOR, st.sampled_from([-1, 0, 1]))),
        strategy=st.sampled_from(["point in time", "point in time", "scan", "lookup", "seek", "values only"]),
        pinned=st.sampled_from([None, 1, 2, 3]),
        server=SERVER,
    )
    def read_the_past(
        self,
        labels: list[tuple[int, int, int]],
        known: str | tuple[int, int] | None,
        strategy: str,
        pinned: int | None,
        server: int,
    ) -> None:
        """With a known_at, the ttl in force then; without, that of the server's now. A single read may pin it."""
        store, now = self.servers[server], self._now(server)
        settled = now - SETTLING
        latest = settled if known == "label" else now + SKEW
        rows = [
            (self.entities[entity], min(self._anchor(anchor, server) + beside, latest))
            for entity, anchor, beside in labels
        ]
        known_at: int | str | None = None if known is None else "label"
        each: list[int | None] = [time for _, time in rows] if known == "label" else [None] * len(rows)
        if isinstance(known, tuple):
            known_at = min(self._anchor(known[0], server) + known[1], settled)
            each = [known_at] * len(rows)
        pins = {self.group: pinned} if pinned is not None and strategy == "point in time" else {}
        wanted = self._expected(rows, now, each, pins)
        ids, times = [entity for entity, _ in rows], [time for _, time in rows]
        if strategy == "point in time":
            read = store.point_in_time(
                ids,
                np.array(times, dtype=np.int64),
                features=self._references(),
                known_at=known_at,  # type: ignore[arg-type]
                ttl_revisions=pins,
            )
            answer = self.scene.run(read)
            assert wanted == shown(reads_of(answer.entity_ids, answer.columns))
            return
        made = store.training_set(
            {"entity_id": ids, "timestamp": times},
            self._references(),
            known_at=known_at,  # type: ignore[arg-type]
            time_unit="us",
            statuses=strategy != "values only",
            strategy="auto" if strategy == "values only" else strategy,  # type: ignore[arg-type]
        )
        table = self.scene.run(_columns(made))
        for reference in self._references():
            name = reference.replace("@1", "")
            statuses, texts, _ = zip(*(wanted[row, reference] for row in range(len(rows))), strict=True)
            assert list(texts) == [canonical(value) for value in table[name]]
            if strategy != "values only":
                assert list(statuses) == table[f"{name}__status"]

    @step(entity=ENTITY, corrections=st.booleans(), server=SERVER)
    def read_history(self, entity: int, corrections: bool, server: int) -> None:
        """Retention applies, ttl does not."""
        read = self.servers[server].get_feature_history(self.entities[entity], self.heat, corrections=corrections)
        wanted = self.oracle.history(self.entities[entity], (self.heat, 1), self._now(server), corrections=corrections)
        assert wanted == stored_in(self.scene.run(read))

    def check(self) -> None:
        """Law 1, on each server at its own now."""
        rows: list[tuple[str, int | None]] = [(entity, None) for entity in self.entities]
        for which, store in enumerate(self.servers):
            wanted = self._expected(rows, self._now(which), [None] * len(rows))
            for read in (
                store.get_online_features(self.entities, self._references()),
                store.get_historical_features(self.entities, self._references()),
            ):
                answer = self.scene.run(read)  # type: ignore[arg-type]
                assert wanted == shown(reads_of(self.entities, answer.columns))

    def end(self) -> None:
        """Nothing more than after each step."""

    def close(self) -> None:
        """The scene ends."""
        self._stack.close()

    def _now(self, server: int) -> int:
        return self.clock.now + SKEWS[server]

    def _anchor(self, number: int, server: int) -> int:
        """A moment at which something changes: now, a start, or the end of a retention or ttl."""
        now = self._now(server)
        anchors = [now, *(each.start for each in self.revisions), *(now - age for age in self._ages())]
        return anchors[number % len(anchors)]

    def _ages(self) -> list[int]:
        """The lengths of all ttls and retentions so far."""
        later = (age for each in self.revisions for age in (each.ttl, each.retention) if age)
        return list(dict.fromkeys([TTL, RETENTION, *later]))

    def _references(self) -> list[str]:
        return [f"{self.heat}@1", f"{self.link}@1", f"{self.link}@1.{self.heat}@1"]

    def _expected(
        self,
        rows: list[tuple[str, int | None]],
        now: int,
        known: list[int | None],
        pins: Mapping[str, int] | None = None,
    ) -> Shown:
        heat, link = (self.heat, 1), (self.link, 1)
        self.oracle.pins = pins or {}
        reads = {}
        for number, ((entity, at), known_at) in enumerate(zip(rows, known, strict=True)):
            for reference, key in zip(self._references(), (heat, link), strict=False):
                reads[number, reference] = self.oracle.read(entity, key, now, at=at, known_at=known_at)
            reads[number, self._references()[2]] = self.oracle.follow(
                entity, (link, heat), now, at=at, known_at=known_at
            )
        return shown(reads)


async def _columns(made: Any) -> dict[str, list[Value]]:
    columns: dict[str, list[Value]] = (await (await made).to_arrow()).to_pydict()
    return columns


def test_servers_with_clocks_and_caches_of_their_own_agree_with_the_oracle(arena: Arena, examples: settings) -> None:
    """Revisions in the middle of writes, reads, purges, restarts and known_at sets."""
    play(partial(RevisionMachine, arena), RevisionMachine, examples)
