"""Law 5 at the storage port, on every adapter: the n-th changing call fails or stalls, for every n and every way."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from tests.laws.scene import Arena

from .play import check_finished, check_interrupted, play, script, unfinished
from .stalling import until_stalled
from .storage import Fault, FaultyStorage, Meddling


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
def test_a_fault_at_any_call_loses_nothing_acknowledged_and_can_be_sent_again(arena: Arena, fault: Fault) -> None:
    """A healthy server finishes what the faulty one left."""
    number, hit = 0, True
    met: list[str] = []
    while hit:
        with arena.scene(grows=False) as scene:
            meddling = Meddling(fault, number)
            faulty = scene.server(FaultyStorage(scene.storages[0], meddling))  # type: ignore[arg-type]
            steps = script(scene)

            async def deadline(work: Awaitable[object], meddling: Meddling = meddling) -> object:
                try:
                    return await until_stalled(work, meddling.stalled)
                finally:
                    meddling.stalled.clear()

            played = scene.run(play(scene, faulty, steps, interruptible=deadline))
            hit = number < len(meddling.calls)
            if hit:
                met.append(meddling.calls[number])
            healthy = scene.servers[1]
            scene.run(check_interrupted(scene, healthy, steps, played))
            again = scene.run(play(scene, healthy, steps, only=unfinished(steps, played)))
            assert unfinished(steps, played) == sorted({*again.acknowledged, *again.deleted})
            scene.run(check_finished(scene, healthy, steps))
        number += 1
    assert {"write", "put_layouts", "put_tombstone", "clean"} <= set(met)
