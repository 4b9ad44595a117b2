"""What readiness makes of an online service that has too much to do, fails or does not answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from featurama.errors import FeaturamaError, Overloaded, StoreUnavailable
from featurama_gateway.readiness import Readiness, Ready

WELL = Ready(connected=True, loaded=True)
FALLEN_BACK = Ready(connected=True, loaded=True, degraded=True)


class Scripted:
    """An online service that serves, whose predictions and whose model are as they are set: an error is raised."""

    def __init__(self) -> None:
        self.serving: Any = True
        self.prediction: Any = None
        self.state: Any = "loaded"

    async def in_namespace(self, _: str) -> Scripted:
        return self

    async def is_serving(self, _: str) -> bool:
        return bool(_answer(self.serving))

    async def predict(self, *_: object, **__: object) -> None:
        _answer(self.prediction)

    async def get_model(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(state=_answer(self.state))


def _answer(scripted: Any) -> Any:
    if isinstance(scripted, BaseException):
        raise scripted
    return scripted


@pytest.fixture
def online() -> Scripted:
    return Scripted()


@pytest.fixture
def readiness(online: Scripted) -> Readiness:
    """Its answers are never young enough to be used again."""
    ticks = iter(range(1_000_000))
    return Readiness(online, "m", max_age=0.5, monotonic=lambda: float(next(ticks)))  # type: ignore[arg-type]


async def test_an_overloaded_service_is_as_ready_as_it_was(online: Scripted, readiness: Readiness) -> None:
    """A busy gateway that is taken out of service makes the others busier; one that was never ready is not made so."""
    online.prediction = Overloaded("busy")
    assert Ready(connected=True) == await readiness.of("default")
    online.prediction = None
    assert WELL == await readiness.of("default")
    online.prediction = Overloaded("busy")
    assert WELL == await readiness.of("default")
    assert Ready(connected=True) == await readiness.of("another")


@pytest.mark.parametrize("error", [StoreUnavailable("away"), FeaturamaError("no model"), TimeoutError()])
async def test_any_other_failure_of_a_prediction_is_not_ready(
    online: Scripted, readiness: Readiness, error: Exception
) -> None:
    """And it is ready again with the first prediction that works."""
    assert WELL == await readiness.of("default")
    online.prediction = error
    assert Ready(connected=True) == await readiness.of("default")
    online.prediction = None
    assert WELL == await readiness.of("default")


@pytest.mark.parametrize("serving", [False, TimeoutError()])
async def test_a_service_that_does_not_serve_is_not_connected(
    online: Scripted, readiness: Readiness, serving: object
) -> None:
    """What was known before does not count then."""
    assert WELL == await readiness.of("default")
    online.serving = serving
    assert Ready() == await readiness.of("default")


async def test_a_model_that_fell_back_to_an_earlier_version_is_degraded_until_its_alias_can_be_used(
    online: Scripted, readiness: Readiness
) -> None:
    """While the state of the model is not known, the last known one counts."""
    online.state = "unusable"
    assert FALLEN_BACK == await readiness.of("default")
    online.state = StoreUnavailable("away")
    assert FALLEN_BACK == await readiness.of("default")
    online.state = "loaded"
    assert WELL == await readiness.of("default")
    online.state = TimeoutError()
    assert WELL == await readiness.of("default")


async def test_of_many_namespaces_the_least_recently_used_is_forgotten(online: Scripted, readiness: Readiness) -> None:
    """Names come from callers: what is remembered of them is bounded, and those in use stay."""
    assert WELL == await readiness.of("kept")
    assert WELL == await readiness.of("forgotten")
    for number in range(62):
        await readiness.of(f"n{number}")
    await readiness.of("kept")
    await readiness.of("one_more")
    online.prediction = Overloaded("busy")
    assert WELL == await readiness.of("kept")
    assert Ready(connected=True) == await readiness.of("forgotten")
