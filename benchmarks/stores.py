"""The stores that are measured: entities `thing_N` with doubles `f0`, `f1`, ..., filled with random values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

import featurama
from featurama.v1 import online_service_pb2 as pb
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode

START, HOUR = 1_760_000_000_000_000, 3_600_000_000
_ROWS = 50_000


async def fill(
    url: str,
    *,
    namespace: str = "default",
    entities: int = 1_000,
    features: int = 50,
    groups: int = 1,
    events: int = 1,
    registered: int = 0,
) -> None:
    """A namespace: features in groups, hourly events of every entity, and further registered features."""
    if namespace != "default":
        async with open_storage(StorageSettings(url)) as storage:
            await storage.create_namespace(namespace, NamespaceOptions())
    rng = np.random.default_rng(1)
    names = [f"f{at}" for at in range(features)]
    async with featurama.connect(url, namespace=namespace) as store:
        await store.register_entity_type("thing")
        kept = [FeatureGroup(f"group_{at}", "thing", ttl=None) for at in range(groups)]
        await store.register(kept)
        definitions = [
            FeatureDefinition(name, ValueType.DOUBLE, group=f"group_{at % groups}", entity_type="thing")
            for at, name in enumerate([*names, *(f"other_{at}" for at in range(registered - features))])
        ]
        for first in range(0, len(definitions), 20_000):
            await store.register(definitions[first : first + 20_000])
        for first in range(0, entities * events, _ROWS):
            at = np.arange(first, min(first + _ROWS, entities * events))
            frame: dict[str, Any] = {
                "entity_id": [f"thing_{each % entities}" for each in at.tolist()],
                "timestamp": pa.array(START + at // entities * HOUR).cast(pa.timestamp("us", "UTC")),
            }
            frame |= {name: rng.random(len(at)) for name in names}
            report = await store.write_features(pa.table(frame), mode=WriteMode.BULK, batch_size=10_000)
            assert report.accepted == len(at), report.verdicts[:1]


def reads(entities: int, features: int, *, of: int = 1_000, namespace: str = "") -> list[bytes]:
    """GetOnlineFeatures requests of random entities."""
    rng = np.random.default_rng(entities)
    names = [f"f{at}" for at in range(features)]
    return [
        pb.GetOnlineFeaturesRequest(
            namespace=namespace,
            features=names,
            entity_ids=[f"thing_{at}" for at in rng.choice(of, entities, replace=False)],
        ).SerializeToString()
        for _ in range(64)
    ]
