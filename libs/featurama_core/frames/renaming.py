"""Columns under new names: the names of values and label rows are changed before anything else reads them."""

from __future__ import annotations

from collections.abc import Sequence

from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import InvalidInput


def check_renames(rename: Sequence[tuple[str, str]], names: Sequence[str]) -> None:
    """Raise InvalidInput for a renamed column that is not among these."""
    for name, _ in rename:
        if name not in names:
            fix = did_you_mean(name, names, f"there are {', '.join(map(str, names[:20]))}")
            raise InvalidInput(f"there is no column {name!r} to rename; {fix}", field="rename")


def renamed(rename: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
    """The new names of columns, in their order. InvalidInput for an unknown column or two of one name."""
    check_renames(rename, names)
    new = dict(rename)
    found = [new.get(name, name) for name in names]
    for name in found:
        if found.count(name) > 1:
            raise InvalidInput(f"column {name!r} appears twice; keep or rename one", field=name)
    return found
