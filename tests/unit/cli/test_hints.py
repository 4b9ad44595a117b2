"""The line of an error ends with the command that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurama_cli.hints import hint
from featurama_core.types.errors import FeaturamaError, Reason

from .running import run_in


@pytest.mark.parametrize(
    ("reason", "metadata", "text"),
    [
        (Reason.UNKNOWN_FEATURE, {"field": "speed"}, "; see `featurama features`"),
        (Reason.UNKNOWN_FEATURE_SERVICE, {}, "; see `featurama features --services`"),
        (Reason.UNKNOWN_MODEL, {}, "; see `featurama models list`"),
        (Reason.UNKNOWN_NAMESPACE, {"namespace": "crew"}, "; make it with `featurama namespaces create crew`"),
        (Reason.SCHEMA_MISMATCH, {"namespace": "crew"}, "; run `featurama migrate -n crew`"),
        (Reason.SCHEMA_MISMATCH, {}, ""),
        (Reason.INVALID_ARGUMENT, {}, ""),
    ],
)
def test_a_reason_has_the_command_that_helps(reason: Reason, metadata: dict[str, str], text: str) -> None:
    """Where the namespace is not known, no command is named."""
    assert text == hint(FeaturamaError("m", reason=reason, **metadata))


def test_the_command_says_what_is_wrong_and_which_command_helps(folder: Path) -> None:
    """In one line."""
    run_in(folder, "namespaces", "create", "crew")
    ran = run_in(folder, "features", "-n", "nowhere")

    assert (
        "featurama: namespace 'nowhere' does not exist; check its name or create it; "
        "make it with `featurama namespaces create nowhere` [UNKNOWN_NAMESPACE]\n"
    ) == ran.err
