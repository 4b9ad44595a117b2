"""Logs of a server: one structured line per event, as JSON, or pretty on a terminal.

`open_log` creates a logger, which is passed on. Calls log no feature values and no entity ids.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from featurama_service.settings import WORKER, LogSettings

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def open_log(settings: LogSettings, service: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """The log of `service`, to standard error unless a stream is given."""
    stream = sys.stderr if stream is None else stream
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=_processors(settings, stream),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        service=service,
    )
    return log.bind(**process_fields())


def process_fields() -> dict[str, int]:
    """What every line of this process has: of a worker its number."""
    worker = os.environ.get(WORKER)
    return {} if worker is None else {"worker": int(worker)}


def route_standard_logging(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Route the standard library's logging the same way. For the main function of a process only."""
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_processors(settings, stream),
            ],
        )
    )
    logging.basicConfig(level=max(LEVELS[settings.log_level], logging.WARNING), handlers=[handler], force=True)


def is_pretty(settings: LogSettings, stream: TextIO) -> bool:
    """Whether lines are for people instead of programs."""
    return settings.log_format == "pretty" or (settings.log_format == "auto" and stream.isatty())


def _processors(settings: LogSettings, stream: TextIO) -> list[Processor]:
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if is_pretty(settings, stream):
        return [*shared, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    return [*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
