"""Any range of rows can be made alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

from featurama_world import GROUPS, World, WorldConfig

WORLD = World(WorldConfig(deliveries=23, planets=3, characters=2, days=3, readings_per_day=5))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_the_parts_of_a_group_make_up_its_batches(group: str, size: int) -> None:
    """Also past the end, where there is nothing more."""
    alone = pa.concat_tables(batch.table for batch in WORLD.batches(groups=[group]))
    parts = [WORLD.part(group, first, size) for first in range(0, WORLD.rows(group) + 2 * size, size)]
    assert alone.num_rows == WORLD.rows(group)
    assert pa.concat_tables(parts).equals(alone)


def test_the_parts_of_the_labels_make_up_the_labels() -> None:
    parts = [WORLD.label_part(first, 10) for first in range(0, 40, 10)]
    assert pa.concat_tables(parts).equals(pa.concat_tables(WORLD.labels()))


def test_a_part_of_an_unknown_group_names_the_groups() -> None:
    with pytest.raises(ValueError, match="planet_conditions"):
        WORLD.part("moons", 0, 1)
