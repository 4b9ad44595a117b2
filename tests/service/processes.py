"""Services as processes of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Begin = Callable[..., Awaitable[asyncio.subprocess.Process]]


@asynccontextmanager
async def service_processes(folder: Path) -> AsyncIterator[Begin]:
    """`await begin("online", workers=2)` starts a service by its settings, over an embedded storage in the folder; its
    log is `stderr`. What still runs at the end is killed.
    """
    running: list[asyncio.subprocess.Process] = []

    async def begin(service: str, **settings: object) -> asyncio.subprocess.Process:
        if service != "gateway":
            settings = {"storage": f"sqlite:///{folder}/store", **settings}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FEATURAMA_")}
        environment |= {f"FEATURAMA_{service}_{name}".upper(): str(value) for name, value in settings.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"featurama_{service}", env=environment, stderr=asyncio.subprocess.PIPE
        )
        running.append(process)
        return process

    try:
        yield begin
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
                await process.wait()
