"""`featurama pack GROUP`: move the history of a group to packed cells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from featurama_cli.output import note, show_one, when
from featurama_cli.place import JsonOption, Place, at_a_storage

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace


@at_a_storage
async def pack(
    place: Place,
    group: Annotated[str, typer.Argument(help="A feature group whose history is packed.")],
    wait: Annotated[bool, typer.Option(help="Go on until reads need the earlier rows no more.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Move the history of a group on a CQL server from rows to packed cells.

    The group is read and written meanwhile. First `featurama features edit GROUP --kind group --history packed`. The
    command may be ended at any point and run again. A run a day later removes the earlier rows.
    """
    from featurama_cli.session import open_stores

    async with open_stores(place) as stores:
        found = await _packed(await stores.namespace(place.namespace), group, wait=wait)
    show_one(found, as_json=as_json)


async def _packed(namespace: Namespace, group: str, *, wait: bool) -> dict[str, object]:
    from featurama_core.ingest.pack import pack as make_pass
    from featurama_core.types.times import SECOND

    values = removed = 0
    while True:
        made = await make_pass(namespace, group)
        values, removed = values + made.values, removed + made.removed
        if made.again_at is None or not wait:
            break
        if (left := made.again_at - namespace.now()) > 0:
            note(f"Copied {values:,} values; reads merge both until {when(made.again_at)}.")
            await asyncio.sleep(left / SECOND)
    again = None if made.again_at is None else when(made.again_at)
    return {"group": group, "values": values, "periods_left": made.periods, "again": again, "removed": removed}
