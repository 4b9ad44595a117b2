"""`featurama history`: read the stored values of one feature."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.key_options import KeysOption, TypeOfKeysOption, one_entity, shown
from featurama_cli.output import show, when, when_ns
from featurama_cli.place import JsonOption, Place, at_a_place
from featurama_core.types.errors import InvalidInput


@at_a_place
async def history(
    place: Place,
    names: Annotated[
        list[str], typer.Argument(help="ENTITY_ID FEATURE, or with --key FEATURE alone: `distance` or `distance@1`.")
    ],
    keys: KeysOption = None,
    entity_type: TypeOfKeysOption = None,
    start: Annotated[
        str | None, typer.Option("--start", help="Only event times from this time on (ISO 8601 with zone).")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", help="Only event times up to this time.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Maximum number of values.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="No limit.")] = False,
    corrections: Annotated[bool, typer.Option("--corrections", help="Include corrected values.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the stored values of one feature, newest first."""
    from featurama_cli.session import open_store
    from featurama_core.types.values import Status

    if len(names) != (1 if keys else 2):
        raise InvalidInput("give ENTITY_ID FEATURE, or --key NAME=KEY and FEATURE", field="feature")
    entity, feature = one_entity(None if keys else names[0], keys), names[-1]
    async with open_store(place) as store:
        found = await store.get_feature_history(
            entity,
            feature,
            start,
            end,
            None if everything else limit,
            corrections=corrections,
            entity_type=entity_type,
        )
    column = found.column
    rows = [
        {
            "event_time": when(int(event_time)),
            "value": value,
            "status": Status(int(status)).name,
            "ingested_at": when_ns(int(ingested_at)),
        }
        for event_time, value, status, ingested_at in zip(
            column.event_time, column.to_list(), column.status, found.ingested_at, strict=True
        )
    ]
    show(rows, as_json=as_json, title=f"{shown(entity)} {feature}", empty="No values in this period.")
