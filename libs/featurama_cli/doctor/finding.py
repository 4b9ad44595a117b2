"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """mend: the remedy, empty for `ok`. A `warn` does not prevent the requested work."""

    check: str
    state: State
    seen: str
    mend: str = ""

    def to_row(self) -> dict[str, object]:
        """For a table."""
        return {"check": self.check, "state": self.state, "seen": self.seen, "how_to_mend": self.mend or None}
