"""`featurama dataset`: build point-in-time training sets from label rows, and verify them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from featurama_cli.label_options import EntityColumnsOption, LabelRowOptions, RolesOption, entities_given
from featurama_cli.mapping_options import LayoutOptions
from featurama_cli.output import note, show, show_json, show_one
from featurama_cli.place import JsonOption, Place, at_a_place
from featurama_core.types.errors import InvalidInput

if TYPE_CHECKING:
    from featurama_core.datasets.manifest import Manifest

app = typer.Typer(help="Build point-in-time training sets, and verify them.")


@app.command()
@at_a_place
async def build(
    place: Place,
    options: LabelRowOptions,
    layout: LayoutOptions,
    features: Annotated[str | None, typer.Option("--features", "-f", help="References, separated by commas.")] = None,
    service: Annotated[str | None, typer.Option("--service", "-s", help="A feature service instead.")] = None,
    entity_column: EntityColumnsOption = None,
    roles: RolesOption = None,
    statuses: Annotated[bool, typer.Option("--statuses", help="Add a column <feature>__status per feature.")] = False,
    event_times: Annotated[
        bool, typer.Option("--event-times", help="Add a column <feature>__event_time per feature.")
    ] = False,
    column_separator: Annotated[
        str,
        typer.Option("--column-separator", help="Text for the dots in names of feature columns, such as __ or _."),
    ] = ".",
    strategy: Annotated[
        Literal["auto", "scan", "lookup", "seek"],
        typer.Option("--strategy", help="How history is read (storage only)."),
    ] = "auto",
    explain: Annotated[bool, typer.Option("--explain", help="Show the plan of the reads, without reading.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add the feature values as of the time of each label row. Rows and their order are kept; a manifest is written.

    An interrupted build writes nothing to --out. Its finished work is kept beside it for --resume.
    """
    from featurama_cli.datasets import written
    from featurama_cli.session import open_store
    from featurama_cli.value_rows import names_of

    output = {} if explain else options.output()
    names = names_of(features, service)
    if names is None and service is None:
        raise InvalidInput("name the features to add: --features a,b or --service name", field="features")
    async with open_store(place) as store:
        training = await store.training_set(
            options.labels,
            names,
            service=service,
            strategy=strategy,
            statuses=statuses,
            event_times=event_times,
            column_separator=column_separator,
            **entities_given(entity_column, roles),
            **options.rows(),
            **layout.arguments(options.types, options.rename),
        )
        if explain:
            plan = await training.explain()
            if as_json:
                show_json(plan.to_dict())
                return
            if plan.label_entities:
                nothing = "No values are stored at or before the times of the label rows."
                show(plan.table(), as_json=False, title="What would be read", empty=nothing)
            note(plan.summary())
            return

        def facts(manifest: Manifest) -> dict[str, object]:
            columns = len(manifest.request["label_columns"]) + len(manifest.features)
            nulls = {each["name"]: each["nulls"] for each in manifest.features if each["nulls"]}
            return {"columns": columns, "without_value": nulls or None}

        shown = await written(training.write, output, facts)
    show_one(shown, as_json=as_json)


@app.command()
@at_a_place
async def verify(
    place: Place,
    out: Annotated[Path, typer.Argument(help="The directory or file of a set.")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build it again from the storage at --store and compare the values.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the files of a set against its manifest and, with --rebuild, its values against the store.

    The exit code is 0 if the files are unchanged and values differ only by deletion and retention, else 1.
    """
    from featurama_cli.session import open_namespace
    from featurama_core.datasets.verify import differences_shown
    from featurama_core.datasets.verify import verify as verify_set
    from featurama_core.store_datasets import rebuilt

    if rebuild and place.servers:
        raise InvalidInput("--rebuild needs the storage itself; give --store sqlite:///dir", field="store")
    if rebuild:
        async with open_namespace(place) as namespace:
            found = await verify_set(out, partial(rebuilt, namespace))
    else:
        found = await verify_set(out)
    if as_json:
        show_json(found.to_dict())
    else:
        for problem in found.problems:
            note(problem)
        if found.differences:
            show(differences_shown(found.differences), as_json=False, title="Values that differ now")
        compared = "" if found.differences is None else ", values compared with the store"
        note(f"{'good' if found.is_good else 'NOT good'}: {found.files} files, {found.rows:,} rows{compared}")
    if not found.is_good:
        raise typer.Exit(1)
