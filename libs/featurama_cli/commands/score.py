"""`featurama score`: predictions for label rows, written to files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.label_options import EntityColumnOption, LabelRowOptions
from featurama_cli.mapping_options import LayoutOptions
from featurama_cli.place import JsonOption, Place, at_a_storage

app = typer.Typer(add_completion=False)


@app.command()
@at_a_storage
async def score(
    place: Place,
    *,
    model: Annotated[
        str, typer.Option("--model", "-m", help="NAME (the champion), NAME@ALIAS or NAME@VERSION.")
    ] = "delivery_time",
    options: LabelRowOptions,
    layout: LayoutOptions,
    entity_column: EntityColumnOption = "entity_id",
    ray: Annotated[bool, typer.Option("--ray", help="Use tasks of a local Ray (extra `ray`).")] = False,
    address: Annotated[str | None, typer.Option("--address", help="With --ray: an existing cluster.")] = None,
    tasks: Annotated[
        int, typer.Option("--tasks", min=1, help="With --ray: tasks that read the storage concurrently.")
    ] = 4,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="With --ray: a directory that all machines share; default: beside --out."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict for label rows at their times, into files.

    The scores equal those of Predict for the values as of that time, and list missing features. A row without a
    prediction has a reason. An interrupted run writes nothing to --out. Its finished work is kept beside it for
    --resume.
    """
    from featurama_cli.output import show_one
    from featurama_cli.scoring import scored_files
    from featurama_core.types.errors import InvalidInput

    if options.out is None:
        raise InvalidInput("name the output with --out", field="out")
    if "=" in entity_column:
        raise InvalidInput(
            f"--entity-column {entity_column}: the features of a model are of one entity type; name one column",
            field="entity_column",
        )
    if not ray and (address is not None or work is not None):
        raise InvalidInput("--address and --work need --ray", field="ray")
    facts = await scored_files(
        place,
        options.labels,
        model,
        options.out,
        ray=ray,
        address=address,
        tasks=tasks,
        work=work,
        entity_column=entity_column,
        **options.files(),
        **options.rows(),
        **layout.arguments(options.types),
    )
    show_one(facts, as_json=as_json)
