"""`featurama models`: versions, aliases, comparisons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.output import note, show, show_json, show_one, when
from featurama_cli.place import JsonOption, Place, YesOption, at_a_place, at_a_storage
from featurama_cli.progress import must_confirm
from featurama_core.types.errors import InvalidInput

app = typer.Typer(help="List, compare, promote, roll back and delete models.")

ByOption = Annotated[str, typer.Option("--by", help="User in the audit log; default: the user of the process.")]
LabelsOption = Annotated[Path | None, typer.Option("--labels", help="Label file, for a model trained from a file.")]


@app.command("list")
@at_a_place
async def list_(
    place: Place,
    name: Annotated[str | None, typer.Argument(help="A model; default: all.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check the versions that an alias names, as a server does (storage only).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the versions of models, with their scores and aliases, and their state in servers."""
    from featurama_cli.model_listing import served_rows, shown_columns, stored_rows
    from featurama_cli.session import open_models, open_store
    from featurama_model.promotion import trying

    if place.servers:
        async with open_store(place) as store:
            rows = served_rows(await store.list_models(name))
    else:
        async with open_models(place) as (_, registry), trying(registry) as trial:
            rows = await stored_rows(registry, name, trial if check else None)
    show(rows, as_json=as_json, columns=shown_columns(rows), empty="No models; train one with `featurama train`.")


@app.command("show")
@at_a_storage
async def show_(
    place: Place,
    name: Annotated[str | None, typer.Argument(help="NAME, NAME@ALIAS or NAME@VERSION; default: the only one.")] = None,
    version: Annotated[int, typer.Option("--version", min=0, help="Version; 0: the version of the alias.")] = 0,
    alias: Annotated[str, typer.Option("--alias")] = "champion",
    as_json: JsonOption = False,
) -> None:
    """Show one version: its features, scores and properties."""
    from featurama_cli.model_names import naming_by, reference_of
    from featurama_cli.session import open_models
    from featurama_model.default_model import only_model

    async with open_models(place) as (namespace, registry):
        with naming_by("NAME"):
            wanted = reference_of(name or await only_model(namespace.storage), version, alias)
        manifest = await registry.get(wanted.name, version=wanted.version, alias=wanted.alias)
    if as_json:
        show_json(json.loads(manifest.to_json()))
        return
    row: dict[str, object] = {
        "model": f"{manifest.name} version {manifest.version}",
        "target": manifest.target,
        "entity_type": manifest.entity_type,
        **({"classes": "\n".join(manifest.class_names)} if manifest.class_names else {}),
        "features": "\n".join(each.reference for each in manifest.features),
        "columns": len(manifest.engineered.names),
        "created_at": when(manifest.created_at),
    }
    for scored, scores in manifest.metrics.items():
        row[scored] = ", ".join(f"{measure} {value:.4f}" for measure, value in scores.items())
    if manifest.artefact is not None:
        row["artefact"] = f"{manifest.artefact.size:,} bytes, sha256 {manifest.artefact.sha256}"
    show_one(row, as_json=False)


@app.command()
@at_a_storage
async def compare(
    place: Place,
    name: Annotated[str, typer.Argument()],
    version: Annotated[int, typer.Argument(min=1)],
    other: Annotated[int, typer.Argument(min=1)],
    holdout: Annotated[bool, typer.Option("--holdout", help="Score both on rows that neither trained on.")] = False,
    labels: LabelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two versions: published scores, different settings and, with --holdout, scores on the same rows."""
    from featurama_cli.model_versions import differences, label_rows
    from featurama_cli.session import open_models
    from featurama_cli.training import verdict_text
    from featurama_trainer.comparing import compare_on_holdout

    async with open_models(place) as (namespace, registry):
        first, second = await registry.get(name, version=version), await registry.get(name, version=other)
        verdict = None
        if holdout:
            rows = await label_rows(namespace, first, labels)
            verdict = await compare_on_holdout(namespace, registry, first, second, labels=rows)
    differing = differences(first, second)
    if as_json:
        show_json({"differences": differing, "holdout": verdict.to_dict() if verdict else None})
        return
    show(differing, as_json=False, empty="The versions do not differ.")
    if verdict is not None:
        note(verdict_text(verdict))


@app.command()
@at_a_storage
async def promote(
    place: Place,
    name: Annotated[str, typer.Argument()],
    version: Annotated[int, typer.Argument(min=1)],
    alias: Annotated[str, typer.Option("--alias")] = "champion",
    if_better: Annotated[
        bool,
        typer.Option("--if-better", help="Only if it is not worse than the version of the alias, on the same rows."),
    ] = False,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Share by which the error may be larger: 0.01 is one percent.")
    ] = 0.0,
    labels: LabelsOption = None,
    expected: Annotated[
        int | None, typer.Option("--expect", min=0, help="Only if the alias names this version; 0: no version.")
    ] = None,
    by: ByOption = "",
) -> None:
    """Check a version, then point an alias at it. Servers follow within seconds. Exit code 1 if --if-better refuses."""
    from featurama_cli.model_versions import label_rows
    from featurama_cli.session import open_models
    from featurama_cli.training import current_user, verdict_text
    from featurama_model.promotion import promote as promoted
    from featurama_model.promotion import trying
    from featurama_trainer.comparing import promote_unless_worse

    if if_better and expected is not None:
        raise InvalidInput("--if-better expects the version that it compared with; omit --expect", field="expect")
    user = by or current_user()
    async with open_models(place) as (namespace, registry), trying(registry) as trial:
        if not if_better:
            await promoted(registry, trial, name, version, alias=alias, expected=expected, by=user)
        else:
            candidate = await registry.get(name, version=version)
            rows = await label_rows(namespace, candidate, labels)
            verdict = await promote_unless_worse(
                namespace, registry, trial, candidate, alias=alias, by=user, labels=rows, tolerance=tolerance
            )
            if verdict is not None:
                note(verdict_text(verdict))
                if not verdict.not_worse:
                    note(f"{alias} of {name} stays version {verdict.incumbent_version}.")
                    raise typer.Exit(1)
    note(f"{alias} of {name} is version {version} now.")


@app.command()
@at_a_storage
async def rollback(
    place: Place,
    name: Annotated[str, typer.Argument()],
    alias: Annotated[str, typer.Option("--alias")] = "champion",
    by: ByOption = "",
) -> None:
    """Check the version that an alias named before and point the alias at it. A repeated call goes further back."""
    from featurama_cli.session import open_models
    from featurama_cli.training import current_user
    from featurama_model.promotion import trying

    async with open_models(place) as (_, registry), trying(registry) as trial:
        move = await registry.rollback(name, alias, by=by or current_user(), trial=trial)
    note(f"{alias} of {name} is version {move.version} again, it was {move.previous}.")


@app.command()
@at_a_storage
async def history(
    place: Place,
    name: Annotated[str, typer.Argument()],
    alias: Annotated[str, typer.Option("--alias")] = "champion",
    as_json: JsonOption = False,
) -> None:
    """Show the versions that an alias has named, with the time, the user and the note of each move."""
    from featurama_cli.session import open_models

    async with open_models(place) as (_, registry):
        moves = await registry.history(name, alias)
    rows = [
        {
            "at": when(move.at),
            "action": move.action.rpartition(".")[2],
            "version": move.version,
            "previous": move.previous or None,
            "by": move.by or None,
            "note": move.note or None,
        }
        for move in moves
    ]
    show(rows, as_json=as_json, empty=f"{alias} of {name} was never set.")


@app.command()
@at_a_storage
async def delete(
    place: Place,
    name: Annotated[str, typer.Argument()],
    version: Annotated[int, typer.Argument(min=1)],
    yes: YesOption = False,
    by: ByOption = "",
) -> None:
    """Delete a version and its artefact. A version that an alias names is refused."""
    from featurama_cli.session import open_models
    from featurama_cli.training import current_user

    async with open_models(place) as (_, registry):
        must_confirm(f"Delete {name} version {version} permanently?", yes)
        await registry.delete(name, version, by=by or current_user())
    note(f"{name} version {version} is deleted.")
