"""Pages of lists: their length and the token of the next page. A token is valid for one list and its filters."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from featurama_core.types.errors import InvalidInput, Reason

DEFAULT_PAGE = 100
MAX_PAGE = 1_000

Item = TypeVar("Item")
_SEPARATOR = "\x00"


def page_length(page_size: int) -> int:
    """Items per page for the request's `page_size`; 0 means the default."""
    if not 0 <= page_size <= MAX_PAGE:
        raise InvalidInput(
            f"page_size must be from 1 to {MAX_PAGE}, or 0 for {DEFAULT_PAGE}",
            reason=Reason.LIMIT_EXCEEDED,
            field="page_size",
        )
    return page_size or DEFAULT_PAGE


def token_after(scope: str, key: str) -> str:
    """The token of the page that follows `key` in the list `scope` (its name and filters)."""
    return base64.urlsafe_b64encode(f"{scope}{_SEPARATOR}{key}".encode()).decode().rstrip("=")


def key_before(scope: str, token: str) -> str | None:
    """The key before the page; None for the first page. Raises INVALID_PAGE_TOKEN for a token of another list."""
    if not token:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error
    found, separator, key = text.partition(_SEPARATOR)
    if found != scope or not separator:
        raise _foreign()
    return key


def version_key(name: str, version: int) -> str:
    """A key that sorts by name and version."""
    # A name holds nothing below "_", so the separator keeps the order of names; versions are padded.
    return f"{name} {version:010}"


def page_of(
    items: Sequence[Item], key: Callable[[Item], str], *, scope: str, page_size: int, page_token: str
) -> tuple[Sequence[Item], str]:
    """(a page of items sorted by `key`, the next page's token or ""). Items may change between pages."""
    length = page_length(page_size)
    after = key_before(scope, page_token)
    left = items if after is None else [item for item in items if key(item) > after]
    page = left[:length]
    return page, token_after(scope, key(page[-1])) if len(left) > length else ""


def _foreign() -> InvalidInput:
    return InvalidInput(
        "page_token was not made by this call with these fields; begin at the first page",
        reason=Reason.INVALID_PAGE_TOKEN,
        field="page_token",
    )
