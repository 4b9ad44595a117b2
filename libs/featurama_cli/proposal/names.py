"""Names of definitions from names of columns and files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import RESERVED_NAMES, check_name

_LENGTH = 63
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def name_of(text: str, otherwise: str, taken: Collection[str] = ()) -> str:
    """A valid name that reads like a text: `userId` is `user_id`. otherwise: for a text without Latin letters.

    taken: names that it must differ from.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = "_".join(re.findall("[a-z0-9]+", _HUMPS.sub("_", plain).lower())) if not _is_name(text) else text
    if name in RESERVED_NAMES:
        name = f"source_{name}"
    if name and not name[0].isalpha():
        name = f"n_{name}"
    name = name[:_LENGTH].rstrip("_") or otherwise
    found, number = name, 1
    while found in taken:
        number += 1
        ending = f"_{number}"
        found = name[: _LENGTH - len(ending)] + ending
    return found


def kind_of_thing(column: str, columns: Iterable[str]) -> str:
    """The kind of thing that a column of ids names: of `user_id` `user`; "" for `id`. Of several `columns` that end
    alike, such as `home_team` and `away_team`, `team`.
    """
    name = name_of(column, "")
    last = name.rpartition("_")[2]
    if last not in ("id", "key", "name") and sum(name_of(each, "").endswith(f"_{last}") for each in columns) > 1:
        return last
    for ending in ("_id", "_uuid", "_guid", "_key", "_code", "_name"):
        name = name.removesuffix(ending)
    return "" if name in ("id", "uuid", "guid", "key", "code", "name", "source_entity", "index", "unnamed_0") else name


def _is_name(text: str) -> bool:
    try:
        return bool(check_name(text, "name"))
    except InvalidInput:
        return False
