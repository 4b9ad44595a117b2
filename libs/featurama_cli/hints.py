"""What to do next on the command line about an error. The store's messages speak of no command: they also go to REST
and gRPC.
"""

from __future__ import annotations

from featurama_core.types.errors import FeaturamaError, Reason

_HINTS = {
    Reason.UNKNOWN_FEATURE: "see `featurama features`",
    Reason.UNKNOWN_FEATURE_SERVICE: "see `featurama features --services`",
    Reason.UNKNOWN_MODEL: "see `featurama models list`",
    Reason.UNKNOWN_NAMESPACE: "make it with `featurama namespaces create {namespace}`",
    Reason.SCHEMA_MISMATCH: "run `featurama migrate -n {namespace}`",
}


def hint(error: FeaturamaError) -> str:
    """The message's continuation, or "" where no command helps."""
    text = _HINTS.get(error.reason, "")
    if "{namespace}" in text and "namespace" not in error.metadata:
        return ""
    return text and f"; {text.format_map(error.metadata)}"
