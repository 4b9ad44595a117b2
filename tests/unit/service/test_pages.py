"""Pages: every item once, tokens that belong to one list."""

from __future__ import annotations

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.types.errors import InvalidInput, Reason
from featurama_service.rpc.pages import key_before, page_of, token_after


def page(items: list[str], size: int, token: str, most_bytes: int = 1_000) -> tuple[list[str], str]:
    """A page as texts, and the token of the next one."""
    messages, following = page_of(
        items,
        str,
        lambda item: StringValue(value=item),
        scope="things",
        page_size=size,
        page_token=token,
        most_bytes=most_bytes,
    )
    return [each.value for each in messages], following


@given(st.sets(st.text(min_size=1, max_size=5)), st.integers(1, 7), st.integers(1, 60))
def test_pages_hold_every_item_once_in_order(names: set[str], size: int, most_bytes: int) -> None:
    """Cut by number and by bytes; a page has at least one item, however large it is."""
    items = sorted(name for name in names if name.isprintable())
    seen: list[str] = []
    token = ""
    while True:
        found, token = page(items, size, token, most_bytes)
        assert len(found) <= size
        assert len(found) <= 1 or sum(len(each.encode()) for each in found) <= most_bytes
        seen += found
        if not token:
            break
    assert seen == items


@pytest.mark.parametrize("token", ["%%%", "A", "AA", "bm9uc2Vuc2U", "/w==", token_after("other", "key")])
def test_a_token_of_another_list_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        key_before("things", token)
    assert refused.value.reason is Reason.INVALID_PAGE_TOKEN


def test_a_page_goes_on_after_an_item_that_is_gone() -> None:
    items = ["a", "b", "c", "d"]
    _, token = page(items, 2, "")
    items.remove("b")
    assert (["c", "d"], "") == page(items, 2, token)
