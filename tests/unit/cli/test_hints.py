"""The line of an error ends with the command that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurama_cli.hints import hint, in_options
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


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "declare it once with timezone=, such as timezone='Europe/Rome'",
            "declare it once with --timezone, such as --timezone Europe/Rome",
        ),
        (
            "rename it with rename=, or leave it out with only= or ignore_extra=True",
            "rename it with --rename, or leave it out with --only or --ignore-extra",
        ),
        ("declare casts={'Station ID': 'text'}", "declare --cast 'Station ID=text'"),
        (
            "declare their unit with time_unit= (s, ms, us or ns)",
            "declare their unit with --time-unit (s, ms, us or ns)",
        ),
        (
            "name it, such as roles={'home': {'type': 'team', 'columns': 'entity_id'}}",
            "name it, such as --role home=team:entity_id",
        ),
        ("such as delimiter='\\t'", "such as --delimiter $'\\t'"),
        ("such as delimiter=';'", "such as --delimiter ';'"),
        ("deleted_through_time has no time zone", "--through has no time zone"),
        (
            "there is no column 'only=3'; there are version=7x, a",
            "there is no column 'only=3'; there are version=7x, a",
        ),
    ],
)
def test_a_message_names_the_options_of_the_command(message: str, expected: str) -> None:
    """Not the arguments of a method; what the user has written stays."""
    assert expected == in_options(message)


def test_the_command_says_what_is_wrong_and_which_command_helps(folder: Path) -> None:
    """In one line."""
    run_in(folder, "namespaces", "create", "crew")
    ran = run_in(folder, "features", "-n", "nowhere")

    assert (
        "featurama: namespace 'nowhere' does not exist; check its name or create it; "
        "make it with `featurama namespaces create nowhere` [UNKNOWN_NAMESPACE]\n"
    ) == ran.err
