"""What a store of a size needs: arithmetic that a reader can follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurama_cli.capacity import costs
from featurama_cli.capacity.needs import Size, needs_of
from featurama_core.types.errors import InvalidInput
from featurama_core.types.schema import MAX_BUCKETS

SMALL = Size(entities=1_000, features=10, readings_per_day=24, reads_per_second=100)
LARGE = Size(entities=1_000_000, features=50, readings_per_day=20, reads_per_second=1_000_000, entities_per_call=100)


def test_a_billion_values_per_day_are_counted() -> None:
    assert 1_000_000_000 == LARGE.values_per_day
    assert 365_000_000_000 == LARGE.values_stored


@pytest.mark.parametrize("form", ["sqlite", "rows", "packed"])
def test_the_bytes_of_a_value_are_its_own_and_its_part_of_the_row(form) -> None:
    """History counts all values, `feature_latest` the newest; every copy takes disk, and SQLite has one."""
    tables = {"sqlite": costs.SQLITE, "rows": costs.CQL_ROWS, "packed": costs.CQL_PACKED}[form]
    needs = needs_of(SMALL, form)
    copies = 1 if form == "sqlite" else 3
    for name, each in tables.items():
        values = 10_000 if name == "feature_latest" else 1_000 * 24 * 10 * 365
        assert each.row / 10 + each.value == needs.bytes_per_value[name]
        assert pytest.approx(needs.bytes_per_value[name] * values * copies / 1e9) == needs.disk_gb[name]


@pytest.mark.parametrize("form", ["rows", "packed"])
def test_partitions_stay_below_their_rows(form) -> None:
    """Of both tables, at every size; a cluster of entities that fits has the usual 30 days and one bucket."""
    for entities in (1, 1_000, 100_000, 1_000_000):
        for readings in (0.1, 24, 1_440):
            needs = needs_of(replace(SMALL, entities=entities, readings_per_day=readings), form)
            days = {"h": 1 / 24, "d": 1}[needs.history_period[-1]] * int(needs.history_period[:-1])
            assert 1 <= needs.buckets <= MAX_BUCKETS
            assert needs.buckets & (needs.buckets - 1) == 0
            assert entities * readings * days / needs.buckets <= costs.PARTITION_ROWS
            assert readings * days * (10 if form == "rows" else 1) <= costs.PARTITION_ROWS
    assert ("30d", 8) == (needs_of(SMALL, form).history_period, needs_of(SMALL, form).buckets)


def test_what_no_partition_can_hold_is_refused() -> None:
    with pytest.raises(InvalidInput, match="divide the entities") as refused:
        needs_of(replace(LARGE, entities=1_000_000_000, readings_per_day=86_400), "packed")
    assert "readings-per-day" == refused.value.metadata["field"]


def test_a_cluster_has_a_node_per_copy_and_more_for_disk_or_cores() -> None:
    assert 3 == needs_of(SMALL, "rows").nodes
    disk = needs_of(replace(LARGE, reads_per_second=0), "packed")
    assert -(-sum(disk.disk_gb.values()) // 1_000) == disk.nodes
    cores = needs_of(replace(LARGE, retention_days=1), "packed")
    assert -(-cores.storage_cores // 8) == cores.nodes


def test_larger_reads_share_the_cost_of_a_call() -> None:
    one, many = needs_of(replace(LARGE, entities_per_call=1), "packed"), needs_of(LARGE, "packed")
    call_ms = costs.READ_CALL_MS + costs.READ_CALL_CQL_MS
    assert pytest.approx(1_000_000 * call_ms * 0.99 / 1_000) == one.online_cores - many.online_cores


def test_a_file_that_is_written_too_fast_is_said(featurama) -> None:
    size = ("--entities", 100_000, "--features", 50, "--readings-per-day", 86_400, "--reads-per-second", 10)
    ran = featurama("capacity", *size, "--storage", "sqlite")
    assert (0, True) == (ran.code, "use a CQL cluster" in ran.err)


def test_the_command_shows_both_forms_of_a_cluster(featurama) -> None:
    """As a table and as JSON; a retention is a duration with a unit."""
    size = ("--entities", 1_000, "--features", 10, "--readings-per-day", 24, "--reads-per-second", 100)
    shown = featurama("capacity", *size)
    assert shown.code == 0, shown.err
    assert all(text in shown.out for text in ("rows", "packed", "feature_values_by_name", "history period", "240,000"))
    found = featurama("capacity", *size, "--retention", "90d", "--json").json
    assert 240_000 * 90 == found["values_stored"]
    assert {"rows", "packed"} <= set(found)
    assert needs_of(replace(SMALL, retention_days=90), "rows").disk_gb == found["rows"]["disk_gb"]
    refused = featurama("capacity", *size, "--retention", "90")
    assert (2, True) == (refused.code, "has no unit" in refused.err)
