"""`featurama apply FILE`: register and change definitions after showing a plan. A conflict prevents all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurama_cli.output import note, show
from featurama_cli.place import JsonOption, Place, YesOption, at_a_place
from featurama_core.datasets.text import counted

if TYPE_CHECKING:
    from featurama_cli.plan import Step


@at_a_place
async def apply(
    place: Place,
    file: Annotated[Path, typer.Argument(help="YAML file, or Python file, which is executed.")],
    yes: YesOption = False,
    plan_only: Annotated[bool, typer.Option("--plan", help="Show the plan without registering.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register and change the definitions of a file, after showing a plan.

    Descriptions, tags and owners, and ttl, retention, buckets and history of groups are changed. Anything else that
    differs under a registered name is a conflict, and nothing is done. The plan says how many values a lower retention
    removes. On a CQL server `history: packed` suits groups of many features, and much data.
    """
    from featurama_cli.changes import confirm, make, values_lost
    from featurama_cli.definitions_file import read_definitions
    from featurama_cli.plan import plan, registered
    from featurama_cli.session import is_there, open_store

    wanted = read_definitions(file)

    def shown(steps: list[Step]) -> list[Step]:
        """Print the plan. -> the steps to do. A conflict ends the command."""
        conflicts = [step for step in steps if step.effect == "conflict"]
        rows = _rows(steps)
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
            note(f"{len(todo)} would be registered or changed.")
        return todo

    if plan_only and not is_there(place):
        shown(plan([], wanted))
        return
    async with open_store(place, makes=not plan_only) as store:
        todo = shown(plan(await registered(store, wanted), wanted))
        changed = [(step.definition, step.changes) for step in todo if step.changes]
        found = [(before.name, await values_lost(store, before, changes)) for before, changes in changed]
        losses = [(name, lost) for name, lost in found if lost is not None]
        for name, lost in losses:
            note(f"{name}: the lower retention removes {counted(lost, 'stored value')}.")
        if not todo or plan_only:
            return
        question = f"Register or change {counted(len(todo), 'definition')} in {place.namespace} at {place.text}?"
        if not confirm(question, sum(lost for _, lost in losses), bool(losses), yes):
            raise typer.Exit(1)
        new = [step.definition for step in todo if not step.changes]
        if new:
            await store.register(new)
            note(f"Registered {counted(len(new), 'definition')} in namespace {place.namespace}.")
        await make(store, changed)


def _rows(steps: Sequence[Step]) -> list[dict[str, object]]:
    """The steps as a table, with their keys and changes if there are any."""
    from featurama_cli.changes import shown_changes

    rows: list[dict[str, object]] = [{"effect": step.effect, "kind": step.kind, "name": step.name} for step in steps]
    if any(step.keys for step in steps):
        rows = [row | {"keys": step.keys} for row, step in zip(rows, steps, strict=True)]
    if any(step.changes for step in steps):
        texts = [shown_changes(step.definition, step.changes) for step in steps]
        rows = [row | {"change": text} for row, text in zip(rows, texts, strict=True)]
    return rows
