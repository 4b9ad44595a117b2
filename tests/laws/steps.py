"""Runs of drawn steps against an oracle.

What a step names are positions, so it does not depend on the steps before it: a run is a list, which hypothesis draws
at once. Its own state machines switch most rules off in a run, and after the first examples of a test it repeats parts
of earlier ones: of 40 such runs few had more than one kind of step. Here each seed has few examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from hypothesis import given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

F = TypeVar("F", bound=Callable[..., None])
_DRAWN = "__drawn__"
_RUNS_OF_A_SEED = 8
Step = tuple[str, dict[str, Any]]


class Machine(Protocol):
    """What steps are done to. It has just begun."""

    def check(self) -> None:
        """What holds at the begin and after every step."""

    def end(self) -> None:
        """What holds after the last step."""

    def close(self) -> None:
        """Leave nothing behind."""


def step(**drawn: SearchStrategy[Any]) -> Callable[[F], F]:
    """A method of a machine that is a step, and what its arguments are drawn from."""

    def marked(method: F) -> F:
        setattr(method, _DRAWN, drawn)
        return method

    return marked


def play(make: Callable[[], Machine], kind: type[Machine], examples: settings) -> None:
    """Runs of `examples.stateful_step_count` steps of a kind of machine, three for every five examples."""
    marked = [(name, getattr(method, _DRAWN)) for name, method in vars(kind).items() if hasattr(method, _DRAWN)]
    steps = st.one_of([st.tuples(st.just(name), st.fixed_dictionaries(drawn)) for name, drawn in marked])
    count = examples.stateful_step_count
    # The first example of a test is always the simplest: no step.
    runs = st.sampled_from([0, *[count] * 31]).flatmap(lambda size: st.lists(steps, min_size=size, max_size=size))

    def run(steps: list[Step]) -> None:
        machine = make()
        try:
            machine.check()
            for name, drawn in steps:
                getattr(machine, name)(**drawn)
                machine.check()
            machine.end()
        finally:
            machine.close()

    first = 0 if examples.derandomize else random.randrange(2**32)
    left = examples.max_examples * 3 // 5
    while left > 0:
        of_seed = min(left, _RUNS_OF_A_SEED)
        seed(first + left)(settings(examples, max_examples=of_seed + 1)(given(steps=runs)(run)))()
        left -= of_seed
