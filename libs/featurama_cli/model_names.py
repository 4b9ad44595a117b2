"""A model as it is named on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from featurama_core.types.errors import InvalidInput
from featurama_model.checked_model import ModelReference
from featurama_model.registry import CHAMPION


def reference_of(name: str, version: int = 0, alias: str = CHAMPION) -> ModelReference:
    """NAME, NAME@ALIAS or NAME@VERSION, with --version and --alias. "" for no name."""
    if "@" not in name:
        return ModelReference(name, version, alias)
    if version or alias != CHAMPION:
        raise InvalidInput(f"{name!r} names the version; leave out --version and --alias", field="model")
    return ModelReference.parse(name)


@contextmanager
def naming_by(how: str) -> Iterator[None]:
    """Says how a command names a model, if one of several must be named."""
    try:
        yield
    except InvalidInput as error:
        if error.metadata.get("field") == "model" and error.message.startswith("name the model:"):
            raise InvalidInput(f"{error.message}; give it as {how}", field="model") from error
        raise
