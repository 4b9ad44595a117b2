"""JSON that callers write. Python, and most other readers, keep the last value of a key that appears twice: the first
would be lost without a word.
"""

from __future__ import annotations

import json
from typing import Any

from featurama_core.types.errors import InvalidInput

_SHOWN = 80


def json_object(value: object, field: str) -> str:
    """A mapping as the text of a JSON object. InvalidInput for anything else, and for what no JSON can hold."""
    try:
        return json.dumps(dict(value), allow_nan=False, sort_keys=True)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{field} must be a JSON object", field=field) from error


def read_json(text: str | bytes, what: str, field: str) -> Any:
    """The value of a JSON text.

    Raises InvalidInput, with the key, for an object that has a key twice, and ValueError for a text that is not JSON or
    is nested too deeply. what: the text, for the message. field: of the error.
    """

    def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)[:_SHOWN]
            raise InvalidInput(f"{what} has the key {twice!r} twice; keep one", field=field)
        return found

    try:
        return json.loads(text, object_pairs_hook=distinct)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
