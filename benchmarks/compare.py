"""`python -m benchmarks.compare A B`: the figures that two JSON files have in common, and B over A."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.pace import flattened


def main() -> None:
    """Print a line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument(
        "--least", type=float, default=0.0, help="leave out changes of less than this part, such as 0.1"
    )
    given = parser.parse_args()
    before, after = (json.loads(each.read_text()) for each in (given.before, given.after))
    for name, each in (("A", before), ("B", after)):
        machine = each["machine"]
        print(f"{name}: {each['commit'][:12]}, {each['measured_at']}, {machine['cores']} x {machine['cpu']}")
    print(f"\n{'':62} {'A':>14} {'B':>14} {'B / A':>8}")
    old, new = flattened(before["figures"]), flattened(after["figures"])
    for name, value in old.items():
        if name in new and value and abs(new[name] / value - 1) >= given.least:
            print(f"{name:62} {value:14,.3f} {new[name]:14,.3f} {new[name] / value:8.3f}")


if __name__ == "__main__":
    main()
