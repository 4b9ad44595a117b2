"""Checks of this machine: Python, packages, settings, ports, and programs for tests."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from featurama_cli.doctor.finding import Finding
from featurama_cli.service_settings import SERVICES, settings_kind
from featurama_service.settings import SettingsError, load

PACKAGES = {
    "client": ("grpcio", "protobuf", "googleapis-common-protos", "numpy"),
    "services": ("acsylla", "grpcio-health-checking", "grpcio-reflection", "pydantic-settings", "structlog", "uvloop"),
    "gateway": ("fastapi", "fastapi-offline", "uvicorn", "orjson"),
    "trainer": ("jinja2", "matplotlib", "pandas", "polars", "pyarrow", "pyyaml", "scikit-learn"),
    "command": ("typer", "rich"),
}
PORTS = {"online": 50_051, "ingest": 50_052, "gateway": 8_080}
_OPEN_FILES = 1_024


def checks() -> Iterator[Finding]:
    """All checks of this machine."""
    yield _python()
    for extra, names in PACKAGES.items():
        yield _packages(extra, names)
    yield _xgboost()
    for service in SERVICES:
        yield _settings(service)
    for name, port in PORTS.items():
        yield _port(name, port)
    yield _open_files()
    yield _program("java", "a CQL server for tests", "apt-get install openjdk-17-jre-headless")
    yield _program("mvn", "a CQL server for tests", "apt-get install maven")
    yield _program("docker", "docker-compose.yml", "install Docker, or run the services with `featurama serve`")


def _python() -> Finding:
    have = ".".join(str(part) for part in sys.version_info[:3])
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", "ok", have)
    return Finding("Python", "fail", have, "use Python 3.11, 3.12 or 3.13: `PYTHON=python3.13 make demo`")


def _packages(extra: str, names: tuple[str, ...]) -> Finding:
    have, missing = [], []
    for name in names:
        try:
            have.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            f"Packages: {extra}", "fail", f"without {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )
    return Finding(f"Packages: {extra}", "ok", ", ".join(have))


def _xgboost() -> Finding:
    have = []
    for name in ("xgboost-cpu", "xgboost"):
        try:
            have.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if not have:
        return Finding("Packages: models", "fail", "without xgboost", "pip install xgboost-cpu")
    if len(have) > 1:
        return Finding(
            "Packages: models",
            "warn",
            ", ".join(have),
            "both provide the module xgboost: uninstall both, then install one",
        )
    return Finding("Packages: models", "ok", have[0])


def _settings(service: str) -> Finding:
    name = f"Settings: {service}"
    try:
        load(settings_kind(service))
    except SettingsError as error:
        return Finding(name, "fail", str(error), f"correct it; `featurama config {service}` shows all")
    given = sorted(each for each in os.environ if each.startswith(f"FEATURAMA_{service.upper()}_"))
    return Finding(name, "ok", f"set: {', '.join(given)}" if given else "all settings have their defaults")


def _port(name: str, port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return Finding(
                f"Port {port}",
                "warn",
                f"taken; {name}'s default",
                f"fine if `featurama up` runs; else `featurama up --{name}-port 0`",
            )
    return Finding(f"Port {port}", "ok", f"free; {name}'s default")


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _OPEN_FILES:
        return Finding("Open files", "warn", f"at most {soft}", "a server needs more: `ulimit -n 65536`")
    return Finding("Open files", "ok", f"at most {soft}")


def _program(name: str, needed_for: str, fix: str) -> Finding:
    if shutil.which(name):
        return Finding(name, "ok", f"installed; {needed_for}")
    return Finding(name, "warn", f"not installed; only {needed_for} needs it", fix)
