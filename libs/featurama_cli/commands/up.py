"""`featurama up`: all services in one process, for development and small installations."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated, Literal

import typer

from featurama_cli.output import note
from featurama_cli.place import Place, serving_a_storage

_PORT = {"min": 0, "max": 65_535}


@serving_a_storage
async def up(
    place: Place,
    online_port: Annotated[int, typer.Option("--online-port", help="0 selects a free port.", **_PORT)] = 50_051,
    ingest_port: Annotated[int, typer.Option("--ingest-port", **_PORT)] = 50_052,
    gateway_port: Annotated[int, typer.Option("--gateway-port", **_PORT)] = 8_080,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    log_level: Annotated[Literal["debug", "info", "warning", "error"], typer.Option("--log-level")] = "warning",
) -> None:
    """Run online, ingest and gateway in one process on one storage. They drain on SIGTERM and SIGINT.


    A missing namespace of an embedded storage is created.
    """
    from featurama_cli.servers import Ports, all_servers
    from featurama_cli.session import open_namespace, storage_options

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    storage = storage_options(place.url)
    if storage.embedded:
        async with open_namespace(place, makes=True):
            pass
    broken: list[BaseException] = []

    def failed(error: BaseException) -> None:
        broken.append(error)
        stop.set()

    ports = Ports(online_port, ingest_port, gateway_port, host)
    async with all_servers(storage, ports, failed, log_level=log_level) as at:
        typer.echo(f"online   {at.online}  gRPC")
        typer.echo(f"ingest   {at.ingest}  gRPC")
        typer.echo(f"gateway  http://{at.gateway}  REST, Swagger UI at /docs")
        note(f"storage  {place.text}; Ctrl-C ends.")
        await stop.wait()
        note("Draining.")
    if broken:
        raise broken[0]
