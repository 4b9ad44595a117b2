"""Help: quick, complete, and true."""

from __future__ import annotations

import subprocess
import sys

import pytest

from featurama_cli.lazy_group import loaded
from featurama_cli.main import Featurama as Listing

HEAVY = ("pyarrow", "pandas", "polars", "numpy", "grpc", "xgboost", "fastapi", "pydantic", "featurama_core", "acsylla")


def test_help_imports_nothing_heavy() -> None:
    """`featurama --help` answers at once: of the libraries that commands use none is imported."""
    code = (
        "import sys\n"
        "from featurama_cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"
    assert "doctor" in ran.stdout


@pytest.mark.parametrize("name", Listing.LISTED)
def test_the_list_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    """The line in the list is the first sentence of the command's own help."""
    command = loaded(name)
    listed = Listing.LISTED[name].help
    assert listed.endswith(".")
    assert f"{command.help.splitlines()[0]} ".startswith(f"{listed} ")


@pytest.mark.parametrize("name", Listing.LISTED)
def test_every_command_has_help(featurama, name: str) -> None:
    """`featurama COMMAND --help` works, and needs no store."""
    ran = featurama(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"Usage: featurama {name}" in ran.out


def test_an_unknown_command_is_refused_in_a_line(featurama) -> None:
    """A mistyped command ends with exit code 2 and names what was typed."""
    ran = featurama("featurs")
    assert ran.code == 2
    assert "featurs" in ran.err
    assert "Traceback" not in ran.err


def test_the_version_is_that_of_the_distribution(featurama) -> None:
    from importlib.metadata import version

    assert featurama("--version").out.strip() == version("featurama")
