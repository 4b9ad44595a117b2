"""`featurama migrate`: apply missing schema files."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from featurama_cli.output import show
from featurama_cli.place import JsonOption, Place, at_a_storage
from featurama_core.types.errors import Conflict


@at_a_storage
async def migrate(
    place: Place,
    every: Annotated[bool, typer.Option("--all", help="All namespaces of the storage.")] = False,
    create: Annotated[bool, typer.Option("--create", help="Create the namespace if it does not exist.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Migrate the tables of namespaces to this version. Safe to repeat; run it before new servers start."""
    from featurama_cli.session import open_stores
    from featurama_core.storage.port import NamespaceOptions

    rows: list[dict[str, object]] = []
    async with open_stores(place, makes=create, slow=True) as stores:
        if create:
            with suppress(Conflict):
                await stores.storage.create_namespace(place.namespace, NamespaceOptions())
                rows.append({"namespace": place.namespace, "applied": ["created"]})
        names = await stores.storage.list_namespaces() if every else [place.namespace]
        for name in names:
            applied = await stores.storage.migrate(name)
            if applied or not rows:
                rows.append({"namespace": name, "applied": applied or ["nothing; it is up to date"]})
    show(rows, as_json=as_json, empty="No namespaces.")
