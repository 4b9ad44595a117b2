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
        return StorageSettings(
            url=self.storage,
            password=self.storage_password.get_secret_value(),
            consistency=self.storage_consistency,
            request_timeout_ms=self.storage_request_timeout_ms,
            connect_timeout_ms=self.storage_connect_timeout_ms,
            max_in_flight=self.storage_max_in_flight,
            coalesce_delay_us=self.storage_coalesce_delay_us,
            tls_ca=self.storage_tls_ca,
            tls_cert=self.storage_tls_cert,
            tls_key=self.storage_tls_key,
            tls_verify=self.storage_tls_verify,
        )
