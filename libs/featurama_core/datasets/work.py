"""The folder in which a build works, and its notes on what is finished: where an interrupted build goes on.

The notes name what they vouch for; whatever else lies in the folder is half-done and ignored. All methods block.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.types.values import BoolArray

_NOTES = "state.json"


class WorkFolder:
    """Made empty, unless `resume` and it holds notes of the same `identity`."""

    def __init__(self, path: Path, identity: str, *, resume: bool) -> None:
        self.path = path
        self.notes: dict[str, Any] = {}
        if resume and (path / _NOTES).is_file():
            found = json.loads((path / _NOTES).read_text("utf-8"))
            if found.get("identity") == identity:
                self.notes = found
        if not self.notes:
            shutil.rmtree(path, ignore_errors=True)
            self.notes = {"identity": identity}
        path.mkdir(parents=True, exist_ok=True)
        self._masks = int(self.notes.get("mask", 0))

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier build left something to go on with."""
        return len(self.notes) > 1

    def note(self, facts: Mapping[str, Any]) -> None:
        """Durably remember facts, all or none of them."""
        self.notes |= facts
        part = self.path / f"{_NOTES}.part"
        part.write_text(json.dumps(self.notes), "utf-8")
        part.replace(self.path / _NOTES)

    def save_mask(self, mask: BoolArray) -> int:
        """Keep a bit mask; `note` the number under "mask" to make it the one that counts."""
        self._masks += 1
        with (self.path / f"mask-{self._masks}.npy").open("wb") as file:
            np.save(file, np.packbits(mask, axis=1))
        return self._masks

    def load_mask(self, columns: int) -> BoolArray:
        """The mask that counts, of so many columns."""
        with (self.path / f"mask-{self.notes['mask']}.npy").open("rb") as file:
            packed = np.load(file, allow_pickle=False)
        return np.unpackbits(packed, axis=1, count=columns).astype(np.bool_)

    def drop_masks(self, keep: int) -> None:
        """Remove the masks that no longer count."""
        for path in self.path.glob("mask-*.npy"):
            if path.name != f"mask-{keep}.npy":
                path.unlink()

    def below(self, name: str) -> WorkFolder:
        """A folder in this one with notes of its own, to go on with where this one is (which needs a note to be)."""
        return WorkFolder(self.path / name, self.notes["identity"], resume=True)

    def remove(self) -> None:
        """Remove the folder with all it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
