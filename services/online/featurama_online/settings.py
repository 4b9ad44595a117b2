"""Settings of the online service: `FEATURAMA_ONLINE_...`."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from featurama_service.settings import Count, GrpcSettings, ServiceSettings
from featurama_service.storage_options import StorageOptions


class OnlineSettings(ServiceSettings, GrpcSettings, StorageOptions):
    """Pieces: `GrpcSettings`, `StorageOptions`, `LogSettings`.

    default_model: what Predict uses when the request names none. max_models: how many stay in memory.
    """

    model_config = SettingsConfigDict(env_prefix="FEATURAMA_ONLINE_")

    listen: str = "127.0.0.1:50051"
    default_model: str = "delivery_time"
    max_models: Count = 8
