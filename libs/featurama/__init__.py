"""Featurama: feature stores, embedded or behind servers.

    async with featurama.connect("sqlite:///featurama-data") as store: ...
    async with featurama.connect("grpc://localhost:50051?ingest=localhost:50052") as store: ...
    with featurama.sync.connect("sqlite:///featurama-data") as store: ...

A store behind servers requires grpcio, protobuf, googleapis-common-protos and numpy; pandas, polars or pyarrow only for
their frames. Names are loaded on first use, so that the import itself is fast.
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
    from featurama_core.types.imports import ImportScope
    from featurama_core.types.json_texts import read_json
    from featurama_core.types.models import Model
    from featurama_core.types.names import entity_id_problem
    from featurama_core.types.problems import Problem
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

_NAMES = {
    "featurama.client.rpc_errors": "error_from_rpc",
    "featurama.client.settings": "Retries Tls",
    "featurama.connecting": "connect",
    "featurama_core.api": "FeatureStore",
    "featurama_core.frames.predictions": "Contributions Predictions RowError",
    "featurama_core.frames.results": "FeatureHistory HistoricalFeatures OnlineFeatures",
    "featurama_core.types.column": "Column",
    "featurama_core.types.errors": "FeaturamaError Reason",
    "featurama_core.types.imports": "ImportScope",
    "featurama_core.types.json_texts": "read_json",
    "featurama_core.types.models": "Model",
    "featurama_core.types.names": "entity_id_problem",
    "featurama_core.types.problems": "Problem",
    "featurama_core.types.schema": "Entity EntityType FeatureDefinition FeatureGroup FeatureService",
    "featurama_core.types.values": "Status ValueType",
    "featurama_core.types.writes": "Deletion Outcome Verdict WriteMode WriteReport WriteRequest WriteUnit",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

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
    "ImportScope",
    "Model",
    "OnlineFeatures",
    "Outcome",
    "Predictions",
    "Problem",
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
    "read_json",
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
