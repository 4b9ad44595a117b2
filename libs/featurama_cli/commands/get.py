"""`featurama get`: read the newest values."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.key_options import KeysOption, TypeOfKeysOption, keys_of, one_entity, shown, type_of
from featurama_cli.output import note, show
from featurama_cli.place import JsonOption, Place, at_a_place


@at_a_place
async def get(
    place: Place,
    entity_ids: Annotated[list[str] | None, typer.Argument(help="One or more entity ids.")] = None,
    keys: KeysOption = None,
    entity_type: TypeOfKeysOption = None,
    features: Annotated[
        str | None, typer.Option("--features", "-f", help="References, separated by commas; default: all of the type.")
    ] = None,
    service: Annotated[str | None, typer.Option("--service", "-s", help="A feature service instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest values of entities. A value has a status, an event time and a version."""
    from featurama_cli.session import open_store
    from featurama_cli.value_rows import names_of, of_other_types, value_rows

    names = names_of(features, service)
    title = shown(one_entity(entity_ids[0] if entity_ids else None, keys))
    async with open_store(place) as store:
        ids = list(entity_ids or ())
        if keys:
            kind = entity_type or await type_of(store, names, service)
            ids = [await store.make_entity_id(kind, keys_of(keys))]
        if names is None and service is None:
            read = [await store.get_all_features(each, entity_type=entity_type) for each in ids]
        else:
            read = [await store.get_online_features(ids, names, service=service)]
            for strange in await of_other_types(store, read[0]):
                note(strange)
    rows = [row for each in read for row in value_rows(each.entity_ids, each.columns)]
    columns = () if len(ids) > 1 else ("feature", "version", "value", "status", "event_time")
    show(rows, as_json=as_json, columns=columns, title=title if len(ids) == 1 else "", empty="No values.")
