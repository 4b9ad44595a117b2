"""`featurama purge`: remove values past retention."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.output import show
from featurama_cli.place import JsonOption, Place, at_a_storage


@at_a_storage
async def purge(
    place: Place,
    every: Annotated[bool, typer.Option("--all", help="All namespaces of the storage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove values past retention. Ingest servers do this every hour.

    Reads never show expired values; a purge frees their space.
    """
    from featurama_cli.session import open_stores
    from featurama_core.ingest.purge import purge as purge_namespace

    async with open_stores(place) as stores:
        names = await stores.storage.list_namespaces() if every else [place.namespace]
        rows = []
        for name in names:
            purged = await purge_namespace(await stores.namespace(name))
            rows.append({"namespace": name, "latest_cells": purged.latest_cells, "history_rows": purged.history_rows})
    show(rows, as_json=as_json, empty="No namespaces.")
