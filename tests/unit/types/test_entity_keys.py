"""Ids made from key columns: one id for given keys, and no other text."""

from __future__ import annotations

import random
import unicodedata

import pytest

from featurama_core.types.entity_keys import EntityKeys, IdRules, Key, KeyColumn, key_columns
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import ValueType

pytestmark = pytest.mark.unit

FILM = EntityKeys("film", (KeyColumn("film_id", ValueType.INT),))
SHOP = EntityKeys("shop", (KeyColumn("chain"), KeyColumn("number", ValueType.INT)))
PLACE = EntityKeys("place", (KeyColumn("country"), KeyColumn("town")))


@pytest.mark.parametrize(
    ("kind", "keys", "entity_id"),
    [
        (FILM, (1,), "film:1"),
        (FILM, (0,), "film:0"),
        (FILM, (-(2**63),), "film:-9223372036854775808"),
        (FILM, (2**63 - 1,), "film:9223372036854775807"),
        (SHOP, ("x", 7), "shop:x|7"),
        (SHOP, ("100% a|b:c", -1), "shop:100%25 a%7Cb%3Ac|-1"),
        (SHOP, ("%7C", 1), "shop:%257C|1"),
        (PLACE, ("a|b", "c"), "place:a%7Cb|c"),
        (PLACE, ("a", "b|c"), "place:a|b%7Cc"),
        (PLACE, (" de ", "Köln"), "place: de |Köln"),
        (PLACE, ("place:a", "a+b/c?d#e&f"), "place:place%3Aa|a+b/c?d#e&f"),
    ],
)
def test_keys_have_one_id_and_an_id_has_its_keys(kind: EntityKeys, keys: tuple[Key, ...], entity_id: str) -> None:
    """Text keys are taken byte by byte."""
    assert entity_id == kind.encode(keys)
    assert keys == kind.decode(entity_id)
    assert kind.problem(entity_id) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (FILM, "film:01"),
        (FILM, "film:-0"),
        (FILM, "film:+1"),
        (FILM, "film:1.0"),
        (FILM, "film:1 "),
        (FILM, "film:\u0661"),
        (FILM, "film:9223372036854775808"),
        (FILM, "film:-9223372036854775809"),
        (FILM, "film:" + "9" * 200),
        (FILM, "film:"),
        (FILM, "film"),
        (FILM, "Film:1"),
        (FILM, "films:1"),
        (FILM, "film:1|2"),
        (SHOP, "shop:x"),
        (SHOP, "shop:|7"),
        (SHOP, "shop:x|"),
        (SHOP, "shop:a:b|7"),
        (SHOP, "shop:a%3ab|7"),
        (SHOP, "shop:a%7cb|7"),
        (SHOP, "shop:a%20b|7"),
        (SHOP, "shop:a%|7"),
        (SHOP, "shop:a%2|7"),
        (PLACE, "place:a\n|b"),
        (PLACE, "place:" + "a" * 250 + "|b"),
    ],
)
def test_another_form_is_no_id(kind: EntityKeys, text: str) -> None:
    """The canonical form is the only one."""
    with pytest.raises(InvalidInput) as raised:
        kind.decode(text)
    assert (Reason.INVALID_ENTITY_ID, kind.problem(text)) == (raised.value.reason, raised.value.message)
    assert "entity_id" == raised.value.metadata["field"]


@pytest.mark.parametrize(
    ("kind", "keys", "field", "words"),
    [
        (FILM, (2**63,), "film_id", "film_id is 9223372036854775808; it must be a 64-bit int"),
        (FILM, (-(2**63) - 1,), "film_id", "it must be a 64-bit int"),
        (FILM, (True,), "film_id", "film_id is True; it must be a 64-bit int"),
        (FILM, ("1",), "film_id", "it must be a 64-bit int"),
        (FILM, (1.0,), "film_id", "it must be a 64-bit int"),
        (FILM, (1, 2), "entity_id", "film has the keys film_id; 2 values are given"),
        (SHOP, ("", 1), "chain", "chain is ''; it must be text that is not empty"),
        (SHOP, (None, 1), "chain", "chain is None; it must be text that is not empty"),
        (SHOP, (1, 1), "chain", "it must be text that is not empty"),
        (SHOP, ("a\tb", 1), "entity_id", "entity_id"),
        (SHOP, ("\ud800", 1), "entity_id", "entity_id"),
        (SHOP, ("%" * 100, 1), "entity_id", "entity_id"),
    ],
)
def test_a_key_that_no_id_can_hold_is_refused(kind: EntityKeys, keys: tuple[Key, ...], field: str, words: str) -> None:
    """The error names the key column."""
    with pytest.raises(InvalidInput) as raised:
        kind.encode(keys)
    assert (Reason.INVALID_ENTITY_ID, field) == (raised.value.reason, raised.value.metadata["field"])
    assert words in raised.value.message


def test_20000_keys_come_back_and_no_two_share_an_id() -> None:
    """Escapes, separators, Unicode forms of one letter, digits that are text, negative and large ints."""
    drawn = random.Random(11)
    letters = ["%", "|", ":", "%25", "%7C", "%3A", "%7c", "2", "5", "é", unicodedata.normalize("NFD", "é"), "Å", "Å"]
    letters += [" ", "a", "A", "ß", "7C", "\U0001f600", "-", "0", "film:", "١"]
    columns = (KeyColumn("a"), KeyColumn("b", ValueType.INT), KeyColumn("c"))
    kind = EntityKeys("thing", columns)
    seen: dict[str, tuple[Key, ...]] = {}
    for _ in range(20_000):
        texts = ["".join(drawn.choices(letters, k=drawn.randint(1, 5))) for _ in range(2)]
        number = drawn.choice([drawn.randint(-20, 20), drawn.randint(-(2**63), 2**63 - 1)])
        keys = (texts[0], number, texts[1])
        entity_id = kind.encode(keys)
        assert keys == kind.decode(entity_id)
        assert keys == seen.setdefault(entity_id, keys)


def test_20000_odd_ids_are_the_id_of_their_keys_or_none() -> None:
    """A text that is read as an id is written as the same text."""
    drawn = random.Random(12)
    letters = ["%25", "%7C", "%3A", "%", "|", ":", "1", "-", "0", "a", "é", " "]
    accepted = 0
    for _ in range(20_000):
        text = "place:" + "".join(drawn.choices(letters, k=drawn.randint(1, 6)))
        if PLACE.problem(text) is None:
            accepted += 1
            assert text == PLACE.encode(PLACE.decode(text))
    assert accepted > 500


def test_keys_are_given_as_names_or_with_types() -> None:
    """A name alone is a text key."""
    typed = (KeyColumn("user_id", ValueType.INT), KeyColumn("shop_id"))
    assert typed == key_columns({"user_id": "int", "shop_id": "text"})
    assert (KeyColumn("user_id"), KeyColumn("shop_id")) == key_columns(["user_id", "shop_id"])
    assert () == key_columns(None)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("user_id", "give a list of names"),
        ([7], "give a list of names"),
        ({"a": 1}, "give a list of names"),
        ({"a": "text", "b": "date"}, "keys gives 'b' the type date; a key is text or int"),
    ],
)
def test_other_forms_of_keys_are_refused(given: object, words: str) -> None:
    """A single text is not a list."""
    with pytest.raises(InvalidInput, match=words) as refused:
        key_columns(given)
    assert (Reason.INVALID_DEFINITION, "keys") == (refused.value.reason, refused.value.metadata["field"])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((KeyColumn("entity_id"),), "reserved"),
        ((KeyColumn("User"),), "not a name"),
        ((KeyColumn("a", ValueType.DOUBLE),), "keys gives 'a' the type double; a key is text or int"),
        ((KeyColumn("a"), KeyColumn("a")), "twice"),
        (tuple(KeyColumn(f"k{number}") for number in range(9)), "at most 8"),
    ],
)
def test_columns_out_of_bounds_are_refused(columns: tuple[KeyColumn, ...], words: str) -> None:
    """The message says what is possible."""
    with pytest.raises(InvalidInput, match=words) as refused:
        EntityKeys("thing", columns).check()
    named = words in ("reserved", "not a name")
    reason = Reason.INVALID_NAME if named else Reason.INVALID_DEFINITION
    assert (reason, "keys") == (refused.value.reason, refused.value.metadata["field"])
    EntityKeys("thing", tuple(KeyColumn(f"k{number}") for number in range(8))).check()


def test_an_id_belongs_to_the_type_with_keys_whose_name_it_begins_with() -> None:
    """Up to the first colon; no other type may have it, but features of `entity` take any id."""
    rules = IdRules({"film": FILM, "shop": SHOP})
    assert [FILM, SHOP] == [rules.owner("film:1"), rules.owner("shop:a:b|1")]
    assert [None] * 4 == [rules.owner(each) for each in ("film", "film_1", "place:a|b", ":film")]
    assert IdRules().owner("film:1") is None
    wrong = Reason.INVALID_ENTITY_ID, FILM.problem("film:x")
    assert [None, wrong] == [rules.problem(each, "film") for each in ("film:1", "film:x")]
    assert (Reason.INVALID_ENTITY_ID, FILM.problem("shop:x|1")) == rules.problem("shop:x|1", "film")
    foreign = "entity_id 'film:1' is of a film, as it begins with 'film:'; it is no id of a place"
    assert (Reason.ENTITY_TYPE_MISMATCH, foreign) == rules.problem("film:1", "place")
    assert [None, None] == [rules.problem("film:1", "entity"), rules.problem("anything", "place")]
    rules.check("film:1", "film")
    rules.check("anything", "place")
    for entity_id, entity_type in (("film:1", "place"), ("film:x", "film")):
        with pytest.raises(InvalidInput) as refused:
            rules.check(entity_id, entity_type)
        assert rules.problem(entity_id, entity_type) == (refused.value.reason, refused.value.message)
        assert "entity_id" == refused.value.metadata["field"]


def test_the_room_for_keys_is_what_the_prefix_and_separators_leave() -> None:
    """An id has 256 bytes."""
    assert 256 - len("place:") - 1 == PLACE.room
    PLACE.encode(("a" * (PLACE.room - 1), "b"))
    with pytest.raises(InvalidInput, match="257 bytes"):
        PLACE.encode(("a" * PLACE.room, "b"))


@pytest.mark.parametrize(
    ("name", "otherwise", "message"),
    [
        ("numbr", "", "column 'numbr' is no key of shop, which has chain, number; did you mean 'number'?"),
        ("colour", "", "column 'colour' is no key of shop, which has chain, number"),
        ("colour", "leave it out", "column 'colour' is no key of shop, which has chain, number; leave it out"),
    ],
)
def test_a_column_beside_the_keys_is_refused_with_the_one_that_was_meant(
    name: str, otherwise: str, message: str
) -> None:
    """Or with what else to do. The keys themselves, and ids, are columns of the rows."""
    SHOP.check_only(["chain", "entity_id", "number"])
    with pytest.raises(InvalidInput) as refused:
        SHOP.check_only(["chain", name], otherwise)
    assert (message, name) == (refused.value.message, refused.value.metadata["field"])
