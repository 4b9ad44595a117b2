"""Ids in a write to features of types with keys: each belongs to one type, as the row's own id and as a reference."""

from __future__ import annotations

import pytest
from tests.unit.ingest.judging import column, doubles, judge, reasons, request

from featurama_core.types.entity_keys import EntityKeys, IdRules, KeyColumn
from featurama_core.types.errors import Reason
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteUnit

pytestmark = pytest.mark.unit

PLANET = EntityKeys("planet", (KeyColumn("number", ValueType.INT),))
FILM = EntityKeys("film", (KeyColumn("film_id", ValueType.INT),))
PLANETS, FILMS = IdRules({"planet": PLANET}), IdRules({"film": FILM})


def test_features_of_a_type_with_keys_take_its_ids() -> None:
    """And no others, with the words of the codec; an empty id is refused as everywhere."""
    ids = ["planet:1", "planet:01", "mars", "film:1", ""]
    _, report = judge(request([doubles("mass", *[1.0] * 5)], entities=ids, unit=WriteUnit.VALUE), id_rules=PLANETS)
    assert [Reason.INVALID_ENTITY_ID] * 4 == [each.reason for each in report.verdicts]
    assert [1, 2, 3, 4] == [each.row for each in report.verdicts]
    problems = [("entity_id", PLANET.problem(each)) for each in ids[1:]]
    assert problems == [(each.field, each.message) for each in report.verdicts]


def test_features_of_other_types_refuse_the_ids_of_a_type_with_keys() -> None:
    """Those of `entity` take any."""
    ids = ["film:1", "film:x", "mars"]
    sent = request(
        [doubles("mass", 1.0, 2.0, 3.0), doubles("speed", 1.0, 2.0, 3.0)], entities=ids, unit=WriteUnit.VALUE
    )
    _, report = judge(sent, id_rules=FILMS)
    assert [(0, 0, Reason.ENTITY_TYPE_MISMATCH), (1, 0, Reason.ENTITY_TYPE_MISMATCH)] == reasons(report)
    problem = FILMS.problem("film:1", "planet")
    assert problem is not None
    assert problem[1] == report.verdicts[0].message


def test_each_feature_of_a_type_refuses_the_ids_of_others() -> None:
    sent = request([doubles("mass", 1.0), doubles("heft", 1.0)], entities=["mars"], unit=WriteUnit.VALUE)
    _, report = judge(sent, id_rules=PLANETS)
    assert [(0, at, Reason.INVALID_ENTITY_ID) for at in (0, 1)] == reasons(report)


def test_without_types_with_keys_any_id_is_taken() -> None:
    _, report = judge(request([doubles("mass", 1.0)], entities=["film:1"]))
    assert [] == report.verdicts


def test_a_reference_to_a_type_with_keys_holds_its_ids() -> None:
    """Nulls and what is not written name nobody; references to other types hold any text."""
    values = ["planet:1", "mars", None, ..., "planet:x", "mars", "film:1"]
    sent = request([column("home", ValueType.TEXT, values)], unit=WriteUnit.VALUE)
    _, report = judge(sent, id_rules=PLANETS)
    assert [(row, 0, Reason.INVALID_VALUE) for row in (1, 4, 5, 6)] == reasons(report)
    problems = [("home", f"home: {PLANET.problem(text)}") for text in ("mars", "planet:x", "mars", "film:1")]
    assert problems == [(each.field, each.message) for each in report.verdicts]
    for rules in (FILMS, IdRules()):
        assert [] == judge(sent, id_rules=rules)[1].verdicts
    note = request([column("note", ValueType.TEXT, values)], unit=WriteUnit.VALUE)
    assert [] == judge(note, id_rules=PLANETS)[1].verdicts
