"""Names that an unknown name may have been meant for. The time for one is bounded, however many names there are."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from itertools import chain, islice

_SCANNED = 10_000
_COMPARED = 100
_LENGTH = 64
_CHARACTERS = string.ascii_lowercase + string.digits + "_"


def did_you_mean(name: str, known: Collection[str], otherwise: str) -> str:
    """The fix for an unknown name: a question with up to three of the `known` names that are alike, or `otherwise`.

    known: of more than 10,000 names those one keystroke away are found; a dict or set answers that without a scan.
    """
    return question(close_names(name, known), otherwise)


def question(found: Collection[str], otherwise: str) -> str:
    """Whether one of these names was meant; `otherwise` if there is none."""
    return f"did you mean {' or '.join(map(repr, found))}?" if found else otherwise


def close_names(name: str, known: Collection[str]) -> list[str]:
    """Up to three of the `known` names that are alike, the nearest first."""
    meant = name[:_LENGTH].lower()
    candidates = chain(
        (each for each in one_keystroke_away(meant) if each in known) if len(known) > _SCANNED else (),
        (each for each in islice(known, _SCANNED) if _may_be_alike(each, meant)),
    )
    return get_close_matches(meant, list(dict.fromkeys(islice(candidates, _COMPARED))), cutoff=0.7)


def _may_be_alike(known: str, meant: str) -> bool:
    return abs(len(known) - len(meant)) <= len(meant) // 2 and (known[:2] == meant[:2] or known[-2:] == meant[-2:])


def one_keystroke_away(name: str) -> Iterator[str]:
    """Texts with a character more, less or different, or two that change places."""
    for at in range(len(name) + 1):
        before, after = name[:at], name[at:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for character in _CHARACTERS:
            yield before + character + after
            yield before + character + after[1:]
