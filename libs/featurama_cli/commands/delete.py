"""`featurama delete ENTITY`: delete all its values, or those of some features."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.output import show_one, when
from featurama_cli.place import JsonOption, Place, YesOption, at_a_place
from featurama_cli.progress import must_confirm


@at_a_place
async def delete(
    place: Place,
    entity_id: Annotated[str, typer.Argument()],
    features: Annotated[
        list[str] | None, typer.Option("--feature", "-f", help="Only the values of this feature; may be repeated.")
    ] = None,
    through: Annotated[
        str | None, typer.Option("--through", help="Only event times up to this time (ISO 8601 with zone).")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the values of an entity, or of some of its features, permanently.

    Late writes and old copies of deleted values stay invisible. The entity can get new values with later event times.
    """
    from featurama_cli.session import open_store

    what = f"the values of {', '.join(features)} of {entity_id}" if features else f"all values of {entity_id}"
    must_confirm(f"Delete {what} in {place.namespace} at {place.text} permanently?", yes)
    async with open_store(place) as store:
        if features:
            done = await store.delete_feature_values(entity_id, features, through)
        else:
            done = await store.delete_entity(entity_id, through)
    row = {"entity_id": entity_id, "deleted_through": when(done.deleted_through), "cleaned": done.cleaned}
    show_one(row | ({"features": features} if features else {}), as_json=as_json)
