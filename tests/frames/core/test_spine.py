"""Label rows are judged alike in memory and in Arrow batches: the same error of the same row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from featurama_core.datasets.spine_sources import label_source, read_keys
from featurama_core.frames.role_columns import role_columns
from featurama_core.frames.spine import SpineColumns, label_rows
from featurama_core.frames.zones import TimeRules
from featurama_core.types.entity_keys import EntityKeys, key_columns
from featurama_core.types.errors import InvalidInput

pytestmark = pytest.mark.unit

MICROS = TimeRules(unit="us")
T0 = 1_767_225_600_000_000


def in_memory(labels: dict[str, Any], timestamp: int | None) -> Any:
    return label_rows(labels, SpineColumns.of(timestamp=timestamp, times=MICROS)).event_time


def in_batches(labels: dict[str, Any], timestamp: int | None) -> Any:
    columns = SpineColumns.of(timestamp=timestamp, times=MICROS)
    source = label_source(labels, columns)
    return [read_keys(batch, columns, 0).event_time for batch in source.batches()]


def refused(read: Any, labels: dict[str, Any], timestamp: int | None) -> tuple[Any, ...]:
    with pytest.raises(InvalidInput) as error:
        read(labels, timestamp)
    return str(error.value), error.value.reason, error.value.metadata


@pytest.mark.parametrize(
    ("labels", "timestamp", "named"),
    [
        ({"entity_id": ["a", None, ""], "timestamp": [T0] * 3}, None, "label row 1: entity_id is missing"),
        ({"entity_id": ["a", "b\n", ""], "timestamp": [T0] * 3}, None, "label row 1: entity_id holds a control"),
        ({"entity_id": ["a", "a", ""], "timestamp": [T0] * 3}, None, "label row 2: entity_id is empty"),
        ({"entity_id": ["a", "x" * 257], "timestamp": [T0, None]}, None, "label row 1: entity_id has 257 bytes"),
        ({"entity_id": ["a", "b", ""], "timestamp": [T0, None, T0]}, None, "label row 1: timestamp is missing"),
        ({"entity_id": ["a"], "timestamp": [2**62]}, None, "label row 0: timestamp lies outside"),
        ({"entity_id": ["a", "b"], "timestamp": ["2026-01-01T00:00:00Z", "soon"]}, None, "label row 1: timestamp"),
        ({"entity_id": ["a"], "timestamp": ["2026-01-01T00:00:00"]}, None, "has no time zone"),
        ({"entity_id": [1], "timestamp": [T0]}, None, "entity_id holds int64"),
        ({"entity_id": ["a"], "when": [T0]}, None, "lack the column timestamp, they have entity_id, when; add it"),
        ({"who": ["a"], "timestamp": [T0]}, None, "lack the column entity_id"),
        ({"entity_id": ["a"], "timestamp": [T0]}, T0, "leave timestamp= out"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_bad_row_is_named_alike_in_memory_and_in_batches(
    labels: dict[str, Any], timestamp: int | None, named: str
) -> None:
    arrow = {name: pa.array(values) for name, values in labels.items()}
    found = refused(in_memory, arrow, timestamp)
    assert found == refused(in_batches, arrow, timestamp)
    assert named in found[0]


def test_a_row_may_name_no_entity_in_a_role() -> None:
    """It may hold null or nothing there; without roles it must name one."""
    rows = {"timestamp": [T0] * 3, "home": pa.array(["", None, "a"]), "away": pa.array(["b", "c", "d"])}
    columns = SpineColumns.of(times=MICROS, roles=role_columns({"home": "team", "away": "team"}))
    (batch,) = label_source(rows, columns).batches()
    keys = read_keys(batch, columns, 0)
    assert [None, None, "a"] == keys.of_role["home"].to_pylist()
    assert [2] == keys.naming("home").tolist()
    assert ["b", "c", "d"] == keys.of_role["away"].to_pylist()
    lacking = pa.record_batch({"timestamp": [T0] * 2, "entity_id": pa.array(["a", None])})
    with pytest.raises(InvalidInput, match="label row 8: entity_id is missing"):
        read_keys(lacking, SpineColumns.of(times=MICROS), 7)


def test_the_columns_of_roles_are_named_like_them_or_given() -> None:
    """A type with several keys has a column per key; a column entity_id holds ids."""
    team = EntityKeys("team", key_columns(["team_id"]))
    stint = EntityKeys("stint", key_columns({"player": "text", "year": "int"}))

    def found(given: Any, keys: EntityKeys | None) -> tuple[tuple[str, ...], EntityKeys | None]:
        (role,) = role_columns({"home": given})
        entity = role.with_keys(keys).entity
        return entity.columns, entity.keys

    assert (("home",), None) == found("team", None)
    assert (("home",), team) == found("team", team)
    assert (("home_player", "home_year"), stint) == found("stint", stint)
    assert (("host",), team) == found({"type": "team", "columns": "host"}, team)
    assert (("who", "when"), stint) == found({"type": "stint", "columns": ["who", "when"]}, stint)
    assert (("entity_id",), None) == found({"type": "stint", "columns": ["entity_id"]}, stint)
    with pytest.raises(InvalidInput, match="home' has the columns who; a stint needs one for each of player, year"):
        found({"type": "stint", "columns": ["who"]}, stint)


@pytest.mark.parametrize(
    "roles",
    [
        {"home": 1},
        ["home"],
        {"home": {"columns": "x"}},
        {"home": {"type": "team", "column": "x"}},
        {"home": {"type": "team", "columns": [1]}},
        {"home": {"type": "team", "columns": [""]}},
        {1: "team"},
        {"Home": "team"},
        {"entity_id": "team"},
        {"home": ""},
    ],
)
def test_roles_that_cannot_be_meant_are_refused(roles: Any) -> None:
    with pytest.raises(InvalidInput):
        role_columns(roles)


@pytest.mark.parametrize("frame", [dict, pd.DataFrame])
def test_numbers_that_end_a_process_in_pyarrow_are_refused(frame: Any) -> None:
    """A long double beside a time of numpy."""
    cells = [np.datetime64("2026-01-01", "s"), np.longdouble(1), "x"]
    rows = {"entity_id": ["a"] * 3, "timestamp": ["2026-01-01T00:00:00Z"] * 3, "odd": cells}
    with pytest.raises(InvalidInput, match="column odd holds numpy's longdouble"):
        label_source(frame(rows), SpineColumns.of())


@pytest.mark.parametrize("columns", ["driver_id", ["driver_id"]])
def test_entity_columns_are_short_for_roles_that_are_named_like_their_types(columns: object) -> None:
    """One column, or one for each key."""
    (found,) = role_columns(None, {"driver": columns})
    assert ("driver", "driver", ("driver_id",)) == (found.role.name, found.role.entity_type, found.entity.columns)
    (shop,) = role_columns(None, {"shop": ["chain", "number"]})
    assert ("chain", "number") == shop.entity.columns


@pytest.mark.parametrize("given", ["driver_id", 5, [5], {"driver": ""}, {"driver": [""]}, {"driver": 5}, {5: "a"}])
def test_entity_columns_of_another_form_are_refused_with_the_form(given: object) -> None:
    with pytest.raises(InvalidInput, match="entity_columns must map entity types to columns; write"):
        role_columns(None, given)
