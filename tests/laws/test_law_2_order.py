"""Law 2: any order, duplication and interleaving of the same requests leaves the same readable state."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from featurama_core.types.writes import WriteMode

from .oracle import SECOND
from .scene import Arena, Scene
from .strategies import DrawnRequest, requests
from .wire import Story, request_of, story

Sent = list[tuple[DrawnRequest, str]]


def written(scene: Scene, rounds: list[list[int]], sent: Sent, other_mode: bool) -> Story:
    """Write requests in rounds, those of a round at once, by two servers in turn; -> what can be read then."""

    async def write() -> None:
        for numbers in rounds:
            async with asyncio.TaskGroup() as writers:
                for number in numbers:
                    drawn, request_id = sent[number]
                    rows = drawn.placed(scene)
                    mode = WriteMode(3 - drawn.mode) if other_mode else drawn.mode
                    request = request_of(rows, request_id, scene.oracle, whole_rows=drawn.whole_rows, mode=mode)
                    writers.create_task(scene.servers[number % 2].write(request))

    scene.run(write())
    scene.clock.advance(SECOND)
    return scene.run(story(scene.servers[0], scene))


def test_the_order_of_requests_does_not_matter(arena: Arena, examples: settings) -> None:
    """Once in order, one after another; then shuffled, each up to three times, several at once, in the other mode."""

    @settings(examples, max_examples=examples.max_examples // 2)
    @given(
        drawn=st.lists(requests(range(3), "growing", pinned=True), min_size=2, max_size=8),  # type: ignore[arg-type]
        shuffle=st.randoms(use_true_random=False),
    )
    def check(drawn: list[DrawnRequest], shuffle: object) -> None:
        with arena.scene(grows=False) as first, arena.scene(grows=False) as second:
            sent = [(each, first.new_id(each.delay)) for each in drawn]
            one_by_one = [[number] for number in range(len(sent))]
            again = [number for number in range(len(sent)) for _ in range(shuffle.randint(1, 3))]  # type: ignore[attr-defined]
            shuffle.shuffle(again)  # type: ignore[attr-defined]
            rounds = [again[at : at + 3] for at in range(0, len(again), 3)]
            assert written(first, one_by_one, sent, False) == written(second, rounds, sent, True)

    check()
