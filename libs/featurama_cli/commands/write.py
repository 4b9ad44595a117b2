"""`featurama write FILE...`: write values from files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurama_cli.mapping_options import LayoutOptions, MappingOptions
from featurama_cli.output import note, show, show_json
from featurama_cli.place import JsonOption, Place, at_a_place
from featurama_cli.progress import bar

if TYPE_CHECKING:
    pass

_SHOWN_PROBLEMS = 10


@at_a_place
async def write(
    place: Place,
    *,
    files: Annotated[list[Path], typer.Argument(help="Parquet, CSV or Arrow files, or directories of them.")],
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Version of the features; default: the newest.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, max=10_000, help="Rows per message.")] = 1_000,
    bulk: Annotated[bool, typer.Option("--bulk", help="Backfill: faster, but tables may differ for a moment.")] = False,
    skip_nulls: Annotated[
        bool, typer.Option("--skip-nulls", help="Skip empty cells instead of writing them as null.")
    ] = False,
    mapping_file: Annotated[
        Path | None,
        typer.Option(
            "--mapping", help="YAML file with `mapping:`, such as `featurama infer` prints; the options override it."
        ),
    ] = None,
    mapping: MappingOptions,
    layout: LayoutOptions,
    as_json: JsonOption = False,
) -> None:
    """Write the values of Parquet, CSV or Arrow files.

    Long files have entity_id, feature_name, value, timestamp. Wide files have entity_id, timestamp and one column per
    feature. Files with a column ingested_at are old history (--bulk): each argument is one import, which corrects
    earlier imports of the same times. The exit code is 1 if a row was not accepted. The first such rows are printed;
    NAME.rejected.* beside the file has all.
    """
    from featurama_cli.mapping_file import described
    from featurama_cli.session import open_store
    from featurama_cli.value_files import FileOptions, FilesWriting, value_files
    from featurama_core.types.writes import WriteMode

    columns, written = await asyncio.to_thread(described, mapping_file, mapping, layout)
    arguments = [await asyncio.to_thread(value_files, path, written) for path in files]
    sources = [source for argument in arguments for source in argument]
    total = sum(each.rows or 0 for each in sources) if all(each.rows is not None for each in sources) else None
    async with open_store(place) as store:
        with bar("Writing", total) as advance:
            mode = WriteMode.BULK if bulk else WriteMode.ATOMIC
            options = FileOptions(version, batch_size, mode, skip_nulls, columns)
            writing = FilesWriting(store, options, advance)
            for argument in arguments:
                await writing.write(argument)
    report = writing.report
    counts, refused, beside = report.counts, report.refused, report.beside
    if as_json:
        more = {"problems": report.problems(), "casts": report.casts, "rejected_files": beside}
        show_json(counts | {"verdicts": refused} | {name: each for name, each in more.items() if each})
    else:
        if refused:
            show(refused, as_json=False, title="Not accepted (the first ones)")
        for problem in report.problems()[:_SHOWN_PROBLEMS]:
            note(problem)
        for name, count in report.casts.items():
            note(f"{count:,} cells cast: {name}")
        note(", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "accepted"))
        for path in beside:
            note(f"rows that were not accepted, with reasons: {path}")
    if counts["rejected"] or counts["unknown"]:
        raise typer.Exit(1)
