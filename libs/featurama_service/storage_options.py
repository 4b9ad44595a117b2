"""Settings of the storage, for the services that open one (online, ingest, trainer)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, field_validator

from featurama_core.storage.port import Consistency
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.errors import InvalidInput


class StorageOptions(BaseModel, frozen=True):
    """The URL and the connection of the storage, with the fields of `StorageSettings`.

    storage: `sqlite:///relative/dir`, `sqlite:////absolute/dir` or `scylla://user@host1,host2/?dc=dc1`.
    """

    storage: str = "sqlite:///featurama-data"
    storage_password: SecretStr = SecretStr("")
    storage_consistency: Consistency = Consistency.LOCAL_QUORUM
    storage_request_timeout_ms: Annotated[int, Field(ge=1)] = 5_000
    storage_connect_timeout_ms: Annotated[int, Field(ge=1)] = 5_000
    storage_max_in_flight: Annotated[int, Field(ge=1)] = 200
    storage_coalesce_delay_us: Annotated[int, Field(ge=0)] = 0
    storage_tls_ca: str = ""
    storage_tls_cert: str = ""
    storage_tls_key: str = ""
    storage_tls_verify: bool = True

    @field_validator("storage")
    @classmethod
    def _readable(cls, url: str) -> str:
        try:
            StorageUrl.parse(url)
        except InvalidInput as error:
            raise ValueError(error.message) from None
        return url

    @property
    def embedded(self) -> bool:
        """Whether the storage is a local directory."""
        return StorageUrl.parse(self.storage).scheme == "sqlite"

    def storage_settings(self) -> StorageSettings:
        """The same settings as a `StorageSettings`."""
        given = {name.removeprefix("storage_"): getattr(self, name) for name in StorageOptions.model_fields}
        password = self.storage_password.get_secret_value()
        return StorageSettings(url=given.pop("storage"), **given | {"password": password})
