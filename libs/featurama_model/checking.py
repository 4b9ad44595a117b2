"""The process that checks a model before a server loads it: `python -m featurama_model.checking`.

Requests arrive on standard input and answers leave on standard output. A request is the lengths of two parts (uint32,
big-endian), the manifest's JSON and the artefact. An answer is a length and a JSON object with the structure or the
problem. An empty answer comes first and reports that the process is ready. No pickle, no file, no network.
Memory, processor time and files are limited before the first request is read. A hostile model may kill the process. The
process exits when it is idle for some time or its parent has ended.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.types.errors import FailedPrecondition
from featurama_model.engineered import Float32Array
from featurama_model.loading import check_artefact, load_checked
from featurama_model.manifest import MAX_ARTEFACT_BYTES, MAX_MANIFEST_BYTES, ModelManifest, unusable
from featurama_model.structure import Structure

REQUEST = struct.Struct(">II")
ANSWER = struct.Struct(">I")

Attempt = Callable[[ModelManifest, bytes], Structure]
"""Checks a model: returns its structure or raises FailedPrecondition (MODEL_UNUSABLE). It may kill the process."""

_NOT_NEEDED = ("sklearn", "pandas", "polars", "pyarrow")
"""Packages that xgboost imports where they are installed (see xgboost_alone). This process never imports them."""

_PROBES = 32


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """Limits of one check. memory_bytes: in addition to the libraries; cpu_seconds: processor time; seconds: elapsed
    time. idle_seconds: the lifetime of the process without a request.
    """

    memory_bytes: int = 1024 * 1024 * 1024
    cpu_seconds: int = 30
    seconds: float = 60.0
    idle_seconds: float = 60.0


def tried(manifest: ModelManifest, artefact: bytes) -> Structure:
    """Check, load and predict with a model. Raises FailedPrecondition (MODEL_UNUSABLE)."""
    model = load_checked(manifest, artefact, check_artefact(manifest, artefact))
    rows = probes(model.structure.features)
    if not np.isfinite(model.predict_matrix(rows)).all():
        raise manifest.unusable("it predicts numbers that are not finite")
    model.contributions(rows[:2])
    return model.structure


def probes(features: int) -> Float32Array:
    """Rows float32[n, features] that reach every part of a model: zeros, missing, largest and random values."""
    chance = np.random.default_rng(1)
    rows = chance.normal(size=(_PROBES, features)) * 10.0 ** chance.integers(-3, 7, size=(_PROBES, features))
    rows[chance.random(rows.shape) < 0.1] = np.nan
    largest = float(np.finfo(np.float32).max)
    rows[:4] = np.array([0.0, np.nan, largest, -largest])[:, None]
    return rows.astype(np.float32)


def serve(limits: CheckLimits, attempt: Attempt = tried) -> None:
    """Answer requests on the standard streams until they end or the idle limit is reached."""
    # Output that libraries print must not mix with the answers.
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for name in _NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails: xgboost does without
    import xgboost  # noqa: F401  before the memory is limited: the library does not count towards the limit

    _limit(limits)
    os.write(answers, ANSWER.pack(0))
    while select.select([0], [], [], limits.idle_seconds)[0]:
        header = _read(REQUEST.size)
        if header is None:
            return
        sizes = REQUEST.unpack(header)
        if sizes[0] > MAX_MANIFEST_BYTES or sizes[1] > MAX_ARTEFACT_BYTES:
            return
        parts = [_read(size) for size in sizes]
        if parts[0] is None or parts[1] is None:
            return
        _limit_cpu(limits.cpu_seconds)
        found = json.dumps(_answer(attempt, parts[0], parts[1])).encode()
        _write(answers, ANSWER.pack(len(found)) + found)


def _answer(attempt: Attempt, manifest: bytes, artefact: bytes) -> dict[str, Any]:
    try:
        return {"structure": asdict(attempt(ModelManifest.from_json(manifest.decode()), artefact))}
    except FailedPrecondition as error:
        return {"problem": error.message}
    except MemoryError:
        return {"problem": unusable("checking it takes more memory than a check may use").message}


def _limit(limits: CheckLimits) -> None:
    """Limit memory, forbid file growth and core dumps, and be the first process killed when memory runs out."""
    with suppress(OSError):
        os.nice(5)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        import resource
    except ImportError:  # not on Windows
        return
    used = 0
    with suppress(OSError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, used + limits.memory_bytes),
    ):
        # Some systems refuse a limit below the current use, or do not have this limit.
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (limit, limit))


def _limit_cpu(seconds: int) -> None:
    """Allow this many seconds more than were used so far; the system then ends the process."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime) + 1 + seconds
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _read(size: int) -> bytes | None:
    """Exactly `size` bytes of standard input; None at its end."""
    found = bytearray()
    while len(found) < size:
        part = os.read(0, min(size - len(found), 1024 * 1024))
        if not part:
            return None
        found += part
    return bytes(found)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def main(attempt: Attempt = tried) -> None:
    """Serve with the limits of the command line: memory bytes, processor seconds, idle seconds."""
    memory, cpu, idle = sys.argv[1:4]
    serve(CheckLimits(memory_bytes=int(memory), cpu_seconds=int(cpu), idle_seconds=float(idle)), attempt)


if __name__ == "__main__":
    main()
