"""Puts a mutant into a process: its code into a loaded function, or its source in the place of a module's own."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Sequence
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Self


def swap(module: ModuleType, source: str, function: str) -> None:
    """Exchange the code of a loaded function; everything that refers to the function sees it.

    Raises:
        SyntaxError: the source is no Python.
        LookupError: the function cannot be exchanged like this; the module must be loaded anew.
    """
    assert module.__file__ is not None
    code = _code_of(compile(source, module.__file__, "exec", dont_inherit=True), function)
    found: object = module
    for part in function.split("."):
        found = vars(found)[part]
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__func__", found)
    if hasattr(found, "cache_clear"):
        found.cache_clear()
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    if not isinstance(found, FunctionType) or found.__code__.co_freevars != code.co_freevars:
        raise LookupError(function)
    found.__code__ = code


def _code_of(code: CodeType, function: str) -> CodeType:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_qualname == function:
                return each
            if function.startswith(f"{each.co_qualname}."):
                return _code_of(each, function)
    raise LookupError(function)


class Replacing(importlib.abc.MetaPathFinder):
    """Loads one module from another source, under its own name and file name."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self._name = name
        self._path = path
        self._source = source

    def install(self) -> None:
        """The first finder that is searched."""
        sys.meta_path.insert(0, self)

    def find_spec(  # the finder's signature
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """The one module only."""
        if fullname != self._name:
            return None
        loader = _SourceLoader(fullname, self._path)
        loader.source = self._source
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _SourceLoader(importlib.machinery.SourceFileLoader):
    source = ""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # the loader's signature
        """Never from a bytecode file, never into one."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


class Entered:
    """The functions of one file that are entered while it is open, in every thread that begins meanwhile."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._codes: set[CodeType] = set()

    def __enter__(self) -> Self:
        """Start to look."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        sys.setprofile(None)
        threading.setprofile(None)

    def clear(self) -> None:
        """Forget what was entered."""
        self._codes.clear()

    def functions(self) -> set[str]:
        """Outermost functions, qualified by their classes."""
        return {code.co_qualname.split(".<locals>", 1)[0] for code in self._codes}

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename == self._path:
            self._codes.add(frame.f_code)
