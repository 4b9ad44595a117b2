"""`featurama dataset`: label rows and what was known of them, point in time; and whether a set is still what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.label_options import EntityColumnsOption, LabelRowOptions, entity_columns_of
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
    features: Annotated[str | None, typer.Option("--features", "-f", help="References, parted by commas.")] = None,
    service: Annotated[str | None, typer.Option("--service", "-s", help="A feature service instead.")] = None,
    entity_column: EntityColumnsOption = None,
    statuses: Annotated[bool, typer.Option("--statuses", help="A column <feature>__status besides.")] = False,
    event_times: Annotated[bool, typer.Option("--event-times", help="A column <feature>__event_time besides.")] = False,
    reading: Annotated[
        str, typer.Option("--reading", help="auto, scan or slices: how history is read (with --storage).")
    ] = "auto",
    explain: Annotated[bool, typer.Option("--explain", help="Only say what would be read, how, and why.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give every label row the values as they were at its time. Rows and their order stay; a manifest tells the rest.

    An interrupted build leaves nothing at --out, and its finished work beside it for --resume.
    """
    from featurama_cli.datasets import ask_for_set, build_dataset, plan_told, reads_shown
    from featurama_cli.output import show, show_json, show_one, told
    from featurama_cli.session import open_session
    from featurama_core.types.errors import InvalidInput

    if options.out is None and not explain:
        raise InvalidInput("name what to write with --out", field="out")
    if reading not in ("auto", "scan", "slices"):
        raise InvalidInput("--reading is auto, scan or slices", field="reading")
    default_column, of_types = entity_columns_of(entity_column)
    async with open_session(place) as session:
        training = await ask_for_set(
            session,
            options.labels,
            features=features,
            service=service,
            reading=reading,
            entity_column=default_column,
            entity_columns=of_types,
            statuses=statuses,
            event_times=event_times,
            **options.rows(),
        )
        if explain:
            plan = await training.explain()
            if as_json:
                show_json(plan.to_dict())
                return
            if plan.label_entities:
                nothing = "Nothing is stored at or before the label rows' times."
                show(reads_shown(plan), as_json=False, title="What would be read", empty=nothing)
            told(plan_told(plan))
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
        bool, typer.Option("--rebuild", help="Build it again from --storage and compare, row for row.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a set's files against its manifest, and with --rebuild its values against the store.

    Exit code 1 unless the files are as written and only deletion and retention changed values since.
    """
    from featurama_cli.output import show, show_json, told
    from featurama_cli.session import open_store
    from featurama_core.datasets.verify import differences_shown
    from featurama_core.training_sets import verify as verify_set
    from featurama_core.types.errors import InvalidInput

    if rebuild and place.target:
        raise InvalidInput("--rebuild needs the storage itself; give --storage URL", field="storage")
    if rebuild:
        async with open_store(place) as store:
            found = await verify_set(out, store)
    else:
        found = await verify_set(out)
    if as_json:
        show_json(found.to_dict())
    else:
        for problem in found.problems:
            told(problem)
        if found.differences:
            show(differences_shown(found.differences), as_json=False, title="What is another value now")
        compared = "" if found.differences is None else ", values compared with the store"
        told(f"{'good' if found.is_good else 'NOT good'}: {found.files} files, {found.rows:,} rows{compared}")
    if not found.is_good:
        raise typer.Exit(1)
