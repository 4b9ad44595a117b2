"""What an alias named before: read from the audit log, where every move of an alias is a record.

A move pushes a version, a rollback goes back to the one below it; so rolling back twice goes back twice. A move is
recorded before it is made, and says what the alias named: so those that were made form a chain.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
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


def made(history: Sequence[AliasMove], current: int) -> Sequence[AliasMove]:
    """The moves that led to `current`, without those that were recorded and lost against another."""
    chain: list[AliasMove] = []
    at = current
    for move in reversed(history):
        if move.version == at:
            chain.append(move)
            at = move.previous
    # An alias that was set without a record, as an import does, is led to by none.
    return chain[::-1] or history


def versions_before(history: Sequence[AliasMove], current: int, there: Collection[int]) -> list[int]:
    """The versions to go back to from `current`, the newest before it first, that are still there."""
    stack: list[int] = []
    for move in made(history, current):
        if move.action == ROLLED_BACK:
            while stack and stack[-1] != move.version:
                stack.pop()
        elif move.previous and not stack:
            stack.append(move.previous)
        if not stack or stack[-1] != move.version:
            stack.append(move.version)
    back = dict.fromkeys(reversed(stack))
    return [version for version in back if version != current and version in there]


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
