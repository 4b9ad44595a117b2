"""What an alias named before: read from the audit log, where every move of an alias is a record.

A move pushes a version, a rollback goes back to the one below it; so rolling back twice goes back twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from featurama_core.storage.port import AuditRecord

MOVED = "model.alias.moved"
ROLLED_BACK = "model.alias.rolled_back"
DELETED = "model.deleted"


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One move. at: microseconds UTC; previous: the version it named before, 0 for none; by: who, as far as known."""

    at: int
    action: str
    model: str
    alias: str
    version: int
    previous: int
    by: str = ""
    note: str = ""

    def record(self) -> AuditRecord:
        """As the audit log keeps it."""
        detail = {
            "alias": self.alias,
            "version": self.version,
            "previous": self.previous,
            "by": self.by,
            "note": self.note,
        }
        return AuditRecord(self.at, self.action, self.model, json.dumps(detail))


def moves(records: Iterable[AuditRecord], model: str, alias: str) -> list[AliasMove]:
    """The moves of one alias, the oldest first, from records of which the newest come first."""
    found = [
        move
        for record in records
        if record.action in (MOVED, ROLLED_BACK) and record.subject == model
        if (move := _move(record)) is not None and move.alias == alias
    ]
    return found[::-1]


def version_before(history: Iterable[AliasMove], current: int, there: Collection[int]) -> int | None:
    """The version to go back to from `current`: the newest before it that is still there; None without one."""
    stack: list[int] = []
    for move in history:
        if move.action == ROLLED_BACK:
            while stack and stack[-1] != move.version:
                stack.pop()
        elif move.previous and not stack:
            stack.append(move.previous)
        if not stack or stack[-1] != move.version:
            stack.append(move.version)
    # A move that was recorded but never made leaves a version above the current one.
    if current in stack:
        while stack[-1] != current:
            stack.pop()
    return next((version for version in reversed(stack) if version != current and version in there), None)


def _move(record: AuditRecord) -> AliasMove | None:
    try:
        detail = json.loads(record.detail)
        return AliasMove(
            record.at,
            record.action,
            record.subject,
            str(detail["alias"]),
            int(detail["version"]),
            int(detail["previous"]),
            str(detail["by"]),
            str(detail["note"]),
        )
    except (ValueError, TypeError, KeyError):
        return None
