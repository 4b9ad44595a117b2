"""`featurama entities`: list, show, register."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.key_options import KeysOption, TypeOfKeysOption, one_entity, type_of
from featurama_cli.output import note, show, show_one, when
from featurama_cli.place import JsonOption, Place, at_a_place, at_a_storage
from featurama_core.datasets.text import counted
from featurama_core.types.errors import InvalidInput, Unknown
from featurama_core.types.json_texts import read_json
from featurama_core.types.names import DEFAULT_ENTITY_TYPE as DEFAULT
from featurama_core.types.schema import Entity

app = typer.Typer(help="List, show and register entities. Lists entity types, too.")


@app.command()
@at_a_place
async def types(place: Place, as_json: JsonOption = False) -> None:
    """List the entity types, their key columns, and the bytes of an id that are left for the keys."""
    from featurama_cli.plan import keys_text
    from featurama_cli.session import open_store

    async with open_store(place) as store:
        found = await store.list_entity_types()
    rows = [{"name": each.name, "keys": keys_text(each), "description": each.description} for each in found]
    show(rows, as_json=as_json, empty="No entity types.")


@app.command("list")
@at_a_place
async def list_(
    place: Place,
    entity_type: Annotated[str | None, typer.Argument(help="Entity type; default: all.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of entities.")] = 1_000,
    as_json: JsonOption = False,
) -> None:
    """List the entities of a type: the registered ones, then those that only have values."""
    from featurama_cli.session import open_store

    found: dict[str, Entity] = {}
    async with open_store(place) as store:
        # An entity that only has values is of `entity` too, if it has values of any entity.
        every = [*(each.name for each in await store.list_entity_types() if each.name != DEFAULT), DEFAULT]
        for each in [entity_type] if entity_type else every:
            after: str | None = None
            while len(found) <= limit:
                page, after = await store.page_entities(each, after, limit)
                found |= {one.entity_id: one for one in page if one.entity_id not in found}
                if after is None:
                    break
    shown = list(found.values())[:limit]
    columns = ("entity_id", *(() if entity_type else ("entity_type",)), "name", "metadata")
    empty = f"No entities of type {entity_type}; the types are {', '.join(every)}." if entity_type else "No entities."
    show([_row(each) for each in shown], as_json=as_json, columns=columns, empty=empty)
    if len(found) > limit:
        note("There are more; raise --limit to see them.")


@app.command()
@at_a_storage
async def verify(place: Place, as_json: JsonOption = False) -> None:
    """Find entities whose ids belong to another entity type than their values. The exit code is 1 if there are any.

    Values may be older than the type with keys that owns their ids. It reads the ids of all entities with values.
    """
    from featurama_cli.session import open_namespace
    from featurama_core.ingest.foreign_ids import foreign_ids

    async with open_namespace(place) as namespace:
        found = [each async for each in foreign_ids(namespace)]
    rows = [{"entity_id": each.entity_id, "entity_type": each.entity_type, "problem": each.problem} for each in found]
    show(rows, as_json=as_json, empty="Every id is of the type of its values.")
    if found:
        raise typer.Exit(1)


@app.command("show")
@at_a_place
async def show_(
    place: Place,
    entity_id: Annotated[str | None, typer.Argument()] = None,
    keys: KeysOption = None,
    entity_type: TypeOfKeysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one entity, registered or with values only."""
    from featurama_cli.session import open_store

    named = one_entity(entity_id, keys)
    async with open_store(place) as store:
        if isinstance(named, Mapping):
            entity_id = await store.make_entity_id(entity_type or await type_of(store, None, None), named)
        else:
            entity_id = named
        try:
            found, unregistered = await store.get_entity(entity_id), ""
        except Unknown:
            # Refuses an entity without values, too.
            read = await store.get_all_features(entity_id)
            features = [await store.get_feature(column.name, column.version) for column in read.columns]
            types = sorted({each.entity_type for each in features} - {DEFAULT}) or [DEFAULT]
            found = Entity(entity_id, ", ".join(types))
            unregistered = f"It is not registered; it has values of {counted(len(features), 'feature')}."
    show_one(_row(found), as_json=as_json)
    if unregistered:
        note(unregistered)


@app.command()
@at_a_place
async def register(
    place: Place,
    entity_id: Annotated[
        str | None, typer.Argument(help="An entity id, or a file (CSV, Parquet, Arrow) of entities.")
    ] = None,
    keys: KeysOption = None,
    entity_type: Annotated[str, typer.Option("--type", help="Entity type; in a file, of rows without one.")] = "entity",
    name: Annotated[str, typer.Option("--name", help="Display name.")] = "",
    metadata: Annotated[str, typer.Option("--metadata", help="A JSON object.")] = "{}",
    as_json: JsonOption = False,
) -> None:
    """Register an entity, or replace its name and metadata.

    A file has the column entity_id, or the key columns of the type, and, each optional, entity_type, name and metadata
    (a JSON object).
    """
    from featurama_cli.entity_files import is_file, read_entities
    from featurama_cli.session import open_store

    named = one_entity(entity_id, keys)
    if entity_id is not None and await asyncio.to_thread(is_file, entity_id):
        async with open_store(place, makes=True) as store:
            kinds = {each.name: each for each in await store.list_entity_types()}
            count, parts = 0, read_entities(Path(entity_id), kinds, entity_type)
            while entities := await asyncio.to_thread(next, parts, None):
                count += len(await store.register_entities(entities))
        note(f"Registered {count:,} entities in namespace {place.namespace}.")
        return
    try:
        given = read_json(metadata, "--metadata", "metadata")
    except ValueError as error:
        raise InvalidInput("--metadata is not JSON; give an object in quotes", field="metadata") from error
    if not isinstance(given, dict):
        raise InvalidInput("--metadata must be a JSON object", field="metadata")
    async with open_store(place, makes=True) as store:
        show_one(_row(await store.register_entity(named, entity_type, name, given)), as_json=as_json)


def _row(entity: Entity) -> dict[str, object]:
    return {
        "entity_id": entity.entity_id,
        "entity_type": entity.entity_type,
        "name": entity.name,
        "metadata": _metadata(entity.metadata),
        "created_at": when(entity.created_at),
        "updated_at": when(entity.updated_at),
    }


def _metadata(text: str) -> object:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return text
    return found if isinstance(found, dict) else text
