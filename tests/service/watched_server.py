"""A service in a process of its own that measures itself: `python -m tests.service.watched_server online URL FILE`.

It prints its address, and serves until its standard input is closed. FILE has the peaks as JSON: `lag_ms`, for how long
the event loop served nobody since the last SIGUSR1, and `rss_bytes`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from featurama_ingest import app as ingest_app
from featurama_ingest.settings import IngestSettings
from featurama_online import app as online_app
from featurama_online.settings import OnlineSettings

ADDRESS_SPACE = 8 * 1024**3
"""A server that takes more memory ends itself, not the machine."""
_TICK_S = 0.001


def note(file: Path, **peaks: float) -> None:
    """Replace what the file says."""
    written = file.with_suffix(".new")
    written.write_text(json.dumps(peaks), encoding="utf-8")
    written.replace(file)


async def watch(file: Path) -> None:
    """Write the peaks to the file. A late tick counts as lag only while this process worked: on a shared machine
    another process may have had the processor.
    """
    lag, rss, is_new = 0.0, 0, True

    def forget() -> None:
        nonlocal lag, is_new
        lag, is_new = 0.0, True

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, forget)
    while True:
        wall, worked = time.perf_counter(), time.process_time()
        await asyncio.sleep(_TICK_S)
        late = min(time.perf_counter() - wall, time.process_time() - worked) - _TICK_S
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if late > lag or used > rss or is_new:
            lag, rss, is_new = max(lag, late), max(rss, used), False
            note(file, lag_ms=lag * 1_000, rss_bytes=rss)


async def serve(service: str, url: str, file: Path) -> None:
    """Run the service and the watch."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    quiet: dict[str, Any] = {
        "storage": url,
        "listen": "127.0.0.1:0",
        "drain_delay_ms": 0,
        "log_level": "error",
        "default_deadline_ms": 60_000,
    }
    settings = OnlineSettings(**quiet) if service == "online" else IngestSettings(**quiet, purge_interval_ms=0)
    run: Any = online_app.run if service == "online" else ingest_app.run
    loop.add_reader(sys.stdin.fileno(), stop.set)
    watching: list[asyncio.Task[None]] = []

    def started(bound: Any) -> None:
        watching.append(asyncio.create_task(watch(file)))
        print(bound.address, flush=True)

    await run(settings, stop=stop, started=started)
    watching[0].cancel()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    asyncio.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
