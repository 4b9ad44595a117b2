"""`featurama world`: generate the sample world, in files or in a store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer

from featurama_cli.output import show_one
from featurama_cli.place import JsonOption, Place, at_a_place
from featurama_core.types.errors import InvalidInput


@at_a_place
async def world(
    place: Place,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for files.")] = None,
    into: Annotated[bool, typer.Option("--into", help="Write definitions, entities and values to --store.")] = False,
    file_format: Annotated[Literal["parquet", "csv", "arrow"], typer.Option("--format")] = "parquet",
    training: Annotated[
        Path | None, typer.Option("--training", help="Write the training config of its model to this file.")
    ] = None,
    deliveries: Annotated[int, typer.Option("--deliveries", min=0)] = 2_000,
    days: Annotated[int, typer.Option("--days", min=2)] = 60,
    planets: Annotated[int, typer.Option("--planets", min=2)] = 20,
    characters: Annotated[int, typer.Option("--characters", min=1)] = 12,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 1_729,
    as_json: JsonOption = False,
) -> None:
    """Generate the Futurama sample world, as files or into a store.

    `--out FOLDER` writes files, `--into` writes to a store; without either only the size is shown.
    """
    import featurama_world
    from featurama_cli.session import open_store
    from featurama_cli.world_writing import world_of, write_files, write_world

    if out is not None and into:
        raise InvalidInput("--out and --into exclude each other; give one", field="out")
    made = world_of(deliveries=deliveries, days=days, planets=planets, characters=characters, seed=seed)
    if training is not None:
        await asyncio.to_thread(training.write_bytes, featurama_world.training_path().read_bytes())
    size = made.size()
    facts: dict[str, object] = {"entities": size.entities, "rows": size.rows, "values": size.values}
    if out is not None:
        facts["files"] = [path.name for path in await asyncio.to_thread(write_files, made, out, file_format)]
    elif into:
        async with open_store(place, makes=True) as store:
            done = await write_world(store, made)
        facts |= {"accepted_rows": done.rows, "values_per_second": round(done.values / done.seconds)}
    show_one(facts, as_json=as_json)
