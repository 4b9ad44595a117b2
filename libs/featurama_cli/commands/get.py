"""`featurama get`: read the newest values."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.output import note, show
from featurama_cli.place import JsonOption, Place, at_a_place


@at_a_place
async def get(
    place: Place,
    entity_ids: Annotated[list[str], typer.Argument(help="One or more entity ids.")],
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
    async with open_store(place) as store:
        if names is None and service is None:
            read = [await store.get_all_features(each) for each in entity_ids]
        else:
            read = [await store.get_online_features(entity_ids, names, service=service)]
            for strange in await of_other_types(store, read[0]):
                note(strange)
    rows = [row for each in read for row in value_rows(each.entity_ids, each.columns)]
    columns = () if len(entity_ids) > 1 else ("feature", "version", "value", "status", "event_time")
    show(
        rows, as_json=as_json, columns=columns, title=entity_ids[0] if len(entity_ids) == 1 else "", empty="No values."
    )
