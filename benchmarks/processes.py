"""Programs of their own: services, the echo, the load. CPU and memory, with those of children, are from /proc."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from benchmarks.pace import Figures

OPTIONS = [("grpc.max_receive_message_length", 1 << 26), ("grpc.max_send_message_length", 1 << 26)]
READ = "/featurama.v1.OnlineService/GetOnlineFeatures"
_TICKS = os.sysconf("SC_CLK_TCK")
_CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("FEATURAMA_")}


@dataclass(frozen=True, slots=True)
class Server:
    """A server of this machine. pid: of the process whose CPU, with that of its children, is the server's."""

    address: str
    pid: int


@contextmanager
def program(*command: str, stdin: bool = False, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A program that is ended with the context. Its log is thrown away after it is written. stdin: whether it has a
    pipe, which a program may watch for the end of its owner.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_CLEAN | environment,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def service(name: str, storage: str, **settings: object) -> Iterator[Server]:
    """A service, over a storage unless that is "", with its usual settings unless some are given."""
    address = f"127.0.0.1:{free_port()}"
    given = {"listen": address, "drain_delay_ms": 0, **({"storage": storage} if storage else {}), **settings}
    environment = {f"FEATURAMA_{name}_{key}".upper(): str(value) for key, value in given.items()}
    with program(sys.executable, "-m", f"featurama_{name}", **environment) as process:
        wait_for(address)
        yield Server(address, process.pid)


@contextmanager
def echo(answer: bytes) -> Iterator[Server]:
    """A bare grpc.aio server that answers every call with the same bytes: the floor of gRPC in Python."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(answer)
        file.flush()
        with program(sys.executable, "-m", "benchmarks.echo", file.name) as process:
            assert process.stdout is not None
            address = f"127.0.0.1:{int(process.stdout.readline())}"
            wait_for(address)
            yield Server(address, process.pid)


def load(
    server: Server,
    requests: Sequence[bytes],
    *,
    clients: int = 16,
    seconds: float = 0.0,
    behind: Server | None = None,
    **more: Any,
) -> Figures:
    """Send requests in turn, by a process of its own; see `benchmarks.load` for more options. -> its figures.

    `cpu_ms` is the CPU of the server per answered call, `generator_cpu_ms` that of the load, `behind_cpu_ms` that of a
    server behind the one that is called.
    """
    watched = {"cpu_ms": server.pid} | ({"behind_cpu_ms": behind.pid} if behind else {})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        given = {"address": server.address, "watched": watched, "clients": clients, "seconds": seconds, **more}
        json.dump({**given, "requests": [each.hex() for each in requests]}, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", file.name], stdout=subprocess.PIPE, text=True, check=True
        )
    found: Figures = json.loads(done.stdout)
    if errors := found.pop("errors"):
        raise RuntimeError(f"calls failed while they were measured: {errors}")
    return found


def call(address: str, method: str, request: bytes) -> bytes:
    """One call, as bytes."""
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        answer: bytes = channel.unary_unary(method)(request, timeout=60)
    return answer


def wait_for(address: str, seconds: float = 60.0) -> None:
    """Return when a port is open."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, int(port)), 1.0).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def free_port() -> int:
    """A port that no program has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found, parents = [pid], {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(each.parent.name)] = int(each.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its descendants."""
    total = 0
    for each in family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of one process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def proportional_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, MB; a page that n processes share counts 1/n in each."""
    texts = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in family(pid)]
    return sum(int(text.split("Pss:")[1].split()[0]) for text in texts) * 1_024 / 1e6
