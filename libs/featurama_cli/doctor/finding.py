"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` says what to do; empty when all is well. A `warn` hinders nothing that was asked for."""

    check: str
    state: State
    seen: str
    mend: str = ""

    def to_row(self) -> dict[str, object]:
        """For a table."""
        return {"check": self.check, "state": self.state, "seen": self.seen, "how_to_mend": self.mend or None}
