"""The Arrow tables of the world: the columns of every feature group, their types and their construction.

Wide tables have `entity_id` string, `timestamp` timestamp[us, UTC], and one column per feature. They have no nulls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

PLANET_CONDITIONS = "planet_conditions"
CHARACTER_STATS = "character_stats"
DELIVERY_METRICS = "delivery_metrics"
DELIVERY_OUTCOME = "delivery_outcome"
LABEL = "actual_duration"

COLUMNS: Mapping[str, Mapping[str, str]] = {
    PLANET_CONDITIONS: {
        "incoming_deliveries": "int",
        "outgoing_deliveries": "int",
        "traffic_level": "double",
        "weather_index": "double",
        "population_density": "double",
    },
    CHARACTER_STATS: {
        "delivery_count": "int",
        "success_rate": "double",
        "distance_traveled": "double",
        "efficiency_score": "double",
        "energy_level": "double",
        "customer_rating": "double",
    },
    DELIVERY_METRICS: {
        "distance": "double",
        "package_weight": "double",
        "hazard_level": "int",
        "estimated_duration": "double",
        "origin": "text",
        "destination": "text",
        "assigned_to": "text",
    },
    DELIVERY_OUTCOME: {
        "actual_duration": "double",
        "delay_minutes": "double",
        "fuel_consumption": "double",
    },
}
"""Feature group -> feature -> value type (`double`, `int`, `text`), in column order."""

GROUPS = tuple(COLUMNS)

TIMESTAMP = pa.timestamp("us", tz="UTC")
_ARROW_TYPES = {"double": pa.float64(), "int": pa.int64(), "text": pa.string()}
ENTITY_SCHEMA = pa.schema([(name, pa.string()) for name in ("entity_id", "entity_type", "name", "metadata")])


def wide_schema(group: str) -> pa.Schema:
    """The schema of a feature group's wide tables."""
    features = [(name, _ARROW_TYPES[kind]) for name, kind in COLUMNS[group].items()]
    return pa.schema([("entity_id", pa.string()), ("timestamp", TIMESTAMP), *features])


def wide_table(group: str, ids: pa.Array, times_us: NDArray[np.int64], features: Mapping[str, Any]) -> pa.Table:
    """A wide table; `features` maps every feature of the group to an array as long as `ids`."""
    columns = [ids, pa.array(times_us).cast(TIMESTAMP)]
    columns += [pa.array(features[name], type=_ARROW_TYPES[kind]) for name, kind in COLUMNS[group].items()]
    return pa.Table.from_arrays(columns, schema=wide_schema(group))


def delivery_ids(index: NDArray[np.int64], prefix: str = "delivery_") -> pa.Array:
    """`delivery_00000001` for index 0, and so on."""
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(pa.array(index + 1).cast(pa.string()), 8, "0"), "")


def rounded(values: NDArray[np.float64], decimals: int) -> NDArray[np.float64]:
    """Rounded to `decimals`, never -0.0.


    Every published double is rounded: the last digits of `sin` differ between machines.
    """
    return np.round(values, decimals) + 0.0
