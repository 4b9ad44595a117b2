"""The Featurama client.

    async with featurama.AsyncClient("localhost:50051", ingest_target="localhost:50052") as client: ...
    with featurama.Client("localhost:50051", ingest_target="localhost:50052") as client: ...

Needs grpcio, protobuf, googleapis-common-protos and numpy; pandas, polars or pyarrow only when a frame of theirs is
given or asked for. Names are loaded when they are first used, so that the import itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurama.client.async_client import AsyncClient
    from featurama.client.blocking_client import Client
    from featurama.client.models import Model
    from featurama.client.predicting import Contributions, Predictions, RowError
    from featurama.client.rpc_errors import error_from_rpc
    from featurama.client.settings import Retries, Tls
    from featurama_core.frames.results import FeatureHistory, HistoricalFeatures, OnlineFeatures
    from featurama_core.types.column import Column
    from featurama_core.types.errors import FeaturamaError, Reason
    from featurama_core.types.imports import ImportScope
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
    "AsyncClient": "featurama.client.async_client",
    "Client": "featurama.client.blocking_client",
    "Column": "featurama_core.types.column",
    "Contributions": "featurama.client.predicting",
    "Deletion": "featurama_core.types.writes",
    "Entity": "featurama_core.types.schema",
    "EntityType": "featurama_core.types.schema",
    "FeatureDefinition": "featurama_core.types.schema",
    "FeatureGroup": "featurama_core.types.schema",
    "FeatureHistory": "featurama_core.frames.results",
    "FeatureService": "featurama_core.types.schema",
    "FeaturamaError": "featurama_core.types.errors",
    "HistoricalFeatures": "featurama_core.frames.results",
    "ImportScope": "featurama_core.types.imports",
    "Model": "featurama.client.models",
    "OnlineFeatures": "featurama_core.frames.results",
    "Outcome": "featurama_core.types.writes",
    "Predictions": "featurama.client.predicting",
    "Reason": "featurama_core.types.errors",
    "Retries": "featurama.client.settings",
    "RowError": "featurama.client.predicting",
    "Status": "featurama_core.types.values",
    "Tls": "featurama.client.settings",
    "ValueType": "featurama_core.types.values",
    "Verdict": "featurama_core.types.writes",
    "WriteMode": "featurama_core.types.writes",
    "WriteReport": "featurama_core.types.writes",
    "WriteRequest": "featurama_core.types.writes",
    "WriteUnit": "featurama_core.types.writes",
    "entity_id_problem": "featurama_core.types.names",
    "error_from_rpc": "featurama.client.rpc_errors",
}

__all__ = [
    "AsyncClient",
    "Client",
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
    "HistoricalFeatures",
    "ImportScope",
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
    "entity_id_problem",
    "error_from_rpc",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
