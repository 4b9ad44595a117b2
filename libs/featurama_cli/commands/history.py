"""`featurama history`: read the stored values of one feature."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.output import show, when, when_ns
from featurama_cli.place import JsonOption, Place, at_a_place


@at_a_place
async def history(
    place: Place,
    entity_id: Annotated[str, typer.Argument()],
    feature: Annotated[str, typer.Argument(help="`distance` or `distance@1`.")],
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

    async with open_store(place) as store:
        found = await store.get_feature_history(
            entity_id, feature, start, end, None if everything else limit, corrections=corrections
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
    show(rows, as_json=as_json, title=f"{entity_id} {feature}", empty="No values in this period.")
