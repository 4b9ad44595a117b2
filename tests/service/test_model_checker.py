"""The process that tries models: it may die of one, the server that asks goes on and asks about the next."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.types.errors import FailedPrecondition, Reason, StoreUnavailable
from featurama_model.checking import CheckLimits
from featurama_model.loading import check_artefact, load_model
from featurama_model.manifest import Artefact, ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.structure import Structure

STRUCTURE = check_artefact(MANIFEST, ARTEFACT)


def naming(artefact: bytes) -> ModelManifest:
    """A manifest that names exactly these bytes: only their content is judged."""
    return replace(MANIFEST, artefact=Artefact.of(artefact))


@pytest.fixture(scope="module")
def checker() -> Iterator[ModelChecker]:
    with ModelChecker() as made:
        yield made


def attempting(folder: Path, body: str, **limits: float) -> ModelChecker:
    """A checker whose child does something else with a model: the body of a function of (manifest, artefact)."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    program = folder / "child.py"
    program.write_text(
        "import os, sys, time\nfrom featurama_model.checking import main\n"
        "from featurama_model.structure import Structure\n"
        "from featurama_model.manifest import unusable\n"
        f"def attempt(manifest, artefact):\n{lines}\n    return Structure(3, 3, 45, 3, 'reg:squarederror')\n"
        "main(attempt)\n"
    )
    return ModelChecker(CheckLimits(**limits), program=(sys.executable, "-P", str(program)))


def refusal(checker: ModelChecker, manifest: ModelManifest = MANIFEST, artefact: bytes = ARTEFACT) -> str:
    """Why a model is refused, which it must be."""
    with pytest.raises(FailedPrecondition) as refused:
        checker.check(manifest, artefact)
    assert refused.value.reason is Reason.MODEL_UNUSABLE
    assert refused.value.metadata == {"model": "delivery_time", "version": "7"}
    return refused.value.message


def test_a_good_model_is_described_as_it_is_and_the_child_is_used_again(checker: ModelChecker) -> None:
    assert [STRUCTURE] * 3 == [checker.check(MANIFEST, ARTEFACT) for _ in range(3)]
    assert checker.started == 1


@pytest.mark.parametrize(
    ("manifest", "artefact", "said"),
    [
        (MANIFEST, ARTEFACT[:-1] + b" ", "hash"),
        (naming(b"{}"), b"{}", "malformed"),
        (naming(ARTEFACT[:-9]), ARTEFACT[:-9], "not JSON"),
        (replace(MANIFEST, objective="binary:logistic"), ARTEFACT, "objective"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(
    checker: ModelChecker, manifest: ModelManifest, artefact: bytes, said: str
) -> None:
    """The child answers what the check says, and lives on."""
    before = checker.check(MANIFEST, ARTEFACT), checker.pid
    assert said in refusal(checker, manifest, artefact)
    assert before == (checker.check(MANIFEST, ARTEFACT), checker.pid)


def test_a_model_whose_sums_leave_the_numbers_is_refused(checker: ModelChecker) -> None:
    """Each leaf is a number; together they are not."""
    document = json.loads(ARTEFACT)
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        leaves = [child == -1 for child in tree["left_children"]]
        tree["split_conditions"] = [
            3e38 if leaf else value for leaf, value in zip(leaves, tree["split_conditions"], strict=True)
        ]
    endless = json.dumps(document).encode()
    assert "not finite" in refusal(checker, naming(endless), endless)


def mutated() -> Iterator[bytes]:
    """Artefacts with a few bytes overwritten by what JSON is made of, the same on every run."""
    chance = random.Random(4_104)
    for _ in range(int(os.environ.get("FEATURAMA_TEST_MUTATIONS", "200"))):
        artefact = bytearray(ARTEFACT)
        for _ in range(chance.randint(1, 4)):
            artefact[chance.randrange(len(artefact))] = chance.choice(b'0123456789-.eE[]{},:"ntf ')
        yield bytes(artefact)


def test_one_child_judges_all_mutated_files_and_what_it_accepts_predicts_here(checker: ModelChecker) -> None:
    """The tests' own process loads only what the child accepted."""
    accepted = 0
    for artefact in mutated():
        try:
            structure = checker.check(naming(artefact), artefact)
        except FailedPrecondition:
            continue
        accepted += 1
        assert structure == load_model(naming(artefact), artefact).structure
    assert accepted
    assert checker.started == 1
    assert checker.check(MANIFEST, ARTEFACT) == STRUCTURE


def wild_indices() -> Iterator[bytes]:
    """Models whose links leave their arrays: what the structural check refuses, and the library would follow."""
    for far in (1_000_000, 100_000_000):
        document = json.loads(ARTEFACT)
        tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
        tree["left_children"][0], tree["right_children"][0] = far, far + 1
        yield json.dumps(document).encode()


def test_a_child_that_a_model_kills_is_replaced_and_the_next_model_is_judged(tmp_path: Path) -> None:
    """Without the structural check the library itself crashes: the last line of defence is the process."""
    blind = (
        "import numpy, xgboost\n"
        "booster = xgboost.Booster({'nthread': 1})\n"
        "booster.load_model(bytearray(artefact))\n"
        "booster.inplace_predict(numpy.ones((64, 3), numpy.float32), validate_features=False)"
    )
    with attempting(tmp_path, blind) as checker:
        assert checker.check(MANIFEST, ARTEFACT) == STRUCTURE
        said = [refusal(checker, naming(artefact), artefact) for artefact in wild_indices()]
        assert any("SIGSEGV" in each for each in said), said
        assert checker.started > 1
        assert checker.check(MANIFEST, ARTEFACT) == STRUCTURE


def test_a_child_that_others_killed_is_no_fault_of_the_model(checker: ModelChecker) -> None:
    checker.check(MANIFEST, ARTEFACT)
    before = checker.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert checker.check(MANIFEST, ARTEFACT) == STRUCTURE
    assert checker.pid != before


@pytest.mark.parametrize(
    ("body", "limits", "said"),
    [
        ("while True: pass", {"cpu_seconds": 0}, "processor time"),
        ("time.sleep(600)", {"seconds": 0.2}, "more than 0.2 seconds"),
        ("bytearray(3 * 1024 ** 3)", {}, "memory"),
        ("os._exit(3)", {}, "code 3"),
        ("raise unusable('seen\\x1b[31m')", {}, "seen[31m"),
        ("[os.write(each, b'x' * 9) for each in range(3, 9) if os.path.exists(f'/dev/fd/{each}')]", {}, "be read"),
        ("os.write(os.open(__file__ + '.out', os.O_CREAT | os.O_WRONLY), b'x')", {}, "code 1"),
    ],
)
def test_a_model_that_takes_too_much_is_refused(tmp_path: Path, body: str, limits: dict[str, float], said: str) -> None:
    """Time, processor time, memory, the end of the process: each is a reason, none is the server's end."""
    with attempting(tmp_path, body, **limits) as checker:
        message = refusal(checker)
    assert said in message


def test_the_child_knows_no_setting_and_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURAMA_ONLINE_STORAGE_PASSWORD", "s3cret")
    with attempting(tmp_path, "raise unusable(repr(sorted(os.environ)))") as checker:
        message = refusal(checker)
    assert "PYTHONPATH" in message
    assert "FEATURAMA" not in message


def test_a_child_ends_when_it_is_idle_and_another_takes_its_place(tmp_path: Path) -> None:
    with attempting(tmp_path, "pass", idle_seconds=0.01) as checker:
        assert checker.check(MANIFEST, ARTEFACT) == Structure(3, 3, 45, 3, "reg:squarederror")
        os.waitid(os.P_PID, checker.pid or 0, os.WEXITED | os.WNOWAIT)
        checker.check(MANIFEST, ARTEFACT)
        assert checker.started == 2


@pytest.mark.parametrize("program", [("/no/such/program",), (sys.executable, "-c", "pass"), ("/bin/cat",)])
def test_without_a_child_no_model_is_judged(program: tuple[str, ...]) -> None:
    """It is this server's trouble, not the model's."""
    with ModelChecker(program=program) as checker, pytest.raises(StoreUnavailable):
        checker.check(MANIFEST, ARTEFACT)


def test_closing_ends_a_check_that_is_under_way(tmp_path: Path) -> None:
    """A server that goes down waits for no model."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    # Files cannot grow in the child, but a pipe is none.
    checker = attempting(tmp_path, f"open({str(begun)!r}, 'wb').close(); time.sleep(600)")
    ends: list[BaseException] = []

    def check() -> None:
        try:
            checker.check(MANIFEST, ARTEFACT)
        except StoreUnavailable as error:
            ends.append(error)

    thread = threading.Thread(target=check)
    thread.start()
    begun.open("rb").close()
    checker.close()
    thread.join()
    assert "going down" in str(ends[0])
    with pytest.raises(StoreUnavailable):
        checker.check(MANIFEST, ARTEFACT)
