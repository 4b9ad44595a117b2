"""Settings of the ingest service: `FEATURAMA_INGEST_...`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from featurama_core.settings import WRITE_DEADLINE
from featurama_service.settings import Count, GrpcSettings, Millis, ServerSettings
from featurama_service.storage_options import StorageOptions


class IngestSettings(ServerSettings, GrpcSettings, StorageOptions):
    """Settings in addition to `GrpcSettings`, `StorageOptions` and `LogSettings`.

    write_deadline_ms: maximum duration of a write, also if its client allows more; readers rely on the limit of 10 s.
    stream_window: chunks in flight per stream. purge_interval_ms: between purges of values past retention; 0 disables
    them in this server. Of several workers the first one purges.
    """

    FIRST_WORKER_ONLY: ClassVar[Mapping[str, object]] = {"purge_interval_ms": 0}
    model_config = SettingsConfigDict(env_prefix="FEATURAMA_INGEST_")

    listen: str = "127.0.0.1:50052"
    write_deadline_ms: Annotated[int, Field(ge=1, le=WRITE_DEADLINE // 1_000)] = WRITE_DEADLINE // 1_000
    stream_window: Count = 8
    purge_interval_ms: Millis = 3_600_000
