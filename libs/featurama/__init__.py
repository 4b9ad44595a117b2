"""Featurama: feature stores, embedded or behind servers.

    async with featurama.connect("sqlite:///featurama-data") as store: ...
    async with featurama.connect("grpc://localhost:50051?ingest=localhost:50052") as store: ...
    with featurama.sync.connect("sqlite:///featurama-data") as store: ...

Servers need grpcio, protobuf, googleapis-common-protos and numpy; pandas, polars or pyarrow only when a frame of theirs
is given or asked for. Names are loaded when they are first used, so that the import itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurama import sync
    from featurama.client.rpc_errors import error_from_rpc
    from featurama.client.settings import Retries, Tls
    from featurama.connecting import connect
    from featurama_core.api import FeatureStore
    from featurama_core.frames.predictions import Contributions, Predictions, RowError
    from featurama_core.frames.results import FeatureHistory, HistoricalFeatures, OnlineFeatures
    from featurama_core.types.column import Column
    from featurama_core.types.errors import FeaturamaError, Reason
    from featurama_core.types.models import Model
    from featurama_core.types.names import entity_id_problem
    from featurama_core.types.schema import (
        Entity,
        EntityType,
        FeatureDefinition,
        FeatureGroup,
        FeatureService,
    )
    from featurama_core.types.values import Status, ValueType
    from featurama_core.types.writes import (
        Deletion,
        Outcome,
        Verdict,
        WriteMode,
        WriteReport,
        WriteRequest,
        WriteUnit,
    )

_HOMES = {
    "Column": "featurama_core.types.column",
    "Contributions": "featurama_core.frames.predictions",
    "Deletion": "featurama_core.types.writes",
    "Entity": "featurama_core.types.schema",
    "EntityType": "featurama_core.types.schema",
    "FeatureDefinition": "featurama_core.types.schema",
    "FeatureGroup": "featurama_core.types.schema",
    "FeatureHistory": "featurama_core.frames.results",
    "FeatureService": "featurama_core.types.schema",
    "FeatureStore": "featurama_core.api",
    "FeaturamaError": "featurama_core.types.errors",
    "HistoricalFeatures": "featurama_core.frames.results",
    "Model": "featurama_core.types.models",
    "OnlineFeatures": "featurama_core.frames.results",
    "Outcome": "featurama_core.types.writes",
    "Predictions": "featurama_core.frames.predictions",
    "Reason": "featurama_core.types.errors",
    "Retries": "featurama.client.settings",
    "RowError": "featurama_core.frames.predictions",
    "Status": "featurama_core.types.values",
    "Tls": "featurama.client.settings",
    "ValueType": "featurama_core.types.values",
    "Verdict": "featurama_core.types.writes",
    "WriteMode": "featurama_core.types.writes",
    "WriteReport": "featurama_core.types.writes",
    "WriteRequest": "featurama_core.types.writes",
    "WriteUnit": "featurama_core.types.writes",
    "connect": "featurama.connecting",
    "entity_id_problem": "featurama_core.types.names",
    "error_from_rpc": "featurama.client.rpc_errors",
}

__all__ = [
    "Column",
    "Contributions",
    "Deletion",
    "Entity",
    "EntityType",
    "FeaturamaError",
    "FeatureDefinition",
    "FeatureGroup",
    "FeatureHistory",
    "FeatureService",
    "FeatureStore",
    "HistoricalFeatures",
    "Model",
    "OnlineFeatures",
    "Outcome",
    "Predictions",
    "Reason",
    "Retries",
    "RowError",
    "Status",
    "Tls",
    "ValueType",
    "Verdict",
    "WriteMode",
    "WriteReport",
    "WriteRequest",
    "WriteUnit",
    "connect",
    "entity_id_problem",
    "error_from_rpc",
    "sync",
]


def __getattr__(name: str) -> Any:
    if name == "sync":
        return import_module("featurama.sync")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
