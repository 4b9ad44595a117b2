"""`featurama score`: predictions for label rows, written to files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurama_cli.label_options import EntityColumnOption, LabelRowOptions, RolesOption, roles_given
from featurama_cli.mapping_options import LayoutOptions
from featurama_cli.output import show_one
from featurama_cli.place import JsonOption, Place, at_a_storage
from featurama_core.types.errors import InvalidInput

if TYPE_CHECKING:
    from featurama_core.datasets.manifest import Manifest


@at_a_storage
async def score(
    place: Place,
    *,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="NAME (the champion), NAME@ALIAS or NAME@VERSION; default: the only model."),
    ] = None,
    options: LabelRowOptions,
    layout: LayoutOptions,
    entity_column: EntityColumnOption = "entity_id",
    roles: RolesOption = None,
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
    from featurama_cli.datasets import written
    from featurama_cli.model_names import naming_by
    from featurama_cli.session import artefact_directory, open_namespace, storage_options
    from featurama_model.checked_model import ModelReference, checked_model
    from featurama_model.default_model import only_model
    from featurama_model.scoring import scores

    output = options.output()
    if not ray and (address is not None or work is not None):
        raise InvalidInput("--address and --work need --ray", field="ray")
    reference = None if model is None else ModelReference.parse(model)
    async with open_namespace(place) as namespace:
        with naming_by("--model NAME"):
            reference = reference or ModelReference(await only_model(namespace.storage))
        checked = await checked_model(namespace, reference, artefacts=artefact_directory(place))
        rows = options.rows() | layout.arguments(options.types, options.rename) | {"roles": roles_given(roles)}
        made = await scores(namespace, options.labels, checked, entity_column=entity_column, **rows)

        def facts(manifest: Manifest) -> dict[str, object]:
            counts = manifest.content["scores"]
            counted = {name: counts[name] or None for name in ("failed", "missing")}
            model = {"model": checked.manifest.name, "version": checked.manifest.version}
            return model | {"predicted": counts["predicted"]} | counted

        if not ray:
            shown = await written(made.write, output, facts)
        else:
            from featurama_trainer import ray as on_ray

            where = on_ray.StoreLocation.of(storage_options(place.url).storage_settings(), place.namespace)
            cutting = on_ray.Cutting(work=work, concurrency=tasks)
            with on_ray.connected(address):
                by_tasks = partial(on_ray.write_scores, made, namespace, where, checked, cutting=cutting)
                shown = await written(by_tasks, output, facts)
    show_one(shown, as_json=as_json)
