"""Deletions of an entity that has marks already, and ones whose cleaning fails: the mark alone makes them true."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.storage.layouts import Layout, tombstone_id
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.errors import InvalidInput, OutcomeUnknown, Reason, StoreUnavailable
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import ValueType

from .standing_clock import SECOND, Unique, answers, store_over, write


def names_in_order(unique: Unique) -> tuple[str, str]:
    """Two features, such that the mark of the first lies before the cell of the second."""
    names = (unique(f"f{number}") for number in itertools.count())
    for first, second in itertools.pairwise(names):
        if tombstone_id(first) < Layout.of([FeatureDefinition(second, ValueType.TEXT)]).layout_id:
            return first, second
    raise AssertionError


async def test_a_mark_of_another_feature_hides_no_cell_from_a_deletion(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """The value ahead of the clock is deleted with the others, and its bytes are gone."""
    (marked, held), fry = names_in_order(unique), unique("fry")
    for name in (marked, held):
        await store.register_feature(name, "text")
    await store.delete_feature_values(fry, [marked])
    await write(store, held, [(fry, clock.now + 2 * SECOND, "secret")])
    assert b"secret" in b"".join((await namespace.read_cells([fry])).cells)
    deletion = await store.delete_feature_values(fry, [held])
    assert (clock.now + 2 * SECOND, True) == (deletion.deleted_through, deletion.cleaned)
    assert [[("NOT_FOUND", None)]] == answers(await store.get_online_features([fry], [held]))
    assert b"secret" not in b"".join((await namespace.read_cells([fry])).cells)


async def test_a_deletion_that_lies_in_the_future_is_refused(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Later values would vanish unseen; the newest stored moment itself is no future."""
    tally, fry = unique("tally"), unique("fry")
    await store.register_feature(tally, "int")
    await write(store, tally, [(fry, clock.now + SECOND, 1)])
    with pytest.raises(InvalidInput, match="lies in the future") as refused:
        await store.delete_feature_values(fry, [tally], clock.now + SECOND + 1)
    assert Reason.EVENT_TIME_IN_FUTURE == refused.value.reason
    deletion = await store.delete_feature_values(fry, [tally], clock.now + SECOND)
    assert clock.now + SECOND == deletion.deleted_through


class Uncleaned:
    """A storage whose cleaning fails."""

    def __init__(self, inner: NamespaceStorage, error: Exception) -> None:
        self._inner = inner
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def clean(self, *_: object) -> None:
        """Nothing is cleaned."""
        raise self._error


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OutcomeUnknown("late")], ids=["away", "late"])
async def test_a_deletion_that_could_not_be_cleaned_holds_and_says_so(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique, error: Exception
) -> None:
    """What it covers is invisible at once; the same call cleans later."""
    tally, fry, now = unique("tally"), unique("fry"), clock.now
    await store.register_feature(tally, "int")
    await write(store, tally, [(fry, now - SECOND, 1)])
    failing = store_over(Uncleaned(namespace, error), clock)  # type: ignore[arg-type]
    for features in ([tally], []):
        deletion = await (failing.delete_feature_values(fry, features) if features else failing.delete_entity(fry))
        assert (now, False) == (deletion.deleted_through, deletion.cleaned)
        assert [[("NOT_FOUND", None)]] == answers(await store.get_online_features([fry], [tally]))
    again = await store.delete_feature_values(fry, [tally])
    assert (now, True) == (again.deleted_through, again.cleaned)
