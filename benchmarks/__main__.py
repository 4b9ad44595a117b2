"""`python -m benchmarks [QUESTION ...]`: measure, print the figures and the targets, write JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.pace import Figures, Pace, Target, flattened, look_up
from benchmarks.record import record

USUAL = ("serving", "sizes", "rest", "ingest", "training_sets", "as_of", "footprint", "cql")
"""What `make bench` measures."""

FURTHER = ("retrieval", "sqlite_storage", "registry")
"""What is measured when it is named: for the comparison of commits, or long."""


def main() -> None:
    """Measure the questions that are named, or the usual ones."""
    usual, known = Pace(), USUAL + FURTHER
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"{', '.join(known)}; default: the first ones")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of a point; 10 or more for documentation")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="in which things that are compared take turns")
    parser.add_argument("--clients", type=int, default=usual.clients, help="of a closed loop")
    parser.add_argument("--large", action="store_true", help="also the targets over 100 M values")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    given = parser.parse_args()
    for name in given.questions:
        if name not in known:
            parser.error(f"{name!r} is none of {', '.join(known)}")
    pace = Pace(given.seconds, given.rounds, given.clients, given.large)
    figures: Figures = {}
    for name in given.questions or USUAL:
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        found = import_module(f"benchmarks.{name}").measure(pace)
        if not found:  # what it needs is not here
            continue
        figures[name] = found | {"measured_in_s": round(time.monotonic() - began, 1)}
        for key, value in flattened(figures[name]).items():
            print(f"  {key:60} {value:14,.3f}", flush=True)
    print_targets(targets(), figures)
    write(given.json, pace, figures)


def write(path: Path, pace: Pace, figures: Figures) -> None:
    """Write the JSON of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record(pace, figures), indent=1) + "\n")


def targets() -> list[Target]:
    """The targets of all questions; the names of figures begin with the question."""
    return [
        Target(each.what, f"{name}.{each.figure}", each.bound, each.at_least, each.unit)
        for name in USUAL
        for each in import_module(f"benchmarks.{name}").TARGETS
    ]


def print_targets(held: list[Target], figures: Figures) -> None:
    """A line per target that was measured."""
    print(f"\n{'':82}{'target':>12} {'measured':>10}")
    for target in held:
        value = look_up(figures, target.figure)
        if value is not None:
            print(f"{target.what:82}{target.text:>12} {value:10.2f}{'' if target.met(value) else '  missed'}")


if __name__ == "__main__":
    main()
