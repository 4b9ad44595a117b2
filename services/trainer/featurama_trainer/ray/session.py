"""The connection to Ray: a local instance, or an existing cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

_ATTEMPTS = 3
_WORKERS_A_CPU = 4
"""Idle processes kept per CPU. Shuffles need processes of their own kind. With Ray's default of one per CPU a stage
ends the processes of the previous stage and waits seconds for new ones.
"""


@contextmanager
def connected(address: str | None = None, *, num_cpus: int | None = None, progress: bool = False) -> Iterator[None]:
    """Ray until the context ends: a local instance with `num_cpus` (default: all), or the existing cluster at
    `address`. An existing connection is used and kept.

    progress: show the bars and the log of Ray Data. A local Ray also listens on all interfaces of the machine: see
    docs/ray.md.
    """
    if ray.is_initialized():
        yield
        return
    # Disables the usage reports of Ray.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The default of the next version of Ray: keep the environment of tasks without accelerators.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    _start(address, num_cpus)
    context, log = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, log.level
    if not progress:
        context.enable_progress_bars = False
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars = before[0]
        log.setLevel(before[1])
        ray.shutdown()


def _start(address: str | None, num_cpus: int | None) -> None:
    if address is not None:
        ray.init(address=address, logging_level="warning")
        return
    kept = _WORKERS_A_CPU * (num_cpus or os.cpu_count() or 1)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(
                num_cpus=num_cpus,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                logging_level="warning",
                log_to_driver=False,
                _system_config={"num_workers_soft_limit": kept},
            )
            return
        except Exception as error:  # Ray raises no subclass
            # Ray allows 30 s for the start of its processes; a busy machine may need longer.
            if attempt == _ATTEMPTS or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
