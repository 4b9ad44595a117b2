"""The versions that an alias named before, read from the audit log, which has a record of every move.

A move pushes a version onto a stack and a rollback pops one, so rolling back twice goes back twice. A move is recorded
before it is made, together with the version that the alias named. The moves that were made therefore form a chain.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from featurama_core.storage.records import AuditRecord

MOVED = "model.alias.moved"
ROLLED_BACK = "model.alias.rolled_back"
DELETED = "model.deleted"
_DETAIL: dict[str, type] = {"alias": str, "version": int, "previous": int, "by": str, "note": str}


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One move. at: microseconds UTC; previous: the version named before, 0 for none; by: the user, "" if unknown."""

    at: int
    action: str
    model: str
    alias: str
    version: int
    previous: int
    by: str = ""
    note: str = ""

    def record(self) -> AuditRecord:
        """The record of this move in the audit log."""
        detail = json.dumps({name: getattr(self, name) for name in _DETAIL})
        return AuditRecord(self.at, self.action, self.model, detail)


def moves(records: Iterable[AuditRecord], model: str, alias: str) -> list[AliasMove]:
    """The moves of one alias, oldest first. records: newest first."""
    found = [
        move
        for record in records
        if record.action in (MOVED, ROLLED_BACK) and record.subject == model
        if (move := _move(record)) is not None and move.alias == alias
    ]
    return found[::-1]


def made(history: Sequence[AliasMove], current: int) -> Sequence[AliasMove]:
    """The moves that led to `current`, without those that were recorded but lost against another move."""
    chain: list[AliasMove] = []
    at = current
    for move in reversed(history):
        if move.version == at:
            chain.append(move)
            at = move.previous
    # An import sets an alias without a record, so no move leads to its version.
    return chain[::-1] or history


def versions_before(history: Sequence[AliasMove], current: int, there: Collection[int]) -> list[int]:
    """The versions among `there` that a rollback from `current` reaches, most recent first."""
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
        fields: Any = {name: kind(detail[name]) for name, kind in _DETAIL.items()}
        return AliasMove(record.at, record.action, record.subject, **fields)
    except (ValueError, TypeError, KeyError):
        return None
