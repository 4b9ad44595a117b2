"""Valid names of features, groups, types, services, models and namespaces, and valid entity ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from featurama_core.types.errors import InvalidInput, Reason

DEFAULT_NAMESPACE = "default"
DEFAULT_ENTITY_TYPE = "entity"
"""The entity type of features registered without one. Its features accept any id."""
DEFAULT_GROUP = "default"

MAX_ENTITY_ID_BYTES = 256
UNREGISTERED = "\x00"
"""Beginning of a position among the entities that are not registered: no entity id holds this character."""
RESERVED_NAMES = frozenset({"entity_id", "timestamp", "event_time", "ingested_at", "value", "feature_name"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_name(name: str, field: str) -> str:
    """Return `name` if it is a valid name of a definition. field: name of the argument, for the error."""
    if name in RESERVED_NAMES or name.startswith("__"):
        raise _invalid(name, field, "is reserved; choose another name")
    if not _NAME.fullmatch(name):
        raise _invalid(name, field, f"is not a name; use {_NAME.pattern}")
    return name


def is_name(text: object) -> bool:
    """Whether a definition may have this name."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def check_namespace(name: str) -> str:
    """Return `name` if it is a valid name of a namespace."""
    if not is_namespace(name):
        raise _invalid(name, "namespace", f"is not a name; use {_NAMESPACE.pattern}")
    return name


def is_namespace(text: str) -> bool:
    """Whether a text may name a namespace."""
    return _NAMESPACE.fullmatch(text) is not None


def entity_id_problem(entity_id: object) -> str | None:
    """The problem of an invalid entity id, None for a valid one: 1-256 bytes of UTF-8 without control characters."""
    if not isinstance(entity_id, str):
        is_int = type(entity_id) is int and entity_id.bit_length() <= 64
        shown = f"; give {str(entity_id)!r}, not {entity_id}" if is_int else ""
        return f"entity_id must be text{shown}"
    if not entity_id:
        return "entity_id is empty; give 1-256 bytes of UTF-8"
    if _CONTROL.search(entity_id):
        return "entity_id holds a control character; remove it"
    try:
        size = len(entity_id) if entity_id.isascii() else len(entity_id.encode())
    except UnicodeEncodeError:
        return "entity_id is not valid Unicode text"
    if size > MAX_ENTITY_ID_BYTES:
        return f"entity_id has {size} bytes; at most {MAX_ENTITY_ID_BYTES} are allowed"
    return None


def are_entity_ids(texts: Sequence[str | None]) -> bool:
    """True only if all texts are valid entity ids, found by few passes. False says nothing: `entity_id_problem` names
    the wrong ones.
    """
    try:
        joined = "".join(texts)  # type: ignore[arg-type]
    except TypeError:
        return False
    if not (len(texts) and joined.isascii() and joined.isprintable()):
        return False
    return min(map(len, texts)) > 0 and max(map(len, texts)) <= MAX_ENTITY_ID_BYTES  # type: ignore[arg-type]


def check_unicode(**texts: str | None) -> None:
    """Raise InvalidInput for a text that holds half of a surrogate pair. No storage and no message can hold it.

    texts: by the names of their fields.
    """
    for field, text in texts.items():
        if text and not text.isascii() and _SURROGATE.search(text):
            raise InvalidInput(f"{field} {_shown(text)} is not valid Unicode text; mend it", field=field)


def check_list(given: object, field: str) -> None:
    """Raise InvalidInput for a text where a list is meant, whose letters would be its items, and for no list at all."""
    if type(given) is list or type(given) is tuple:
        return
    if isinstance(given, (str, bytes)):
        shown = _shown(str(given))
        raise InvalidInput(f"{field} is the single value {shown}; give a list such as [{shown}]", field=field)
    # The lists of protobuf have no `__iter__`, sets have no `__getitem__`.
    items = hasattr(given, "__iter__") or hasattr(given, "__getitem__")
    if isinstance(given, Mapping) or not items or not hasattr(given, "__len__"):
        raise InvalidInput(f"{field} must be a list, not {type(given).__name__}", field=field)


def check_list_of_texts(given: object, field: str) -> None:
    """`check_list`, and every item is a text."""
    check_list(given, field)
    for item in given:  # type: ignore[attr-defined]
        if not isinstance(item, str):
            raise InvalidInput(f"{field} holds {item!r:.40}; give texts", field=field)


def check_entity_ids(
    entity_ids: Sequence[str | None], *, limit: int | None = None, field: str = "entity_ids", may_lack: bool = False
) -> None:
    """Raise InvalidInput for an empty list, a text instead of a list, a list longer than `limit` or an invalid id.

    may_lack: whether an id may be None.
    """
    check_list(entity_ids, field)
    if not len(entity_ids):
        raise InvalidInput(f"{field} is empty; name at least one", reason=Reason.EMPTY_REQUEST, field=field)
    if limit is not None and len(entity_ids) > limit:
        raise InvalidInput(
            f"{field} holds {len(entity_ids)} ids; at most {limit} fit one call, split the list",
            reason=Reason.LIMIT_EXCEEDED,
            field=field,
        )
    if are_entity_ids(entity_ids):
        return
    # Each id is checked once: entities are repeated in rows.
    try:
        distinct: Iterable[str | None] = dict.fromkeys(entity_ids)
    except TypeError:
        distinct = entity_ids
    for entity_id in distinct:
        problem = entity_id_problem(entity_id)
        if problem is not None and not (may_lack and entity_id is None):
            position = list(entity_ids).index(entity_id)
            raise InvalidInput(
                f"{field}[{position}]: {problem}",
                reason=Reason.INVALID_ENTITY_ID,
                field=f"{field}[{position}]",
            )


def _invalid(name: str, field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {_shown(name)} {problem}", reason=Reason.INVALID_NAME, field=field)


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")
