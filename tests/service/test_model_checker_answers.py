"""What a taken-over child may answer about a model: little is believed of it, and only so much is read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_model.checking import CheckLimits
from featurama_model.model_checker import ModelChecker
from featurama_model.structure import Structure

FACTS = {"features": 3, "trees": 3, "nodes": 45, "depth": 3, "objective": "reg:squarederror", "outputs": 1}

CHILD = """
import os, struct, sys

def read(size):
    data = b""
    while len(data) < size:
        data += os.read(0, size - len(data))
    return data

os.write(1, struct.pack(">I", 0))
read(sum(struct.unpack(">II", read(8))))
answer = open(__file__ + ".answer", "rb").read()
left = struct.pack(">I", len(answer)) + answer
while left:
    left = left[os.write(1, left):]
os.read(0, 1)
"""


def check(folder: Path, answer: bytes) -> Structure:
    """What is made of an answer. The child speaks the protocol of the real one, and knows nothing of models."""
    program = folder / "child.py"
    program.write_text(CHILD)
    (folder / "child.py.answer").write_bytes(answer)
    with ModelChecker(CheckLimits(seconds=30.0), program=(sys.executable, "-S", str(program))) as checker:
        return checker.check(MANIFEST, ARTEFACT)


def refusal(folder: Path, answer: bytes) -> str:
    """Why the model is refused, which it must be."""
    with pytest.raises(FailedPrecondition) as refused:
        check(folder, answer)
    assert Reason.MODEL_UNUSABLE == refused.value.reason
    return refused.value.message


def test_an_answer_of_the_right_types_is_taken(tmp_path: Path) -> None:
    assert Structure(**FACTS) == check(tmp_path, json.dumps({"structure": FACTS}).encode())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not JSON",
        b"[]",
        b"null",
        b'{"structure": []}',
        b'{"problem": 3}',
        b'{"problem": null}',
        json.dumps({"structure": {**FACTS, "more": 1}}).encode(),
        json.dumps({"structure": {name: fact for name, fact in FACTS.items() if name != "outputs"}}).encode(),
        *(
            json.dumps({"structure": {**FACTS, name: wrong}}).encode()
            for name, wrong in (
                ("features", True),
                ("features", 3.0),
                ("trees", "3"),
                ("nodes", None),
                ("depth", [3]),
                ("objective", 3),
                ("outputs", {"a": 1}),
            )
        ),
    ],
)
def test_an_answer_of_another_shape_refuses_the_model(tmp_path: Path, answer: bytes) -> None:
    """Facts that are missing, added or of another type: the numbers size what serving allocates."""
    assert "cannot be read" in refusal(tmp_path, answer)


def test_an_answer_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    """Sixty-four KiB are enough for any true one; here the problem itself would be a good answer."""
    longest = 64 * 1024
    for size, read in ((longest, True), (longest + 1, False)):
        answer = json.dumps({"problem": ""}).encode()
        padded = answer + b" " * (size - len(answer))
        assert ("cannot be read" not in refusal(tmp_path, padded)) is read


def test_a_problem_is_cut_and_holds_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    """A thousand characters of it go into an error and a log."""
    said = refusal(tmp_path, json.dumps({"problem": "\x1b[31m\x00\n" + "é" * 2_000}).encode())
    assert "[31m" + "é" * (1_000 - 7) == said
