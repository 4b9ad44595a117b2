"""One Cassandra node: its configuration, its process, and when it is ready.

The node listens on loopback only, and dies with the thread that started it, so no crash of the owner leaves a
JVM behind. Batch limits are the server's own (warn 5 KiB, fail 50 KiB): the strictest in the field.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .endpoint import CqlEndpoint
from .jars import fetch_jars, find_java

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
READY_TIMEOUT_S = 180.0
QUICK_TIMER_SLACK_NS = 300_000
"""The server's idle threads sleep for 10 microseconds at a time before they rest: a quarter of its CPU time."""
# Below the kernel's ephemeral range: no outgoing connection takes a port between the choice and the bind.
PORT_RANGE = range(20_000, 32_000)

EXPORTS = """
java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/java.lang.ref java.base/sun.nio.ch
java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server
java.sql/java.sql jdk.unsupported/sun.misc jdk.compiler/com.sun.tools.javac.file jdk.attach/sun.tools.attach
"""
OPENS = """
java.base/java.lang java.base/java.lang.module java.base/java.lang.reflect java.base/java.io
java.base/java.nio java.base/java.util java.base/java.util.concurrent
java.base/java.util.concurrent.atomic java.base/sun.nio.ch
java.base/jdk.internal.loader java.base/jdk.internal.ref java.base/jdk.internal.reflect
java.base/jdk.internal.math java.base/jdk.internal.module java.base/jdk.internal.util.jar
jdk.management/com.sun.management.internal jdk.compiler/com.sun.tools.javac java.rmi/sun.rmi.transport.tcp
"""

LOGBACK = """<configuration>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>{log}</file>
    <encoder><pattern>%-5level %date{{ISO8601}} %logger{{0}} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="FILE"/></root>
</configuration>
"""


class NodeStartError(Exception):
    """The node did not become ready; the text ends with what it said."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What a caller may choose; `port` 0 means any free one."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    heap: str = "768m"
    keep: bool = False
    """Whether `folder` is used again: such a node is asked to end before it is killed."""
    quick: bool = False
    """Tables in a quarter of the time, as the schema is not flushed, and less CPU spent on compiling: for
    tests, not for measurements, nor for a node that is started again."""


@dataclass(frozen=True, slots=True)
class Node:
    """A running, ready node; its jmx port serves `org.apache.cassandra.tools.NodeTool`."""

    endpoint: CqlEndpoint
    jmx_port: int
    process: subprocess.Popen[bytes]


@contextmanager
def running_node(options: NodeOptions) -> Iterator[Node]:
    """Start a node, give it when it answers CQL, end it on the way out."""
    java, jars = find_java(), fetch_jars()
    native, storage, jmx = _free_ports(options.host, options.port)
    options.folder.mkdir(parents=True, exist_ok=True)
    _write_configuration(options, native, storage)
    slack = QUICK_TIMER_SLACK_NS if options.quick else 0
    supervised = [sys.executable, str(DIE_WITH_PARENT), str(os.getpid()), str(slack)]
    daemon = [java, *_flags(options, jars, jmx), "org.apache.cassandra.service.CassandraDaemon"]
    output = options.folder / "output.log"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*supervised, *daemon], stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
    try:
        endpoint = CqlEndpoint(options.host, native)
        _await_ready(process, endpoint, output)
        yield Node(endpoint, jmx, process)
    finally:
        if options.keep:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        process.kill()
        process.wait()


def _free_ports(host: str, native: int) -> tuple[int, int, int]:
    chosen = [native] if native else []
    for port in random.SystemRandom().sample(PORT_RANGE, 200):
        if len(chosen) == 3:
            break
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            chosen.append(port)
    first, second, third = chosen
    return first, second, third


def _write_configuration(options: NodeOptions, native: int, storage: int) -> None:
    folder = options.folder
    settings: dict[str, object] = {
        "cluster_name": "featurama-tests",
        "num_tokens": 16,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "listen_address": options.host,
        "rpc_address": options.host,
        "native_transport_port": native,
        "storage_port": storage,
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": f"{options.host}:{storage}"}],
            }
        ],
        "auto_bootstrap": False,
        "auto_snapshot": False,
        "commitlog_sync": "periodic",
        "commitlog_sync_period": "10s",
        "memtable_allocation_type": "heap_buffers",
        "data_file_directories": [str(folder / "data")],
        "commitlog_directory": str(folder / "commitlog"),
        "saved_caches_directory": str(folder / "saved_caches"),
        "hints_directory": str(folder / "hints"),
        "cdc_raw_directory": str(folder / "cdc_raw"),
    }
    # JSON is YAML, and needs no library.
    (folder / "cassandra.yaml").write_text(json.dumps(settings, indent=2))
    (folder / "logback.xml").write_text(LOGBACK.format(log=folder / "system.log"))
    (folder / "tmp").mkdir(exist_ok=True)


def _flags(options: NodeOptions, jars: Path, jmx: int) -> list[str]:
    folder = options.folder
    modules = [f for name in EXPORTS.split() for f in ("--add-exports", f"{name}=ALL-UNNAMED")]
    modules += [f for name in OPENS.split() for f in ("--add-opens", f"{name}=ALL-UNNAMED")]
    properties = {
        "jdk.attach.allowAttachSelf": "true",
        "io.netty.tryReflectionSetAccessible": "true",
        "java.io.tmpdir": folder / "tmp",
        "logback.configurationFile": folder / "logback.xml",
        "cassandra.config": (folder / "cassandra.yaml").as_uri(),
        "cassandra.storagedir": folder,
        "cassandra.jmx.local.port": jmx,
        "cassandra.foreground": "yes",
        "cassandra.ring_delay_ms": 0,
        "cassandra.skip_wait_for_gossip_to_settle": 0,
        "cassandra.superuser_setup_delay_ms": 0,
    }
    quick = ["-Dcassandra.unsafesystem=true", "-XX:TieredStopAtLevel=1"] if options.quick else []
    return [
        *modules,
        *quick,
        *(f"-D{name}={value}" for name, value in properties.items()),
        f"-Xms{options.heap}",
        f"-Xmx{options.heap}",
        "-XX:+UseG1GC",
        "-XX:-UsePerfData",
        *(f"-javaagent:{jar}" for jar in jars.glob("jamm-*.jar")),
        "-cp",
        f"{folder}:{jars}/*",
    ]


def _await_ready(process: subprocess.Popen[bytes], endpoint: CqlEndpoint, output: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not _answers(endpoint):
        if process.poll() is not None or time.monotonic() > deadline:
            state = "not ready in time" if process.poll() is None else f"ended with {process.returncode}"
            said = output.read_text(errors="replace")[-2_000:]
            raise NodeStartError(f"the CQL server is {state}; it said:\n{said}")
        time.sleep(0.1)


def _answers(endpoint: CqlEndpoint) -> bool:
    """Whether the server replies SUPPORTED (6) to an OPTIONS (5) frame of protocol 4."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=2) as connection:
            connection.sendall(bytes([4, 0, 0, 0, 5, 0, 0, 0, 0]))
            reply = connection.recv(9)
    except OSError:
        return False
    return len(reply) >= 5 and reply[4] == 6
