"""`featurama dataset build`: label rows and what was known of them, point in time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.place import JsonOption, Place, at_a_place

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def dataset() -> None:
    """Build point-in-time training sets."""


@app.command()
@at_a_place
async def build(
    place: Place,
    labels: Annotated[
        Path, typer.Option("--labels", help="Parquet, CSV or Arrow file with entity_id, timestamp and any others.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="What to write: .parquet, .csv or .arrow.")],
    features: Annotated[str | None, typer.Option("--features", "-f", help="References, parted by commas.")] = None,
    service: Annotated[str | None, typer.Option("--service", "-s", help="A feature service instead.")] = None,
    known_at: Annotated[
        str | None,
        typer.Option("--known-at", help="Only what was known then: a time, or `label` for each row's own."),
    ] = None,
    statuses: Annotated[bool, typer.Option("--statuses", help="A column <feature>__status besides.")] = False,
    event_times: Annotated[bool, typer.Option("--event-times", help="A column <feature>__event_time besides.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give every label row the values as they were at its timestamp. Rows and their order stay."""
    from featurama_cli.datasets import build_dataset
    from featurama_cli.output import show_one
    from featurama_cli.session import open_session

    async with open_session(place) as session:
        facts = await build_dataset(
            session,
            labels,
            out,
            features=features,
            service=service,
            known_at=known_at,
            statuses=statuses,
            event_times=event_times,
        )
    show_one(facts, as_json=as_json)
