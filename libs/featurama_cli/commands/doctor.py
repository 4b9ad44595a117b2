"""`featurama doctor`: what is wrong here, and how to mend it."""

from __future__ import annotations

import typer

from featurama_cli.place import JsonOption, Place, at_a_place

app = typer.Typer(add_completion=False)


@app.command()
@at_a_place
async def doctor(place: Place, as_json: JsonOption = False) -> None:
    """Say what is wrong with this installation and how to mend it. Changes nothing; exit code 1 if something fails."""
    import asyncio

    from featurama_cli.doctor import machine, stores
    from featurama_cli.output import show, told

    findings = await asyncio.to_thread(lambda: list(machine.checks()))
    findings += [each async for each in stores.checks(place)]
    show([each.to_row() for each in findings], as_json=as_json)
    failed = [each for each in findings if each.state == "fail"]
    warned = [each for each in findings if each.state == "warn"]
    told(
        f"{len(failed)} must be mended." if failed
        else f"All is well; {len(warned)} hints." if warned
        else "All is well."
    )  # fmt: skip
    if failed:
        raise typer.Exit(1)
