"""Definitions of one namespace: the snapshot that reads and writes resolve names in, and the rules for adding to it."""

from featurama_core.registry.current import Registry
from featurama_core.registry.rules import (
    Draft,
    changes_to,
    checked_changes,
    is_lower,
    names_in,
    someone_else_changed,
)
from featurama_core.registry.snapshot import NotHeld, Snapshot
from featurama_core.types.references import MAX_FEATURES_PER_READ

__all__ = [
    "MAX_FEATURES_PER_READ",
    "Draft",
    "NotHeld",
    "Registry",
    "Snapshot",
    "changes_to",
    "checked_changes",
    "is_lower",
    "names_in",
    "someone_else_changed",
]
