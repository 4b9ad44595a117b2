"""What `featurama infer` proposes, and what comes of it when it is applied and written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Featurama


class Inferred:
    """What was proposed, and what comes of it when it is applied and written."""

    def __init__(self, command: Featurama, folder: Path, *given: str) -> None:
        ran = command("infer", *given)
        assert 0 == ran.code, ran.err
        self.text = ran.out
        self.said = ran.err
        self.read = yaml.safe_load(ran.out)
        self.mapping: dict[str, Any] = self.read["mapping"]
        self.types = {each["name"]: each["type"] for each in self.read["features"]}
        self._command = command
        self._folder = folder

    def unsure(self, field: str) -> str:
        """The question beside a field or feature, "" if it is sure."""
        lines = self.text.splitlines()
        (line,) = [each for each in lines if each.strip().startswith((f"{field}:", f"- {{name: {field},"))]
        return line.partition("# unsure: ")[2]

    def written(self, *files: str, **answers: str) -> dict[str, int]:
        """The counts of the rows, with `answers` for what is open."""
        for name, answer in answers.items():
            assert f'{name}: "?"' in self.text
            self.text = self.text.replace(f'{name}: "?"', f'{name}: "{answer}"')
        (self._folder / "made.yaml").write_text(self.text)
        applied = self._command("apply", "made.yaml", "--yes")
        assert 0 == applied.code, applied.err
        ran = self._command("write", "--mapping", "made.yaml", *files, "--bulk", "--json")
        assert ran.code in (0, 1), ran.err
        assert [] == ran.json.get("problems", []), ran.json
        return {name: ran.json[name] for name in ("accepted", "rejected", "unknown") if ran.json[name]}

    def newest(self, entity_id: str, feature: str) -> object:
        """The newest value of an entity."""
        return self._command("get", entity_id, "-f", feature, "--json").json[0]["value"]


@pytest.fixture
def infer(featurama: Featurama, folder: Path) -> Callable[..., Inferred]:
    """`infer("ratings.csv")` -> what was proposed."""
    return lambda *given: Inferred(featurama, folder, *given)


Infer = Callable[..., Inferred]
