"""`featurama.sync`, as a notebook uses it: plain calls, also while a loop runs in the same thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from featurama import sync
from featurama_core.types.errors import Unknown


def test_a_value_written_by_plain_calls_is_read_by_plain_calls(tmp_path: Path) -> None:
    with sync.connect(f"sqlite:///{tmp_path}") as store:
        store.register_feature("distance", "double")
        row = {"entity_id": ["mars"], "timestamp": ["2026-01-01T00:00:00Z"], "distance": [1.5]}
        assert store.write_features(row).accepted == 1
        read = store.get_online_features(["mars"], ["distance"])
    assert read.to_dict() == {"entity_id": ["mars"], "distance": [1.5]}


def test_it_works_where_a_loop_runs_already(tmp_path: Path, blockbuster: BlockBuster) -> None:
    blockbuster.deactivate()  # blocking is what a cell of a notebook does

    async def cell_of_a_notebook() -> int:
        with sync.connect(f"sqlite:///{tmp_path}") as store:
            store.register_feature("distance", "double")
            return len(store.list_features())

    assert asyncio.run(cell_of_a_notebook()) == 1


def test_errors_are_the_store_s_own(tmp_path: Path) -> None:
    with sync.connect(f"sqlite:///{tmp_path}") as store, pytest.raises(Unknown, match="nothing"):
        store.get_online_features(["mars"], ["nothing"])


def test_a_store_of_another_namespace_blocks_too(tmp_path: Path) -> None:
    """What a method gives is blocking as well, and closing it closes nothing."""
    with sync.connect(f"sqlite:///{tmp_path}", namespace="other"):
        pass
    with sync.connect(f"sqlite:///{tmp_path}") as store:
        other = store.in_namespace("other")
        other.register_feature("distance", "double")
        other.close()
        assert isinstance(other, sync.FeatureStore)
        assert ("default", "other") == (store.namespace, other.namespace)
        assert [["distance"], []] == [[each.name for each in one.list_features()] for one in (other, store)]


def test_leaving_the_batches_of_a_dataset_early_removes_what_they_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An asynchronous generator is iterated, and closed in its own loop."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with sync.connect(f"sqlite:///{tmp_path / 'store'}") as store:
        store.register_feature("distance", "double")
        labels = {"entity_id": ["mars"], "timestamp": ["2026-01-02T00:00:00Z"]}
        batches = store.training_set(labels, ["distance"]).batches()
        assert 1 == next(batches).num_rows
        batches.close()
    assert ["store"] == [each.name for each in tmp_path.iterdir()]
