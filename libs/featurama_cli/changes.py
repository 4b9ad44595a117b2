"""Changes of registered definitions: how they are shown, confirmed and made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from featurama_cli.output import note, when
from featurama_cli.progress import confirmed, must_confirm
from featurama_core.types.schema import Definition, FeatureDefinition, kind_name, shown
from featurama_core.types.times import duration_text

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

Changed = tuple[Definition, Mapping[str, Any]]
"""A definition as it is registered, and its changes: field -> new value."""


def shown_changes(before: Definition, changes: Mapping[str, Any]) -> str:
    """`ttl 36h -> none, owner 'Amy' -> 'Fry'`."""
    return ", ".join(
        f"{name} {_shown(name, getattr(before, name))} -> {_shown(name, value)}" for name, value in changes.items()
    )


async def values_lost(store: FeatureStore, before: Definition, changes: Mapping[str, Any]) -> int | None:
    """The number of stored values that lower retention removes; None if no retention is lowered."""
    retention, earlier = changes.get("retention"), getattr(before, "retention", None)
    if retention is None or (earlier is not None and retention > earlier):
        if "retention" in changes:
            note(f"{before.name}: a longer retention helps only values whose event time lies after its start.")
        return None
    _, lost = await store.update_definition(*_key(before), changes=changes, dry_run=True)
    return lost


async def make(store: FeatureStore, changed: list[Changed]) -> None:
    """Make confirmed changes, unless someone else has changed a definition since it was shown."""
    for before, changes in changed:
        after, _ = await store.update_definition(
            *_key(before), changes=changes, expected_revision=before.revision, confirmed=True
        )
        kind = kind_name(type(before))
        note(f"Changed {kind} {shown(before)}: revision {after.revision}, in force from {when(after.start)}.")
        if "history" in changes:
            note(f"Values that are stored on a CQL server by then stay rows until `featurama pack {before.name}`.")


def confirm(question: str, lost: int, lowers: bool, yes: bool) -> bool:
    """Whether the user confirms. A lower retention needs a terminal or --yes."""
    if lowers:
        removed = f"{lost:,} stored values will be removed, for ever."
        must_confirm(f"{question} {removed}", yes)
        if yes:
            note(removed)
        return True
    return yes or confirmed(question)


def _key(definition: Definition) -> tuple[type[Definition], str, int | None]:
    version = definition.version if isinstance(definition, FeatureDefinition) else None
    return type(definition), definition.name, version


def _shown(field: str, value: Any) -> str:
    if field in ("ttl", "retention"):
        return duration_text(value) or "none"
    return repr(list(value) if isinstance(value, tuple) else value)
