"""`featurama dataset`: build point-in-time training sets from label rows, and verify them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.label_options import EntityColumnsOption, LabelRowOptions, entity_columns_of
from featurama_cli.mapping_options import LayoutOptions
from featurama_cli.place import JsonOption, Place, at_a_place

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def dataset() -> None:
    """Build point-in-time training sets, and verify them."""


@app.command()
@at_a_place
async def build(
    place: Place,
    options: LabelRowOptions,
    layout: LayoutOptions,
    features: Annotated[str | None, typer.Option("--features", "-f", help="References, separated by commas.")] = None,
    service: Annotated[str | None, typer.Option("--service", "-s", help="A feature service instead.")] = None,
    entity_column: EntityColumnsOption = None,
    statuses: Annotated[bool, typer.Option("--statuses", help="Add a column <feature>__status per feature.")] = False,
    event_times: Annotated[
        bool, typer.Option("--event-times", help="Add a column <feature>__event_time per feature.")
    ] = False,
    strategy: Annotated[
        str, typer.Option("--strategy", help="How history is read: auto, scan or lookup (storage only).")
    ] = "auto",
    explain: Annotated[bool, typer.Option("--explain", help="Show the plan of the reads, without reading.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add the feature values as of the time of each label row. Rows and their order are kept; a manifest is written.

    An interrupted build writes nothing to --out. Its finished work is kept beside it for --resume.
    """
    from featurama_cli.datasets import build_dataset, plan_summary, reads_shown, requested_set
    from featurama_cli.output import note, show, show_json, show_one
    from featurama_cli.session import open_store
    from featurama_core.types.errors import InvalidInput

    if options.out is None and not explain:
        raise InvalidInput("name the output with --out", field="out")
    if strategy not in ("auto", "scan", "lookup"):
        raise InvalidInput("--strategy is auto, scan or lookup", field="strategy")
    default_column, of_types = entity_columns_of(entity_column)
    async with open_store(place) as store:
        training = await requested_set(
            store,
            options.labels,
            features=features,
            service=service,
            strategy=strategy,
            entity_column=default_column,
            entity_columns=of_types,
            statuses=statuses,
            event_times=event_times,
            **options.rows(),
            **layout.arguments(options.types),
        )
        if explain:
            plan = await training.explain()
            if as_json:
                show_json(plan.to_dict())
                return
            if plan.label_entities:
                nothing = "No values are stored at or before the times of the label rows."
                show(reads_shown(plan), as_json=False, title="What would be read", empty=nothing)
            note(plan_summary(plan))
            return
        assert options.out is not None
        facts = await build_dataset(training, options.out, **options.files())
    show_one(facts, as_json=as_json)


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
    from functools import partial

    from featurama_cli.output import note, show, show_json
    from featurama_cli.session import open_namespace
    from featurama_core.datasets.verify import differences_shown
    from featurama_core.datasets.verify import verify as verify_set
    from featurama_core.store_datasets import rebuilt
    from featurama_core.types.errors import InvalidInput

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
