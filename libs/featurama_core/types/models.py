"""A version of a model, as a server describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurama_core.types.times import to_rfc3339


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model, in the state that the answering online service has.

    state: "loaded", "not loaded" or "unusable"; `problem` says why it is unusable. aliases: aliases that name this
    version. serves: aliases for which the server uses this version, including `degraded` ones that name another
    version. classes: class labels in order; () for a model that predicts a number. features: pinned references that it
    reads. columns: columns of its matrix. scores: by data ("test", "train", "baseline"), then by measure ("mae",
    "rmse", "r2"). created_at: microseconds since 1970 UTC. manifest: a JSON object as text, set by `get_model` only.
    """

    name: str
    version: int
    aliases: Sequence[str]
    state: str
    problem: str
    target: str
    entity_type: str
    objective: str
    feature_service: str
    features: Sequence[str]
    columns: Sequence[str]
    scores: Mapping[str, Mapping[str, float]]
    description: str
    created_by: str
    created_at: int
    artefact_bytes: int
    artefact_sha256: str
    manifest: str = ""
    serves: Sequence[str] = ()
    classes: Sequence[str] = ()

    @property
    def degraded(self) -> Sequence[str]:
        """Aliases that name another version, which is unusable or being loaded, and are served by this one."""
        return tuple(alias for alias in self.serves if alias not in self.aliases)

    def __repr__(self) -> str:
        named = f", {', '.join(self.aliases)}" if self.aliases else ""
        return f"Model({self.name} version {self.version}{named}, {self.state}, of {to_rfc3339(self.created_at)})"
