"""Settings of the online service: `FEATURAMA_ONLINE_...`."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from featurama_service.settings import Count, GrpcSettings, ServiceSettings
from featurama_service.storage_options import StorageOptions


class OnlineSettings(ServiceSettings, GrpcSettings, StorageOptions):
    """Pieces: `GrpcSettings`, `StorageOptions`, `LogSettings`.

    default_model: what Predict uses when the request names none. max_models: how many stay in memory.
    model_staleness_ms: how long an alias that moved may go unnoticed. check_memory_bytes, check_seconds: what the
    process that tries models may take for one. shadow: whether the model that shadow_alias names, if there is one,
    predicts too, only to be compared. shadow_report_ms: how often the comparison is logged. artefacts: fsspec URL of
    the directory of artefacts that lie outside the storage; empty: none.
    """

    model_config = SettingsConfigDict(env_prefix="FEATURAMA_ONLINE_")

    listen: str = "127.0.0.1:50051"
    default_model: str = "delivery_time"
    max_models: Count = 8
    model_staleness_ms: Count = 1_000
    check_memory_bytes: Count = 1024 * 1024 * 1024
    check_seconds: Count = 60
    shadow: bool = True
    shadow_alias: str = "challenger"
    shadow_report_ms: Count = 60_000
    artefacts: str = ""
