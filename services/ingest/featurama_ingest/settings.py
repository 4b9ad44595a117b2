"""Settings of the ingest service: `FEATURAMA_INGEST_...`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from featurama_core.settings import WRITE_DEADLINE
from featurama_service.settings import Count, GrpcSettings, Millis, ServiceSettings
from featurama_service.storage_options import StorageOptions


class IngestSettings(ServiceSettings, GrpcSettings, StorageOptions):
    """Pieces: `GrpcSettings`, `StorageOptions`, `LogSettings`.

    write_deadline_ms: how long a write may take at most, whatever its client allows; readers rely on it, so that at
    most the 10 s of semantics.md. stream_window: chunks of one stream that are in flight.
    purge_interval_ms: how often values past retention are removed; 0: never by this server.
    """

    model_config = SettingsConfigDict(env_prefix="FEATURAMA_INGEST_")

    listen: str = "127.0.0.1:50052"
    write_deadline_ms: Annotated[int, Field(ge=1, le=WRITE_DEADLINE // 1_000)] = WRITE_DEADLINE // 1_000
    stream_window: Count = 8
    purge_interval_ms: Millis = 3_600_000
