"""`featurama apply FILE`: register definitions after showing a plan. A conflict prevents all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurama_cli.output import note, show
from featurama_cli.place import JsonOption, Place, YesOption, at_a_place
from featurama_cli.progress import confirmed


@at_a_place
async def apply(
    place: Place,
    file: Annotated[Path, typer.Argument(help="YAML file, or Python file, which is executed.")],
    yes: YesOption = False,
    plan_only: Annotated[bool, typer.Option("--plan", help="Show the plan without registering.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register the definitions of a file, after showing a plan.

    Definitions never change in place. A different definition of the same name is a conflict, and nothing is registered.
    """
    from featurama_cli.definitions_file import read_definitions
    from featurama_cli.plan import Step, plan, registered
    from featurama_cli.session import is_there, open_store

    wanted = read_definitions(file)

    def shown(steps: list[Step]) -> list[Step]:
        """Print the plan. -> the steps to do. A conflict ends the command."""
        conflicts = [step for step in steps if step.effect == "conflict"]
        rows = [{"effect": step.effect, "kind": step.kind, "name": step.name} for step in steps]
        if any(step.keys for step in steps):
            rows = [row | {"keys": step.keys} for row, step in zip(rows, steps, strict=True)]
        if conflicts:
            rows = [row | {"problem": step.problem} for row, step in zip(rows, steps, strict=True)]
        show(rows, as_json=as_json)
        if conflicts:
            note(f"{len(conflicts)} of {len(steps)} cannot be registered; nothing was changed.")
            raise typer.Exit(2)
        todo = [step for step in steps if step.effect in ("new", "changed")]
        if not todo:
            note("Nothing to do.")
        elif plan_only:
            note(f"{len(todo)} would be registered.")
        return todo

    if plan_only and not is_there(place):
        shown(plan([], wanted))
        return
    async with open_store(place, makes=not plan_only) as store:
        todo = shown(plan(await registered(store, wanted), wanted))
        if not todo or plan_only:
            return
        if not yes and not confirmed(f"Register {len(todo)} definitions in {place.namespace} at {place.text}?"):
            raise typer.Exit(1)
        await store.register([step.definition for step in todo])
    note(f"Registered {len(todo)} definitions in namespace {place.namespace}.")
