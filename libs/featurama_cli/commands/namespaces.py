"""`featurama namespaces`: manage namespaces, and export and import them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.output import note, show, show_one
from featurama_cli.place import JsonOption, Place, YesOption, at_a_storage
from featurama_cli.progress import bar, must_confirm
from featurama_core.types.errors import Conflict, InvalidInput, Reason

app = typer.Typer(help="Create, list, export, import and delete namespaces. A namespace is an isolated tenant.")


@app.command("list")
@at_a_storage
async def list_(place: Place, as_json: JsonOption = False) -> None:
    """List the namespaces of a storage."""
    from featurama_cli.session import count_features, open_stores
    from featurama_core.store import EmbeddedStore

    async with open_stores(place) as stores:
        rows = []
        for name in await stores.storage.list_namespaces():
            namespace = await stores.namespace(name)
            store = EmbeddedStore(namespace)
            rows.append(
                {
                    "namespace": name,
                    "features": await count_features(store),
                    "groups": len(await store.list_feature_groups()),
                    "services": len(await store.list_feature_services()),
                    "models": len({model.name for model in await namespace.storage.list_models()}),
                }
            )
    show(rows, as_json=as_json, empty="No namespaces; create one with `featurama namespaces create`.")


@app.command()
@at_a_storage
async def create(
    place: Place,
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _, at most 40.")],
    replication: Annotated[
        str | None, typer.Option("--replication", help="Replicas per datacentre: dc1=3,dc2=3 (CQL only).")
    ] = None,
    history_period: Annotated[
        str, typer.Option("--history-period", help="Length of a history partition; cannot be changed later.")
    ] = "30d",
    if_missing: Annotated[bool, typer.Option("--if-missing", help="No error if it exists.")] = False,
) -> None:
    """Create a namespace with its tables (takes seconds on a cluster)."""
    from featurama_cli.session import open_stores
    from featurama_core.storage.port import NamespaceOptions
    from featurama_core.types.times import parse_duration

    options = NamespaceOptions(parse_duration(history_period, "history_period") or 0, _replication(replication))
    async with open_stores(place, makes=True, slow=True) as stores:
        try:
            await stores.storage.create_namespace(name, options)
        except Conflict as error:
            if not if_missing or error.reason is not Reason.NAMESPACE_EXISTS:
                raise
            note(f"Namespace {name} exists already.")
            return
    note(f"Created namespace {name} at {place.text}.")


@app.command()
@at_a_storage
async def delete(
    place: Place,
    name: Annotated[str, typer.Argument()],
    yes: YesOption = False,
) -> None:
    """Delete a namespace with its definitions, values and models."""
    from featurama_cli.session import open_stores

    must_confirm(f"Delete namespace {name} at {place.text} with all its data?", yes)
    async with open_stores(place, slow=True) as stores:
        await stores.storage.drop_namespace(name)
    note(f"Deleted namespace {name}.")


@app.command()
@at_a_storage
async def export(
    place: Place,
    name: Annotated[str, typer.Argument()],
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    as_json: JsonOption = False,
) -> None:
    """Write a namespace to files: definitions, entities, history, tombstones and models.

    Corrections are kept, with their ingest times. Deleted values and values past retention are not exported.
    """
    from featurama_cli.archive.exporting import export_namespace
    from featurama_cli.session import open_stores

    async with open_stores(place) as stores:
        with bar("Exporting", None, unit="values") as advance:
            counts = await export_namespace(await stores.namespace(name), folder, advance)
    show_one(counts, as_json=as_json)


@app.command("import")
@at_a_storage
async def import_(
    place: Place,
    name: Annotated[str, typer.Argument(help="Name of the new namespace.")],
    folder: Annotated[Path, typer.Argument(help="The folder of an export.")],
    as_json: JsonOption = False,
) -> None:
    """Create a namespace from exported files. Ingest times are kept, so that known_at gives the same values."""
    from featurama_cli.archive.importing import import_namespace
    from featurama_cli.session import open_stores

    async with open_stores(place, makes=True, slow=True) as stores:
        with bar("Importing", None, unit="values") as advance:
            counts = await import_namespace(stores, name, folder, advance)
    show_one(counts, as_json=as_json)


def _replication(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, copies = part.partition("=")
        if not name.strip() or not copies.strip().isdecimal():
            raise InvalidInput("--replication is written dc1=3,dc2=3", field="replication")
        found[name.strip()] = int(copies)
    return found
