"""The cluster adapter opened on the test server, with faults that a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from featurama_core.storage.cql import CqlStorage
from featurama_core.storage.cql.driver import OnStatement
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

EVER = {"start": -(2**62), "end": 2**62}
GROUP = FeatureGroup("group")


def feature(name: str, value_type: ValueType = ValueType.DOUBLE, vector_length: int = 0) -> FeatureDefinition:
    return FeatureDefinition(name, value_type, group="group", vector_length=vector_length)


class Faults:
    """Notes every statement; raises at the ones whose text starts with `at`, after `skip` of them."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.at = ""
        self.skip = 0
        self.error: Exception = RuntimeError("broken")

    def __call__(self, text: str) -> None:
        self.seen.append(text)
        if self.at and text.startswith(self.at):
            if self.skip == 0:
                raise self.error
            self.skip -= 1


@asynccontextmanager
async def opened(url: str, faults: OnStatement | None = None, **settings: Any) -> AsyncIterator[CqlStorage]:
    chosen = StorageSettings(url, **{"request_timeout_ms": 20_000, **settings})
    async with CqlStorage.open(StorageUrl.parse(url), chosen, faults) as storage:
        yield storage
