"""What a measurement is kept with: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.pace import Figures, Pace

PACKAGES = (
    "featurama",
    "grpcio",
    "protobuf",
    "numpy",
    "pyarrow",
    "polars",
    "uvloop",
    "acsylla",
    "xgboost-cpu",
    "fastapi",
)


def record(pace: Pace, figures: Figures) -> Figures:
    """The content of the JSON file."""
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _git("rev-parse", "HEAD") + ("-changed" if _git("status", "--porcelain", "-uno") else ""),
        "machine": {
            "cpu": _cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
            "load_before": round(os.getloadavg()[2], 2),
        },
        "versions": {"python": platform.python_version()} | _versions(),
        "pace": {"seconds": pace.seconds, "rounds": pace.rounds, "clients": pace.clients},
        "figures": figures,
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
