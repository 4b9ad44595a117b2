"""Feast's side of the comparison. It runs in Feast's own environment and imports nothing of ours.

    python repository.py make FOLDER                      1,000 entities x 50 doubles in a repository, online on SQLite
    python repository.py requests ENTITIES FEATURES       64 GetOnlineFeatures requests, hexadecimal
    python repository.py train FOLDER HISTORY LABELS      seconds of a training set by DuckDB, as JSON

The names and the shapes of the data are those of `benchmarks.stores` and `benchmarks.training_sets`.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesRequest
from feast.types import Float64

ENTITIES, FEATURES = 1_000, 50
SETTINGS = """\
project: measured
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
offline_store: {type: duckdb}
entity_key_serialization_version: 3
"""
THING = Entity(name="thing", join_keys=["entity_id"], value_type=ValueType.STRING)


def view(folder: Path, history: Path, features: int) -> FeatureStore:
    """A repository with one feature view over a file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(SETTINGS)
    source = FileSource(path=str(history.resolve()), timestamp_field="event_timestamp")
    fields = [Field(name=f"f{at}", dtype=Float64) for at in range(features)]
    made = FeatureView(name="things", entities=[THING], ttl=timedelta(days=3_650), schema=fields, source=source)
    store = FeatureStore(repo_path=str(folder))
    store.apply([THING, made])
    return store


def make(folder: Path) -> None:
    """Newest values in the online store."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"entity_id": [f"thing_{at}" for at in range(ENTITIES)]})
    frame["event_timestamp"] = pd.Timestamp(datetime.now(UTC) - timedelta(hours=1))
    frame = frame.join(pd.DataFrame({f"f{at}": rng.random(ENTITIES) for at in range(FEATURES)}))
    frame.to_parquet(folder / "things.parquet")
    view(folder, folder / "things.parquet", FEATURES).write_to_online_store("things", frame)


def requests(entities: int, features: int) -> None:
    """A line per request of random entities."""
    rng = np.random.default_rng(entities)
    for _ in range(64):
        request = GetOnlineFeaturesRequest()
        request.features.val.extend(f"things:f{at}" for at in range(features))
        for at in rng.choice(ENTITIES, entities, replace=False):
            request.entities["entity_id"].val.add(string_val=f"thing_{at}")
        print(request.SerializeToString().hex())


def train(folder: Path, history: Path, labels: Path) -> None:
    """Label rows and history are files; the set is a Parquet file. The registry is made before the clock starts."""
    folder.mkdir(parents=True, exist_ok=True)
    events = pd.read_parquet(history)
    events["event_timestamp"] = pd.to_datetime(events.pop("event_time"), unit="us", utc=True)
    events.to_parquet(folder / "events.parquet")
    names = [name for name in events if name.startswith("f")]
    store = view(folder, folder / "events.parquet", len(names))
    began = time.perf_counter()
    rows = pd.read_parquet(labels).rename(columns={"timestamp": "event_timestamp"})
    joined = store.get_historical_features(rows, [f"things:{name}" for name in names]).to_arrow()
    joined.to_pandas().to_parquet(folder / "set.parquet")
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "rows": joined.num_rows, "nulls": joined.column(names[0]).null_count}))


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "make":
        make(Path(rest[0]))
    elif what == "requests":
        requests(int(rest[0]), int(rest[1]))
    else:
        train(*(Path(each) for each in rest))
