"""Law 9: a training set with a settled known_at has the same bytes before and after later writes and corrections."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracle import SECOND, SETTLING
from .scene import Arena, Scene
from .strategies import SLOT, DrawnRequest, requests
from .wire import write_all

# Not the group with a retention: "only deletion and retention change it".
FEATURES = ["level@1", "level@2", "tally", "note", "flag", "shape", "pace", "link", "home.pace", "link.level@1"]


def training_set(scene: Scene, server: int, labels: dict[str, object], known_at: int) -> bytes:
    """Arrow IPC bytes of a training set, statuses and event times included."""
    store = scene.servers[server]
    features = [*FEATURES, scene.growing]
    read = scene.run(store.get_historical_features(labels, features, known_at=known_at))
    sink = pa.BufferOutputStream()
    table = read.to_arrow(statuses=True, event_times=True)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def test_a_training_set_is_the_same_after_later_writes(arena: Arena, examples: settings) -> None:
    """Also for a feature named without its version, after a newer version was registered."""
    writes = st.lists(requests(range(3), "growing", bad=False), min_size=1, max_size=6)  # type: ignore[arg-type]

    @settings(examples, max_examples=examples.max_examples // 2)
    @given(
        before=writes,
        after=writes,
        labels=st.lists(st.tuples(st.integers(0, 2), st.integers(-10, 400)), min_size=1, max_size=8),
        back=st.sampled_from([0, 1, 30 * SECOND]),
    )
    def check(before: list[DrawnRequest], after: list[DrawnRequest], labels: list[tuple[int, int]], back: int) -> None:
        with arena.scene() as scene:
            write_all(scene, before)
            scene.clock.advance(SETTLING + 60 * SECOND)
            known_at = scene.clock.now - SETTLING - back
            rows: dict[str, object] = {
                "entity_id": [scene.entities[entity] for entity, _ in labels],
                "timestamp": np.array(
                    [(scene.clock.now // SLOT - slot // 4) * SLOT + slot % 4 - 1 for _, slot in labels],
                    dtype="datetime64[us]",
                ),
                "label": np.arange(len(labels), dtype=np.float64),
            }
            first = training_set(scene, 0, _zoned(rows), known_at)
            scene.grow()
            write_all(scene, after)
            scene.clock.advance(SECOND)
            write_all(scene, before)
            scene.restart(1)
            assert first == training_set(scene, 1, _zoned(rows), known_at)

    check()


def _zoned(rows: dict[str, object]) -> dict[str, object]:
    return {**rows, "timestamp": pa.array(rows["timestamp"]).cast(pa.timestamp("us", "UTC"))}
