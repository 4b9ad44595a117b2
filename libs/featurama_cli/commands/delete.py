"""`featurama delete ENTITY`: delete all its values, or those of some features."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.key_options import KeysOption, TypeOfKeysOption, one_entity, shown, type_of
from featurama_cli.output import note, show_one, when
from featurama_cli.place import JsonOption, Place, YesOption, at_a_place
from featurama_cli.progress import must_confirm


@at_a_place
async def delete(
    place: Place,
    entity_id: Annotated[str | None, typer.Argument()] = None,
    keys: KeysOption = None,
    entity_type: TypeOfKeysOption = None,
    features: Annotated[
        list[str] | None,
        typer.Option("--feature", "-f", help="Only the values of these features, separated by commas or repeated."),
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

    features = [name for each in features or () for name in each.replace(" ", "").split(",")] or None
    entity = one_entity(entity_id, keys)
    named = shown(entity)
    what = f"the values of {', '.join(features)} of {named}" if features else f"all values of {named}"
    must_confirm(f"Delete {what} in {place.namespace} at {place.text} permanently?", yes)
    async with open_store(place) as store:
        if keys and entity_type is None:
            entity_type = await type_of(store, features, None)
        if features:
            done = await store.delete_feature_values(entity, features, through, entity_type=entity_type)
        else:
            done = await store.delete_entity(entity, through, entity_type=entity_type)
    row = {"entity_id": named, "found": done.found, "deleted_through": when(done.deleted_through)}
    cleaned = {"cleaned": done.cleaned} if done.found or not done.cleaned else {}
    show_one(row | cleaned | ({"features": features} if features else {}), as_json=as_json)
    if not done.found:
        nothing = f"Nothing of {', '.join(features)}" if features else "Nothing"
        note(f"{nothing} is stored for {named} in {place.namespace}; is the id right?")
