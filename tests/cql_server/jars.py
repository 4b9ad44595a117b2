"""The server's jars and the Java that runs them.

Jars are fetched once into the cache folder, keyed by the pom's content, and appear there whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
JAVA_VERSION = 17
OR_GIVE_ONE = "or set FEATURAMA_TEST_CQL=host[:port]"


class CqlServerUnavailableError(Exception):
    """This machine cannot run the server; the text says what is missing and how to mend it."""


def find_java() -> str:
    """Path of a Java 17: `JAVA_HOME` first, then `PATH`."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    advice = f"install Java {JAVA_VERSION} (JAVA_HOME or PATH), {OR_GIVE_ONE}"
    if java is None:
        raise CqlServerUnavailableError(f"no java found: {advice}")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) != JAVA_VERSION:
        version = found[1] if found else "of unknown version"
        raise CqlServerUnavailableError(f"Cassandra 5.0 needs Java {JAVA_VERSION}, found {version}: {advice}")
    return java


def cache_folder() -> Path:
    """`FEATURAMA_CACHE`, else `featurama` in the user's cache folder."""
    own = os.environ.get("FEATURAMA_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "featurama"


def fetch_jars() -> Path:
    """Folder that holds the server's jars (66 MB), fetched with Maven where the cache has none."""
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    target = cache_folder() / f"cassandra-{digest}"
    if target.is_dir():
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise CqlServerUnavailableError(
            "no mvn found to fetch Cassandra with: install Maven, or set FEATURAMA_TEST_CQL"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "cassandra.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _copy_dependencies(maven, target)
    return target


def _copy_dependencies(maven: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as scratch:
        jars = Path(scratch) / "jars"
        command = [
            maven,
            "-B",
            "-q",
            "-f",
            str(POM),
            "dependency:copy-dependencies",
            f"-DoutputDirectory={jars}",
        ]
        fetched = subprocess.run(command, capture_output=True, text=True, check=False)
        if fetched.returncode != 0:
            errors = [line for line in fetched.stdout.splitlines() if "ERROR" in line]
            raise CqlServerUnavailableError(f"mvn could not fetch Cassandra, {OR_GIVE_ONE}: {' '.join(errors[:1])}")
        jars.rename(target)
