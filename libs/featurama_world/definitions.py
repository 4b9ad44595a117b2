"""Where the world's definitions are: a file for `featurama apply`, shipped with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def definitions_path() -> Path:
    """The path of `definitions.yaml`: the entity types, groups, features and services of the world."""
    return Path(str(files("featurama_world").joinpath("definitions.yaml")))
