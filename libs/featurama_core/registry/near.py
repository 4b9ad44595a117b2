"""Names that unknown names of features may have been meant for, found with a few bounded reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from featurama_core.registry.snapshot import UNKNOWN_NAME
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.alike import close_names, one_keystroke_away, question

_FEW = 1_000
"""Names of a namespace that are compared all."""
_GUESSED, _GUESSED_AMONG_MANY = 32, 3
"""Unknown names of one read that are guessed."""
_NEXT = 50


async def fixes(storage: NamespaceStorage, unknown: Sequence[str]) -> dict[str, str]:
    """Unknown name -> a question with names that it may mean, for the first of them. In a large namespace these are one
    keystroke away, or follow in order.
    """
    names = await storage.list_feature_names(None, "", _FEW + 1)
    if len(names) <= _FEW:
        close = await asyncio.to_thread(_close, unknown[:_GUESSED], names)
    else:
        close = {each: close_names(each, await _near(storage, each)) for each in unknown[:_GUESSED_AMONG_MANY]}
    found = await storage.read_features(sorted({name for of_one in close.values() for name in of_one}))
    there = {each.name for each in found if not each.deleted}
    return {name: question([each for each in of_one if each in there], UNKNOWN_NAME) for name, of_one in close.items()}


def _close(unknown: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    return {each: close_names(each, names) for each in unknown}


async def _near(storage: NamespaceStorage, name: str) -> list[str]:
    typed = await storage.known_feature_names(list(dict.fromkeys(one_keystroke_away(name))))
    beginning = name[: -(len(name) // 4) or None]
    return list(dict.fromkeys([*sorted(typed), *await storage.list_feature_names(None, beginning, _NEXT)]))
