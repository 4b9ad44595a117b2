"""`make mutants`: how many small changes of the rules the tests notice. Those that they do not are judged in a file.

An outcome is kept in build/mutants until the module changes; what survived is tested again once the tests change.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
import tomllib
from pathlib import Path

from tools.mutants.forks import INVALID
from tools.mutants.hosting import Subject, run
from tools.mutants.judged import Judged, Tally, table
from tools.mutants.kept import Kept
from tools.mutants.operators import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "mutants"
_STEP = 25
"""Mutants between two lines of progress where there is no terminal."""


def main() -> int:
    """Test the mutants of some modules or of all; 1 if one survives that is not judged, or a judgement is of none."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names in tests/mutants/modules.toml; all if there are none")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a thread would be lost in a fork
    subjects = _subjects(options.modules)
    judged = Judged.read(FOLDER / "judged.toml")
    tallies = []
    for subject in subjects:
        begin = time.monotonic()
        tally = _test(subject, judged, options.jobs, fresh=options.fresh)
        tallies.append(tally)
        print(f"{subject.name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    print(table(tallies))
    for tally in tallies:
        print(tally.complaints(), end="")
    return int(any(tally.is_bad for tally in tallies))


def _subjects(names: list[str]) -> list[Subject]:
    known = tomllib.loads((FOLDER / "modules.toml").read_text())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such modules: {' '.join(unknown)}; there are {' '.join(known)}")
    subjects = []
    for name in names or known:
        parts = known[name]["module"].split(".")
        spec = importlib.util.find_spec(parts[0])
        assert spec is not None
        assert spec.submodule_search_locations is not None
        path = Path(next(iter(spec.submodule_search_locations)), *parts[1:]).with_suffix(".py")
        subjects.append(Subject(name, known[name]["module"], path, known[name]["tests"]))
    return subjects


def _test(subject: Subject, judged: Judged, jobs: int, *, fresh: bool) -> Tally:
    source = subject.path.read_text()
    mutants = mutants_of(source)
    kept = Kept.open(ROOT / "build" / "mutants", subject, source, fresh=fresh)
    left = [mutant for mutant in mutants if not kept.is_settled(mutant)]
    on_terminal = sys.stderr.isatty()
    done = 0

    def found(mutant: Mutant, outcome: str, test: str) -> None:
        nonlocal done
        done += 1
        kept.add(mutant, outcome, test)
        if on_terminal or done % _STEP == 0:
            begin, end = ("\r", "") if on_terminal else ("", "\n")
            print(f"{begin}{subject.name}: {done} of {len(left)}", end=end, file=sys.stderr, flush=True)

    if left:
        run(subject, left, jobs, found)
        if on_terminal:
            print(file=sys.stderr)
    outcomes = {mutant: kept.outcome(mutant) for mutant in mutants}
    return judged.tally(subject.name, {each: out for each, out in outcomes.items() if out != INVALID})


if __name__ == "__main__":
    sys.exit(main())
