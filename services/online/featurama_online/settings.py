"""Settings of the online service: `FEATURAMA_ONLINE_...`."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from featurama_service.settings import Count, GrpcSettings, ServerSettings
from featurama_service.storage_options import StorageOptions


class OnlineSettings(ServerSettings, GrpcSettings, StorageOptions):
    """Settings in addition to `GrpcSettings`, `StorageOptions` and `LogSettings`.

    default_model: for Predict requests that name none; empty for the only model of the namespace, of several
    `delivery_time`. max_models: models kept in memory. model_staleness_ms: most until a moved alias is noticed.
    check_memory_bytes, check_seconds: limits of the process that checks a model. shadow: whether the model of
    shadow_alias, if any, also predicts, for comparison only. shadow_report_ms: between two logs of the comparison.
    artefacts: fsspec URL of the directory of artefacts outside the storage; empty for none.
    """

    model_config = SettingsConfigDict(env_prefix="FEATURAMA_ONLINE_")

    listen: str = "127.0.0.1:50051"
    default_model: str = ""
    max_models: Count = 8
    model_staleness_ms: Count = 1_000
    check_memory_bytes: Count = 1024 * 1024 * 1024
    check_seconds: Count = 60
    shadow: bool = True
    shadow_alias: str = "challenger"
    shadow_report_ms: Count = 60_000
    artefacts: str = ""
