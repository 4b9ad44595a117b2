"""One log line per call, off the path of calls: lines are gathered for a moment; a thread renders and writes them."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Self, TextIO

from featurama_service.logs import LEVELS, is_pretty, open_log, process_fields
from featurama_service.settings import LogSettings

_GATHERED_S: Final = 0.05
_MOST_LINES: Final = 50_000

_LEVEL_NAMES: Final = {each: logging.getLevelName(each).lower() for each in LEVELS.values()}

_Line = tuple[float, int, str, dict[str, Any]]


class AccessLog:
    """The calls of a server. Leaving its context writes the last lines."""

    def __init__(
        self, settings: LogSettings, service: str, stream: TextIO | None = None, *, most: int = _MOST_LINES
    ) -> None:
        """most: lines that wait for a slow standard error. Those beyond are counted, not written."""
        self._stream = sys.stderr if stream is None else stream
        self._about: dict[str, Any] = {"service": service, **process_fields()}
        self._least = LEVELS[settings.log_level]
        self._every = settings.log_calls_every if settings.log_calls else 0
        self._pretty = open_log(settings, service, stream) if is_pretty(settings, self._stream) else None
        self._encode = json.JSONEncoder(default=repr).encode
        self._seen = self._left_out = 0
        self._gathered: list[_Line] = []
        self._batches: SimpleQueue[list[_Line] | None] = SimpleQueue()
        self._most, self._handed, self._written = most, 0, 0
        self._thread: Thread | None = None

    def note(self, level: int, event: str, **fields: Any) -> None:
        """Log a line. Of those at INFO, every `log_calls_every`th."""
        if not self._every or level < self._least:
            return
        if level == logging.INFO:
            self._seen += 1
            if self._seen % self._every:
                return
        if self._handed - self._written + len(self._gathered) >= self._most:
            self._left_out += 1
            return
        if not self._gathered:
            asyncio.get_running_loop().call_later(_GATHERED_S, self._hand_over)
        self._gathered.append((time.time(), level, event, fields))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def flush(self) -> None:
        """Write the lines of all calls so far. Blocks while they are written."""
        self._hand_over()
        if self._thread is not None:
            self._batches.put(None)
            self._thread.join()
            self._thread = None

    def _hand_over(self) -> None:
        if self._left_out:
            fields = {"lines": self._left_out}
            self._gathered.append((time.time(), logging.WARNING, "access log lines were left out", fields))
            self._left_out = 0
        if not self._gathered:
            return
        if self._thread is None:
            self._thread = Thread(target=self._write, name="access-log", daemon=True)
            self._thread.start()
        self._handed += len(self._gathered)
        self._batches.put(self._gathered)
        self._gathered = []

    def _write(self) -> None:
        while (lines := self._batches.get()) is not None:
            try:
                if self._pretty is not None:
                    for _, level, event, fields in lines:
                        self._pretty.log(level, event, **fields)
                else:
                    self._stream.write("".join(map(self._rendered, lines)))
                    self._stream.flush()
            except (OSError, ValueError):
                pass  # standard error is closed: calls go on without their lines
            self._written += len(lines)

    def _rendered(self, line: _Line) -> str:
        at, level, event, fields = line
        second, micros = divmod(int(at * 1_000_000), 1_000_000)
        about = {**self._about, "event": event, "level": _LEVEL_NAMES[level]}
        return f'{self._encode(fields | about)[:-1]}, "timestamp": "{_second_text(second)}.{micros:06d}Z"}}\n'


@lru_cache(maxsize=4)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
