"""Artefacts outside the storage: a directory or an object store, by an fsspec URL (`file:///models`, `s3://bucket/a`).

A file is named by its own hash below its namespace and model, so it never changes and can be written again. The
manifest holds only this relative location; the URL and the credentials belong to the deployment. The bytes read are
checked against the manifest's hash like any artefact (`check_artefact`). fsspec is imported on first use.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from featurama_core.types.errors import InvalidInput, Reason, StoreUnavailable
from featurama_core.types.names import check_name
from featurama_model.manifest import Artefact


@dataclass(frozen=True, slots=True, repr=False)
class ArtefactDirectory:
    """The artefacts of one namespace. url: an fsspec URL or a local path."""

    url: str
    namespace: str

    async def put(self, model: str, content: bytes) -> Artefact:
        """Write the bytes, completely or not at all. -> their facts, with the location. Raises StoreUnavailable."""
        facts = Artefact.of(content)
        location = f"{check_name(self.namespace, 'namespace')}/{check_name(model, 'model')}/{facts.sha256}.json"
        await asyncio.to_thread(self._write, location, content)
        return replace(facts, location=location)

    async def read(self, artefact: Artefact) -> bytes:
        """The bytes at its location, at most its size plus one. Raises StoreUnavailable, and FileNotFoundError for a
        missing file.
        """
        return await asyncio.to_thread(self._read, artefact)

    async def remove(self, artefact: Artefact) -> None:
        """Remove the file if it exists."""
        await asyncio.to_thread(self._remove, artefact.location)

    def _write(self, location: str, content: bytes) -> None:
        system, root = self._open()
        path = f"{root}/{location}"
        try:
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            # In a transaction a local file appears under its name only when it is complete, as an object does.
            with system.transaction, system.open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise _unavailable("written") from error

    def _read(self, artefact: Artefact) -> bytes:
        system, root = self._open()
        try:
            with system.open(f"{root}/{artefact.location}", "rb") as file:
                return bytes(file.read(artefact.size + 1))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unavailable("read") from error

    def _remove(self, location: str) -> None:
        system, root = self._open()
        try:
            system.rm_file(f"{root}/{location}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unavailable("removed") from error

    def _open(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs

            system, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise InvalidInput(
                "the artefact directory cannot be opened: its URL has a scheme for which no package is installed",
                reason=Reason.INVALID_ARGUMENT,
                field="artefacts",
            ) from error
        return system, str(root).rstrip("/")


def _unavailable(done: str) -> StoreUnavailable:
    return StoreUnavailable(f"the artefact cannot be {done}: the artefact directory does not answer; try again")
