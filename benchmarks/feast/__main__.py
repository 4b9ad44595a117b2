"""`python -m benchmarks.feast`: online reads over gRPC and HTTP, and a training set, of both.

Feast serves with its Python servers (`feast listen`, `feast serve` with one worker) from its SQLite online store, and
joins with DuckDB over Parquet. Featurama serves and joins from SQLite; its HTTP is the gateway before the online
service. One process loads both, with the same numbers of clients.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import training_sets
from benchmarks.__main__ import print_targets, write
from benchmarks.pace import Figures, Pace, Target, in_turns
from benchmarks.processes import Server, free_port, load, program, service, wait_for
from benchmarks.stores import fill, reads

PYTHON, FEAST = "build/feast/bin/python", "build/feast/bin/feast"
SCRIPT = str(Path(__file__).with_name("repository.py"))
METHOD = "/GrpcFeatureServer/GetOnlineFeatures"
SHAPES = {(1, 10): 1.8, (100, 10): 15.0, (100, 50): 40.0}
CLIENTS = 8

TARGETS = [
    *(
        Target(f"{rows} x {features} over gRPC: requests/s over Feast's", f"feast.{rows}x{features}.ratio", bound, True)
        for (rows, features), bound in SHAPES.items()
    ),
    Target("HTTP, one entity x 10 features: requests/s over Feast's", "feast.http.ratio", 1.5, True),
    Target("100 k label rows x 10 features over 1 M events: time over Feast's", "feast.training_set.ratio", 0.5),
]


def measure(pace: Pace) -> Figures:
    """Both in turns."""
    figures: Figures = {"version": version()}
    with tempfile.TemporaryDirectory() as folder:
        url, repository = f"sqlite:///{folder}/store", f"{folder}/repository"
        asyncio.run(fill(url))
        subprocess.run([PYTHON, SCRIPT, "make", repository], check=True, capture_output=True)
        with service("online", url) as ours, served(repository, "listen", "--address", "{}") as theirs:
            for rows, features in SHAPES:
                turns = {
                    "ours": partial(load, ours, reads(rows, features), clients=CLIENTS),
                    "feast": partial(load, theirs, their_reads(rows, features), clients=CLIENTS, method=METHOD),
                }
                figures[f"{rows}x{features}"] = compared(pace, turns)
                if (rows, features) == (1, 10):
                    alone = {name: partial(each, clients=1) for name, each in turns.items()}
                    figures["one_client"] = compared(pace, alone)
            figures["http"] = over_http(pace, ours, repository)
        figures["training_set"] = training_set(pace, Path(folder))
    return figures


def compared(pace: Pace, turns: dict[str, partial[Figures]]) -> Figures:
    """The ratio is our throughput over Feast's."""
    turns = {name: partial(each, seconds=pace.seconds) for name, each in turns.items()}
    found: Figures = dict(in_turns(pace.rounds, turns))
    found["ratio"] = found["ours"]["calls_per_second"] / found["feast"]["calls_per_second"]
    return found


def over_http(pace: Pace, online: Server, repository: str) -> Figures:
    """One worker each; ours has the gateway, and the online service behind it."""
    with (
        service("gateway", "", online=online.address) as ours,
        served(repository, "serve", "--no-access-log", "--max-requests", "1000000000", "--port", "{}") as theirs,
    ):
        names = [f"f{at}" for at in range(10)]
        get = f"GET /features/thing_%d?feature_names={','.join(names)} HTTP/1.1\r\nHost: here\r\n\r\n"
        asked = {"features": [f"things:{name}" for name in names]}
        posts = [json.dumps({**asked, "entities": {"entity_id": [f"thing_{at}"]}}) for at in range(64)]
        head = "POST /get-online-features HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: "
        turns = {
            "ours": partial(
                load, ours, [(get % at).encode() for at in range(64)], clients=CLIENTS, method="", behind=online
            ),
            "feast": partial(
                load,
                theirs,
                [f"{head}{len(each)}\r\n\r\n{each}".encode() for each in posts],
                clients=CLIENTS,
                method="",
            ),
        }
        return compared(pace, turns)


def training_set(pace: Pace, folder: Path) -> Figures:
    """From label rows in a file to a Parquet file."""
    storage = f"sqlite:///{folder}/history"
    asyncio.run(training_sets.fill(storage, 10_000_000))
    labels = training_sets.label_file(folder, training_sets.LABEL_ROWS)
    theirs = [PYTHON, SCRIPT, "train", f"{folder}/offline", str(training_sets.history_file(storage)), str(labels)]
    turns = {"ours": partial(training_sets.built, storage, training_sets.LABEL_ROWS), "feast": partial(ran, theirs)}
    found: Figures = dict(in_turns(pace.rounds, turns))
    assert found["ours"]["nulls"] == found["feast"]["nulls"]
    found["ratio"] = found["ours"]["seconds"] / found["feast"]["seconds"]
    return found


@contextmanager
def served(repository: str, *command: str) -> Iterator[Server]:
    """A server of Feast; {} is its address, or its port if it takes only that."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    filled = [each.format(port if command[0] == "serve" else address) for each in command]
    with program(FEAST, "-c", repository, *filled) as process:
        wait_for(address)
        yield Server(address, process.pid)


def their_reads(rows: int, features: int) -> list[bytes]:
    """As `reads`, of Feast's protocol."""
    command = [PYTHON, SCRIPT, "requests", str(rows), str(features)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [bytes.fromhex(line) for line in done.stdout.split()]


def ran(command: list[str]) -> Figures:
    """The JSON that a program prints last."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def version() -> str:
    """Of Feast."""
    code = "from importlib.metadata import version; print(version('feast'))"
    return subprocess.run([PYTHON, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main() -> None:
    """Measure, print the targets, write JSON."""
    usual = Pace()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feast", description=__doc__)
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of a point; 10 or more for documentation")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="in which both take turns")
    parser.add_argument("--json", type=Path, default=Path("build/bench-feast.json"))
    given = parser.parse_args()
    pace = Pace(given.seconds, given.rounds, CLIENTS)
    figures: Figures = {"feast": measure(pace)}
    print_targets(TARGETS, figures)
    write(given.json, pace, figures)


if __name__ == "__main__":
    main()
