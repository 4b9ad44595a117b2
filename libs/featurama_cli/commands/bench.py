"""`featurama bench`: measure the online reads of a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.output import note, show_one
from featurama_cli.place import JsonOption, Place, at_a_place

_BUSY = 0.9


@at_a_place
async def bench(
    place: Place,
    target: Annotated[
        str | None, typer.Option("--target", metavar="HOST:PORT", help="Servers, short for --store grpc://HOST:PORT.")
    ] = None,
    clients: Annotated[
        int | None, typer.Option("--clients", "-c", min=1, help="Closed loop: calls at once; default 8.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", "-r", min=0.001, help="Open loop: calls per second, whatever the answers do."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Duration.")] = 10.0,
    entities: Annotated[int, typer.Option("--entities", "-e", min=1, help="Entities per call.")] = 1,
    features: Annotated[
        str | None,
        typer.Option("--features", "-f", help="Number of features, or references separated by commas; default 10."),
    ] = None,
    service: Annotated[str | None, typer.Option("--service", "-s", help="A feature service instead.")] = None,
    entity_type: Annotated[
        str | None, typer.Option("--type", "-t", help="Entity type; default: that of the first feature.")
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="File of entity ids, one per line; default: those of the type.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the online reads of a store: throughput, percentiles, errors by reason. Nothing is written.

    A closed loop finds the throughput. An open loop finds the latency at a rate: it counts from the time at which a
    call was due, so that a server that stalls is charged for all calls that it keeps waiting. No call is sent again.
    """
    from featurama.client.settings import Retries
    from featurama_cli.bench.load import closed_loop, open_loop
    from featurama_cli.bench.reads import reads_of
    from featurama_cli.session import open_store
    from featurama_core.types.errors import InvalidInput

    if clients is not None and rate is not None:
        raise InvalidInput("give clients of a closed loop or the rate of an open one, not both", field="rate")
    if target is not None:
        place = replace(place, url=f"grpc://{target}")
    async with open_store(place, retries=Retries(attempts=1)) as store:
        reads = await reads_of(store, features, service, entity_type, entities, ids)
        shape = await reads.first(store)
        call = reads.call_of(store)
        if rate is not None:
            load = await open_loop(call, rate=rate, seconds=seconds)
        else:
            load = await closed_loop(call, clients=clients or 8, seconds=seconds)
    figures = load.figures()
    if not as_json and not load.errors:
        figures["errors"] = "none"
    asked = {"rate": rate} if rate is not None else {"clients": clients or 8}
    show_one({"store": place.text, "namespace": place.namespace, **asked, **shape, **figures}, as_json=as_json)
    if load.cpu > _BUSY * load.seconds:
        note("The load used a whole core: the store may be faster. Run the command on several machines at once.")
    if not load.latencies:
        raise typer.Exit(1)
