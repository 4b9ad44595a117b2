"""The tools of the benchmarks: load by a process of its own, CPU from /proc, comparison of runs. No figure is held."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.pace import Pace, Target, in_turns, look_up
from benchmarks.processes import Server, call, echo, load, program
from benchmarks.record import record

HTTP = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200 if self.path == "/there" else 404)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def test_calls_of_grpc_are_counted_in_every_way_of_sending() -> None:
    """Closed, open and each once. CPU is that of the server and that of the load."""
    with echo(b"answer") as server:
        assert call(server.address, "/any/Method", b"question") == b"answer"
        closed = load(server, [b"one", b"two"], clients=2, seconds=0.2)
        opened = load(server, [b"one"], rate=200, seconds=0.2)
        once = load(server, [b"%d" % number for number in range(7)], clients=3)
    assert 7 == once["calls"]
    assert min(closed["calls"], opened["calls"]) > 0
    for each in (closed, opened, once):
        assert each["p50_ms"] <= each["p99_ms"] <= each["max_ms"]
        assert each["cpu_ms"] >= 0
        assert each["generator_cpu_ms"] > 0


def test_http_is_sent_as_it_is_and_a_failure_is_no_figure() -> None:
    with program(sys.executable, "-c", HTTP) as process:
        assert process.stdout is not None
        server = Server(f"127.0.0.1:{int(process.stdout.readline())}", process.pid)
        there, gone = (f"GET /{name} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for name in ("there", "gone"))
        found = load(server, [there], method="", clients=2, seconds=0.2, behind=server)
        assert found["calls"] > 0
        assert "behind_cpu_ms" in found
        with pytest.raises(subprocess.CalledProcessError):
            load(server, [gone], method="", clients=1, seconds=0.1)


def test_what_is_compared_takes_turns_and_medians_are_taken() -> None:
    order: list[str] = []
    values = {"a": iter([1, 9, 2]), "b": iter([5, 5, 5])}

    def measuring(name: str) -> dict[str, float]:
        order.append(name)
        return {"ms": next(values[name])}

    found = in_turns(3, {name: lambda name=name: measuring(name) for name in values})
    assert list("ababab") == order
    assert {"a": {"ms": 2}, "b": {"ms": 5}} == found
    assert (2, None) == (look_up(found, "a.ms"), look_up(found, "c.ms"))


@pytest.mark.parametrize(("at_least", "met"), [(True, [False, True, True]), (False, [True, True, False])])
def test_a_target_bounds_a_figure(at_least: bool, met: list[bool]) -> None:
    target = Target("what", "figure", 2.0, at_least)
    assert met == [target.met(value) for value in (1.0, 2.0, 3.0)]


async def test_two_runs_are_compared_by_their_figures(tmp_path: Path) -> None:
    """A line per figure that both have, with the ratio."""
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, value in zip(paths, (2.0, 3.0), strict=True):
        figures = {"serving": {"cpu_ms": value, "points": [1, 2]}, path.stem: {"only": 1.0}}
        path.write_text(json.dumps(record(Pace(), figures)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.compare", *map(str, paths)), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    lines = said.decode().splitlines()
    assert ["serving.cpu_ms", "2.000", "3.000", "1.500"] == lines[-1].split()
    assert not any("only" in line for line in lines)
