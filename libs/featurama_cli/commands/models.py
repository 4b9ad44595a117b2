"""`featurama models`: versions, aliases."""

from __future__ import annotations

from typing import Annotated

import typer

from featurama_cli.place import JsonOption, Place, at_a_storage

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def models() -> None:
    """List and show models, point aliases at them."""


@app.command("list")
@at_a_storage
async def list_(
    place: Place,
    name: Annotated[str | None, typer.Argument(help="Versions of one model only.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the versions of models, with their scores and aliases."""
    from featurama_cli.output import show, when
    from featurama_cli.session import open_store
    from featurama_model.registry import ModelRegistry

    async with open_store(place) as store:
        registry = ModelRegistry(store.storage)
        listed = await registry.list(name)
        aliases = {each: await registry.aliases(each) for each in {model.name for model in listed}}
    rows: list[dict[str, object]] = []
    for model in listed:
        test = model.manifest.metrics.get("test", {}) if model.manifest else {}
        rows.append(
            {
                "model": model.name,
                "version": model.version,
                "aliases": [alias for alias, version in aliases[model.name].items() if version == model.version],
                "target": model.manifest.target if model.manifest else None,
                "mae": test.get("mae"),
                "rmse": test.get("rmse"),
                "r2": test.get("r2"),
                "created_at": when(model.created_at),
                "problem": model.problem or None,
            }
        )
    columns = tuple(rows[0]) if rows else ()
    if not any(row["problem"] for row in rows):
        columns = tuple(column for column in columns if column != "problem")
    show(rows, as_json=as_json, columns=columns, empty="No models; make one with `featurama train`.")


@app.command()
@at_a_storage
async def show(
    place: Place,
    name: Annotated[str, typer.Argument()] = "delivery_time",
    version: Annotated[int, typer.Option("--version", min=0, help="0: the one that the alias names.")] = 0,
    alias: Annotated[str, typer.Option("--alias")] = "champion",
    as_json: JsonOption = False,
) -> None:
    """Show one version: its features, scores and facts."""
    import json

    from featurama_cli.output import show_json, show_one, when
    from featurama_cli.session import open_store
    from featurama_model.registry import ModelRegistry

    async with open_store(place) as store:
        manifest = await ModelRegistry(store.storage).get(name, version=version, alias=alias)
    if as_json:
        show_json(json.loads(manifest.to_json()))
        return
    row: dict[str, object] = {
        "model": f"{manifest.name} version {manifest.version}",
        "target": manifest.target,
        "entity_type": manifest.entity_type,
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
async def promote(
    place: Place,
    name: Annotated[str, typer.Argument()],
    version: Annotated[int, typer.Argument(min=1)],
    alias: Annotated[str, typer.Option("--alias")] = "champion",
) -> None:
    """Point an alias at a version; servers follow within seconds."""
    from featurama_cli.output import told
    from featurama_cli.session import open_store
    from featurama_model.registry import ModelRegistry

    async with open_store(place) as store:
        await ModelRegistry(store.storage).set_alias(name, alias, version)
    told(f"{alias} of {name} is version {version} now.")
