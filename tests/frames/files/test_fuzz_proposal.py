"""`featurama infer` reads any file or refuses it, and what it proposes is YAML with valid names."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from featurama_cli.proposal.checking import check
from featurama_cli.proposal.propose import settled
from featurama_cli.proposal.scan import scan
from featurama_cli.proposal.yaml_text import yaml_text
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.names import check_name

from .odd_files import content, csv_text, mutated

pytestmark = pytest.mark.unit

INPUTS, BATCH = 1_000, 250


def proposed(path: Path) -> str:
    """The YAML, or "" if the file is refused."""
    try:
        scanned = scan([path], {}, lambda _: None)
        made = settled(scanned, {}, stem=path.stem, check=lambda each: check(each, scanned, lambda _: None))
    except FeaturamaError:
        return ""
    text = yaml_text(made, [path.name])
    read = yaml.safe_load(text)
    names = [each["name"] for kind in ("entity_types", "feature_groups", "features") for each in read[kind] or ()]
    if scanned.features is None:
        for name in names:
            check_name(name, "name")
    assert ("entity_column" in read["mapping"]) is not ("keys" in read["entity_types"][0])
    return text


@pytest.mark.parametrize("first", range(0, INPUTS, BATCH))
def test_any_file_has_a_proposal_or_a_refusal(first: int, tmp_path: Path) -> None:
    """CSV, Parquet and Arrow files, whole and damaged."""
    for number in range(first, first + BATCH):
        dice = random.Random(number)
        name, data = content(dice) if number % 2 else ("a.csv", csv_text(dice))
        path = tmp_path / name
        path.write_bytes(data if dice.random() < 0.3 else mutated(dice, data))
        try:
            proposed(path)
        except Exception as error:
            raise AssertionError(f"input {number}, {name}") from error
