"""A version of a model, as a server describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurama_core.types.times import to_rfc3339


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model, as the online service that answered sees it.

    state: "loaded", "not loaded" or "unusable", and then `problem` says why. aliases: those that name it; serves: those
    that the server answers with it, which for a `degraded` alias is not the version that it names. classes: labels of
    what it tells apart, in order; () if it predicts a number. features: references that it reads,
    pinned to versions; columns: of its matrix. scores: by what was scored ("test", "train", "baseline"), then by
    measure ("mae", "rmse", "r2"). created_at: microseconds UTC. manifest: a JSON object as text, all there is to know;
    only `get_model` asks for it.
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
        """Aliases that name another version, but this one answers: theirs cannot be used, or is being loaded."""
        return tuple(alias for alias in self.serves if alias not in self.aliases)

    def __repr__(self) -> str:
        named = f", {', '.join(self.aliases)}" if self.aliases else ""
        return f"Model({self.name} version {self.version}{named}, {self.state}, of {to_rfc3339(self.created_at)})"
