"""How often files are opened, as Linux counts it (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Self

_OPENED, _CLOSED = 0x20, 0x08 | 0x10
_EVENT = struct.Struct("iIII")


class OpenedFiles:
    """Counts from when it is made; each `count` starts anew. Used as a context."""

    def __init__(self, paths: Iterable[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK)
        assert self._events >= 0, os.strerror(ctypes.get_errno())
        # Closings are watched too: equal events in a row would be one.
        self._names = {
            libc.inotify_add_watch(self._events, os.fsencode(path), _OPENED | _CLOSED): path.name for path in paths
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._events)

    def count(self) -> dict[str, int]:
        """File name -> how often it was opened since the last count."""
        found: Counter[str] = Counter()
        while True:
            try:
                data = os.read(self._events, 65_536)
            except BlockingIOError:
                return dict(found)
            while data:
                watch, mask, _, length = _EVENT.unpack_from(data)
                found[self._names[watch]] += bool(mask & _OPENED)
                data = data[_EVENT.size + length :]
