"""Pages: every item once, tokens that belong to one list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.types.errors import InvalidInput, Reason
from featurama_service.rpc.pages import key_before, page_of, token_after


@given(st.sets(st.text(min_size=1, max_size=5)), st.integers(1, 7))
def test_pages_hold_every_item_once_in_order(names: set[str], size: int) -> None:
    items = sorted(name for name in names if name.isprintable())
    seen: list[str] = []
    token = ""
    while True:
        page, token = page_of(items, str, scope="things", page_size=size, page_token=token)
        assert len(page) <= size
        seen += page
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
    _, token = page_of(items, str, scope="things", page_size=2, page_token="")
    items.remove("b")
    page, token = page_of(items, str, scope="things", page_size=2, page_token=token)
    assert (list(page), token) == (["c", "d"], "")
