"""Errors in the words of the command line: options instead of the arguments of the store's methods, and what to do
next. The store's messages speak of no command: they also go to REST and gRPC.
"""

from __future__ import annotations

import re
import shlex

from featurama_core.types.errors import FeaturamaError, Reason

_HINTS = {
    Reason.UNKNOWN_FEATURE: "see `featurama features`",
    Reason.UNKNOWN_FEATURE_SERVICE: "see `featurama features --services`",
    Reason.UNKNOWN_MODEL: "see `featurama models list`",
    Reason.UNKNOWN_NAMESPACE: "make it with `featurama namespaces create {namespace}`",
    Reason.SCHEMA_MISMATCH: "run `featurama migrate -n {namespace}`",
}
_FIELDS = {"deleted_through_time": "--through", "start_time": "--start", "end_time": "--end"}
"""Fields that an option of another name gives, at the beginning of a message."""

_ARGUMENTS = {"casts": "cast", "roles": "role", "true_values": "true", "false_values": "false"} | {
    name: name.replace("_", "-")
    for name in (
        *("rename", "only", "ignore_extra", "timezone", "time_unit", "time_format", "ingested_at_unit", "timestamp"),
        *("delimiter", "quote", "encoding", "decimal", "ambiguous", "version", "labels", "entity_type"),
        *("start", "end", "every", "overwrite"),
    )
}
_CAST = re.compile(r"\bcasts=\{'(.+?)': '(\w+)'\}")
_ROLE = re.compile(r"\broles=\{'(\w+)': \{'type': '(\w+)', 'columns': '(\w+)'\}\}")
_ARGUMENT = re.compile(rf"\b({'|'.join(_ARGUMENTS)})=(?:'([^']+)'|True)?(?=[\s,;)]|$)")


def hint(error: FeaturamaError) -> str:
    """The message's continuation, or "" where no command helps."""
    text = _HINTS.get(error.reason, "")
    if "{namespace}" in text and "namespace" not in error.metadata:
        return ""
    return text and f"; {text.format_map(error.metadata)}"


def in_options(message: str) -> str:
    """A message with options in the place of arguments: `timezone='UTC'` is `--timezone UTC`."""
    field, space, rest = message.partition(" ")
    message = f"{_FIELDS.get(field, field)}{space}{rest}"
    message = _CAST.sub(lambda found: f"--cast {shlex.quote(f'{found[1]}={found[2]}')}", message)
    message = _ROLE.sub(r"--role \1=\2:\3", message)
    return _ARGUMENT.sub(_option, message)


def _option(found: re.Match[str]) -> str:
    # A message shows a tab as it is written in Python; this is how shells write it.
    value = "$'\\t'" if found[2] == r"\t" else shlex.quote(found[2] or "")
    return f"--{_ARGUMENTS[found[1]]}" + (f" {value}" if found[2] else "")
