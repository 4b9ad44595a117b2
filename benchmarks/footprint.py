"""What do an idle server, the import of the client and the help of the command take?"""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pace import Figures, Pace, Target
from benchmarks.processes import proportional_mb, resident_mb, service
from benchmarks.stores import fill

CLIENT = "import featurama, featurama.client.remote_store"

TARGETS = [
    Target("resident memory of an idle online server", "idle_online_mb", 150, unit="MB"),
    Target("CPU of the import of the client", "import_cpu_s", 0.35, unit="s"),
    Target("CPU of `featurama --help`", "help_cpu_s", 0.5, unit="s"),
]


def measure(pace: Pace) -> Figures:
    """Memory after a second without calls; medians of a few starts."""
    python, command = sys.executable, str(Path(sys.executable).with_name("featurama"))
    turns = 2 * pace.rounds - 1
    bare = statistics.median(cpu_of(python, "-c", "pass") for _ in range(turns))
    imported = statistics.median(cpu_of(python, "-c", CLIENT) for _ in range(turns))
    helped = statistics.median(cpu_of(command, "--help") for _ in range(turns))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store"
        asyncio.run(fill(url, entities=10))
        with service("online", url) as server:
            time.sleep(1)
            memory, family = resident_mb(server.pid), proportional_mb(server.pid)
    return {
        "idle_online_mb": memory,
        "idle_online_with_children_mb": family,
        "import_cpu_s": imported - bare,
        "help_cpu_s": helped,
    }


def cpu_of(*command: str) -> float:
    """CPU seconds of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
