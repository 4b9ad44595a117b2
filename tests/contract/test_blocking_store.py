"""BlockingFeatureStore, as a notebook uses it: plain calls, also while a loop runs in the same thread."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from featurama_core import BlockingFeatureStore, FeatureStore
from featurama_core.types.errors import Unknown


def test_a_value_written_by_plain_calls_is_read_by_plain_calls(tmp_path: Path) -> None:
    with BlockingFeatureStore(f"sqlite:///{tmp_path}") as store:
        store.register_feature("distance", "double")
        row = {"entity_id": ["mars"], "timestamp": ["2026-01-01T00:00:00Z"], "distance": [1.5]}
        assert store.write_features(row).accepted == 1
        read = store.get_online_features(["mars"], ["distance"])
    assert read.to_dict() == {"entity_id": ["mars"], "distance": [1.5]}


def test_it_works_where_a_loop_runs_already(tmp_path: Path, blockbuster: BlockBuster) -> None:
    blockbuster.deactivate()  # blocking is what a cell of a notebook does

    async def cell_of_a_notebook() -> int:
        with BlockingFeatureStore(f"sqlite:///{tmp_path}") as store:
            store.register_feature("distance", "double")
            return len(store.list_features())

    assert asyncio.run(cell_of_a_notebook()) == 1


def test_errors_are_the_store_s_own(tmp_path: Path) -> None:
    with BlockingFeatureStore(f"sqlite:///{tmp_path}") as store, pytest.raises(Unknown, match="nothing"):
        store.get_online_features(["mars"], ["nothing"])


def test_every_public_method_of_the_store_has_its_blocking_twin() -> None:
    public = {
        name
        for name, method in inspect.getmembers(FeatureStore, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    internal = {"incarnation", "resolve", "read_history", "page_entities", "define_feature"}
    assert {name for name in public - internal if not hasattr(BlockingFeatureStore, name)} == set()
