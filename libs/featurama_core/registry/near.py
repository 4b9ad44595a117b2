"""Names that unknown names of features may have been meant for, found with a few bounded reads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.alike import one_keystroke_away

_FEW = 1_000
"""Names of a namespace that are compared all."""
_GUESSED = 3
"""Unknown names of one read that are looked for among more names."""
_SAME_BEGINNING = 50


async def alike(storage: NamespaceStorage, unknown: Sequence[str]) -> dict[str, Collection[str]]:
    """Unknown name -> names that it may mean. Of a large namespace: those one keystroke away, those that follow in
    order, and the first ones.
    """
    names = await storage.list_feature_names(None, "", _FEW + 1)
    if len(names) <= _FEW:
        return dict.fromkeys(unknown, names)
    found: dict[str, Collection[str]] = {}
    for name in unknown[:_GUESSED]:
        typed = await storage.known_feature_names(list(dict.fromkeys(one_keystroke_away(name))))
        next_ones = await storage.list_feature_names(None, name[: -(len(name) // 4) or None], _SAME_BEGINNING)
        found[name] = list(dict.fromkeys([*sorted(typed), *next_ones, *islice(names, _SAME_BEGINNING)]))
    return found
