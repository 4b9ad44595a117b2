"""`featurama predict`: predict by entity, by given features, or both."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.key_options import KeysOption, keys_of
from featurama_cli.output import show, show_json
from featurama_cli.place import JsonOption, Place, at_a_place
from featurama_core.types.errors import InvalidInput


@at_a_place
async def predict(
    place: Place,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Entity ids, and features as name=value; bools: true, false. An id that contains =: id:..."
        ),
    ] = None,
    keys: KeysOption = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="NAME, NAME@ALIAS or NAME@VERSION; default: the only model; of servers, their default model.",
        ),
    ] = "",
    version: Annotated[int, typer.Option("--version", min=0, help="Version; 0: the version of the alias.")] = 0,
    alias: Annotated[str, typer.Option("--alias")] = "champion",
    as_json: JsonOption = False,
) -> None:
    """Predict for entities or for given features. The output has the values that were used.


    `featurama predict ENTITY_ID`, `featurama predict ENTITY_ID FEATURE=VALUE`, `featurama predict FEATURE=VALUE ...`.
    """
    from featurama_cli.model_names import naming_by, reference_of
    from featurama_cli.predicting import predicted_here, served, split_arguments
    from featurama_cli.session import open_namespace, open_store

    reference = reference_of(model, version, alias)
    entity_ids, given = split_arguments(what or ())
    named = keys_of(keys)
    if bool(entity_ids) + bool(named) + bool(given) == 0 or (entity_ids and named):
        raise InvalidInput("give entity ids, --key, or features as name=value", field="entity_id")
    model, version, alias = reference.name, reference.version, reference.alias
    with naming_by("--model NAME"):
        if place.servers:
            async with open_store(place) as store:
                predicted = await served(store, entity_ids or named, given, model=model, version=version, alias=alias)
        else:
            async with open_namespace(place) as namespace:
                predicted = await predicted_here(
                    namespace, entity_ids or named, given, model=model, version=version, alias=alias
                )
    if as_json:
        show_json([each.to_dict() for each in predicted])
    else:
        for each in predicted:
            show(each.used, as_json=False, title=each.title, empty=each.title)
    if any(each.problem for each in predicted):
        raise typer.Exit(1)
