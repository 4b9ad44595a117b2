"""What a program says when it is installed without the packages of its extra. Standard library only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OF_PACKAGE = {"ray": "ray"}
"""Packages that an extra of their own adds to a program's."""


def missing_package(error: ModuleNotFoundError, extra: str) -> str:
    """The error as a line that names the extra to install. extra: that of the program.

    Raises the error itself if the module is one of Featurama's: no extra would bring it.
    """
    package = (error.name or "").partition(".")[0]
    if not package or package.startswith("featurama"):
        raise error
    return f"{package} is not installed; pip install 'featurama[{_OF_PACKAGE.get(package, extra)}]'"


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Run what needs the packages of an extra. Without one of them the process ends with one line and exit code 2."""
    try:
        yield
    except ModuleNotFoundError as error:
        sys.stderr.write(f"featurama: {missing_package(error, extra)}\n")
        sys.exit(2)
