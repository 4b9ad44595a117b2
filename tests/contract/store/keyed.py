"""Entity types with keys for tests: films by an int, stays by an int and a text, and planets without keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from featurama_core.api import FeatureStore

from .standing_clock import Unique

AT = "2026-01-01T00:00:00Z"


def as_rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Columns as a list of mappings."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


LIBRARIES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "columns": dict,
    "rows": as_rows,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.table,
}


@dataclass(frozen=True)
class Films:
    """film: {film_id: int}, with the features `year` and `sequel`, the text of another film's id. stay: {guest_id: int,
    city: text}, with `nights`. planet: without keys, with `size`.
    """

    film: str
    year: str
    sequel: str
    stay: str
    nights: str
    planet: str
    size: str


async def make_films(store: FeatureStore, unique: Unique) -> Films:
    """The types and features, under names of their own."""
    made = Films(*map(unique, ("film", "year", "sequel", "stay", "nights", "planet", "size")))
    await store.register_entity_type(made.film, keys={"film_id": "int"})
    await store.register_entity_type(made.stay, keys={"guest_id": "int", "city": "text"})
    await store.register_entity_type(made.planet)
    await store.register_feature(made.year, "int", entity_type=made.film)
    await store.register_feature(made.sequel, "text", entity_type=made.film, references=made.film)
    await store.register_feature(made.nights, "int", entity_type=made.stay)
    await store.register_feature(made.size, "int", entity_type=made.planet)
    return made
