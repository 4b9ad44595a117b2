"""`featurama doctor`: diagnose the installation."""

from __future__ import annotations

import asyncio

import typer

from featurama_cli.output import note, show
from featurama_cli.place import JsonOption, Place, at_a_place


@at_a_place
async def doctor(place: Place, as_json: JsonOption = False) -> None:
    """Diagnose this installation and show how to fix problems. Nothing is changed. Exit code 1 if a check fails."""
    from featurama_cli.doctor import machine, stores

    findings = await asyncio.to_thread(lambda: list(machine.checks()))
    findings += [each async for each in stores.checks(place)]
    show([each.to_row() for each in findings], as_json=as_json)
    failed = [each for each in findings if each.state == "fail"]
    warned = [each for each in findings if each.state == "warn"]
    note(
        f"{len(failed)} checks failed." if failed
        else f"All checks passed; {len(warned)} hints." if warned
        else "All checks passed."
    )  # fmt: skip
    if failed:
        raise typer.Exit(1)
